package machine

import (
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// groupMemory is the smallest memory limit, in bytes, of this process's control group and those
// around it, in both versions of the kernel's interface (cgroups(7)); 0 means none. root is /,
// but in tests.
func groupMemory(root string) int64 {
	groups, err := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	if err != nil {
		return 0
	}
	mounts, err := os.ReadFile(filepath.Join(root, "proc/self/mountinfo"))
	if err != nil {
		return 0
	}
	least := int64(math.MaxInt64)
	for line := range strings.Lines(string(groups)) { // HIERARCHY:CONTROLLERS:PATH
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		kind, file := "", ""
		switch {
		case f[0] == "0" && f[1] == "":
			kind, file = "cgroup2", "memory.max"
		case hasWord(f[1], "memory"):
			kind, file = "cgroup", "memory.limit_in_bytes"
		default:
			continue
		}
		if mount, inner, ok := mountOf(string(mounts), kind); ok {
			least = min(least, limitAbove(filepath.Join(root, mount), below(f[2], inner), file))
		}
	}
	if least >= 1<<60 { // version 1 says "none" with a number of about 2^63
		return 0
	}
	return least
}

func hasWord(list, word string) bool { return strings.Contains(","+list+",", ","+word+",") }

// mountOf finds where a hierarchy is mounted, and which of its groups that shows. A line is
// ID PARENT DEVICE ROOT MOUNTPOINT OPTIONS… - TYPE SOURCE OPTIONS, see proc_pid_mountinfo(5).
func mountOf(mounts, kind string) (mount, inner string, ok bool) {
	for line := range strings.Lines(mounts) {
		head, tail, found := strings.Cut(strings.TrimSpace(line), " - ")
		f, g := strings.Fields(head), strings.Fields(tail)
		if !found || len(f) < 5 || len(g) < 3 || g[0] != kind || kind == "cgroup" && !hasWord(g[2], "memory") {
			continue
		}
		return f[4], f[3], true
	}
	return "", "", false
}

// below is a group's path in the mount that shows inner; a group outside of it counts as inner.
func below(group, inner string) string {
	rest, ok := strings.CutPrefix(group, strings.TrimSuffix(inner, "/"))
	if !ok || rest != "" && rest[0] != '/' || strings.HasPrefix(rest, "/..") {
		return "/"
	}
	return filepath.Clean("/" + rest)
}

// limitAbove is the smallest limit of a group and those around it.
func limitAbove(mount, group, file string) int64 {
	least := int64(math.MaxInt64)
	for ; ; group = filepath.Dir(group) {
		text, err := os.ReadFile(filepath.Join(mount, group, file))
		if n, parseErr := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && parseErr == nil && n > 0 {
			least = min(least, n) // "max" is no number
		}
		if group == "/" || group == "." {
			return least
		}
	}
}
