package nfsd_test

import (
	"bytes"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"olive-distributed/nfsd"
)

// The tools of libnfs are a client that nobody here has written.

// A mounted is what the tools are given.
type mounted struct {
	*world
	port    string
	options string
}

// url is that of a path. A port mapper is asked for the ports unless both are given.
func (m *mounted) url(path string) string {
	return fmt.Sprintf("nfs://127.0.0.1%s?version=3&nfsport=%s&mountport=%s%s", path, m.port, m.port, m.options)
}

// tool runs one of them with URLs.
func (m *mounted) tool(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	var out, fault bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &fault
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, fault.String())
	}
	return out.String(), nil
}

func TestToolsOfLibnfs(t *testing.T) {
	for what, options := range map[string]string{"as they come": "", "without a look at other exports": "&auto-traverse-mounts=0"} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t)
			w.views["worker"] = show(w.export, w.newExport(2, "job-2", nil))
			w.start(nfsd.Limits{})
			_, port, err := net.SplitHostPort(w.addr)
			if err != nil {
				t.Fatal(err)
			}
			m := &mounted{world: w, port: port, options: options}
			t.Run("nfs-cat gives a medium, and what was generated", m.cat)
			t.Run("nfs-ls lists", m.ls)
			t.Run("nfs-cp writes a part and reads it", m.cp)
			t.Run("what is not there is refused", m.refused)
		})
	}
}

func (m *mounted) cat(t *testing.T) {
	for path, want := range map[string][]byte{
		"/job-1/media/clip.mov": m.clip, "/job-1/media/small.wav": []byte("hello"), "/job-1/project.ove": []byte("<project/>"),
		"/job-2/media/clip.mov": m.clip,
	} {
		if got, err := m.tool(t, "nfs-cat", m.url(path)); err != nil || got != string(want) {
			t.Errorf("%s: %d bytes, want %d; %v", path, len(got), len(want), err)
		}
	}
}

func (m *mounted) ls(t *testing.T) {
	for i := range 1500 {
		m.put(fmt.Sprintf("parts/listed-%04d", i), []byte("listed"))
	}
	for path, test := range map[string]struct {
		want  string
		count int
	}{
		"/job-1": {"project.ove", 3}, "/job-1/media": {"clip.mov", 2}, "/job-1/parts": {"listed-1499", 1500}, "/job-2": {"media", 2},
	} {
		out, err := m.tool(t, "nfs-ls", m.url(path))
		if err != nil {
			t.Error(err)
			continue
		}
		var names []string
		for line := range strings.Lines(out) {
			fields := strings.Fields(line)
			if name := fields[len(fields)-1]; name != "." && name != ".." {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		if len(slices.Compact(names)) != test.count || !slices.Contains(names, test.want) {
			t.Errorf("nfs-ls %s lists %d names, want %d, %q among them", path, len(names), test.count, test.want)
		}
	}
}

func (m *mounted) cp(t *testing.T) {
	for _, args := range [][]string{
		{m.path("media/clip.mov"), m.url("/job-1/parts/copied")},
		{m.url("/job-1/parts/copied"), m.path("outside/copied")},
		{m.url("/job-1/media/clip.mov"), m.url("/job-1/parts/from-one-to-another")},
	} {
		if _, err := m.tool(t, "nfs-cp", args...); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"parts/copied", "outside/copied", "parts/from-one-to-another"} {
		if got := m.content(name); !bytes.Equal(got, m.clip) {
			t.Errorf("%s has %d bytes that are not the medium's %d", name, len(got), len(m.clip))
		}
	}
}

func (m *mounted) refused(t *testing.T) {
	for _, path := range []string{"/job-1/media/none", "/job-1/none/clip.mov", "/job-3/media/clip.mov", "/etc/passwd", "/job-1/../outside/secret"} {
		if out, err := m.tool(t, "nfs-cat", m.url(path)); err == nil || out != "" {
			t.Errorf("nfs-cat %s gives %q, %v", path, out, err)
		}
	}
	if _, err := m.tool(t, "nfs-cp", m.path("outside/secret"), m.url("/job-1/media/written")); err == nil {
		t.Error("nfs-cp writes beside the media")
	}
}
