package machine

import (
	"os"
	"path/filepath"
	"testing"
)

func TestGroupMemory(t *testing.T) {
	const v2 = "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
	const v1 = "30 23 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n31 23 0:28 / /sys/fs/cgroup/memory rw,shared:4 - cgroup cgroup rw,memory\n"
	const none1 = "9223372036854771712\n"
	for name, c := range map[string]struct {
		groups, mounts string
		files          map[string]string
		want           int64
	}{
		"no control groups": {"", "", nil, 0},
		"version 2": {
			"0::/a.slice/b\n", v2,
			map[string]string{"sys/fs/cgroup/a.slice/b/memory.max": "2000\n"},
			2000,
		},
		"a group around it is narrower": {
			"0::/a.slice/b\n", v2,
			map[string]string{"sys/fs/cgroup/a.slice/b/memory.max": "2000\n", "sys/fs/cgroup/a.slice/memory.max": "1000\n"},
			1000,
		},
		"version 2 without a limit": {
			"0::/a\n", v2,
			map[string]string{"sys/fs/cgroup/a/memory.max": "max\n"},
			0,
		},
		"version 1": {
			"5:cpu:/x\n4:memory:/a\n0::/\n", v1,
			map[string]string{"sys/fs/cgroup/memory/a/memory.limit_in_bytes": "3000\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": none1, "sys/fs/cgroup/cpu/x/memory.limit_in_bytes": "1\n"},
			3000,
		},
		"version 1 without a limit": {
			"4:memory:/a\n", v1,
			map[string]string{"sys/fs/cgroup/memory/a/memory.limit_in_bytes": none1},
			0,
		},
		"both, and the narrower one counts": {
			"4:cpu,memory:/a\n0::/a\n", v1 + "40 23 0:40 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
			map[string]string{"sys/fs/cgroup/memory/a/memory.limit_in_bytes": "3000\n", "sys/fs/cgroup/unified/a/memory.max": "2500"},
			2500,
		},
		"a container that sees its own group as the root of the mount": {
			"0::/docker/x/inner\n", "31 23 0:28 /docker/x /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
			map[string]string{"sys/fs/cgroup/inner/memory.max": "700\n", "sys/fs/cgroup/memory.max": "800\n"},
			700,
		},
		"a group outside of what is mounted": {
			"0::/../y\n", v2,
			map[string]string{"sys/fs/cgroup/memory.max": "900\n", "sys/fs/y/memory.max": "1\n"},
			900,
		},
		"a neighbour with a longer name is outside": {
			"0::/docker/xy\n", "31 23 0:28 /docker/x /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
			map[string]string{"sys/fs/cgroup/memory.max": "800\n"},
			800,
		},
		"lines that are none": {"nonsense\n0:\n", "nonsense\n- \n", nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			put := func(path, text string) {
				t.Helper()
				path = filepath.Join(root, path)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			put("proc/self/cgroup", c.groups)
			put("proc/self/mountinfo", c.mounts)
			for path, text := range c.files {
				put(path, text)
			}
			if got := groupMemory(root); got != c.want {
				t.Errorf("limit %d, want %d", got, c.want)
			}
		})
	}
}

func FuzzGroupMemory(f *testing.F) {
	f.Add("0::/a\n4:memory:/b", "31 23 0:28 / /sys rw - cgroup2 cgroup2 rw")
	f.Fuzz(func(t *testing.T, groups, mounts string) {
		root := t.TempDir()
		if err := os.MkdirAll(filepath.Join(root, "proc/self"), 0o700); err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{"cgroup": groups, "mountinfo": mounts} {
			if err := os.WriteFile(filepath.Join(root, "proc/self", name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := groupMemory(root); got != 0 {
			t.Errorf("%q, %q: limit %d, but no group has one", groups, mounts, got)
		}
	})
}
