package vm_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"olive-distributed/packaging/rig/vm"
)

// TestMachines starts two from one snapshot: each is its own, and they hear each other unless the wire is cut.
func TestMachines(t *testing.T) {
	t.Parallel()
	n := network(t)
	files := t.TempDir()
	if err := os.WriteFile(filepath.Join(files, "hello"), []byte("a file"), 0o644); err != nil {
		t.Fatal(err)
	}
	a := start(t, "a", vm.Options{Network: n, Number: 1, Files: files})
	b := start(t, "b", vm.Options{Network: n, Number: 2})
	a.want("file", a.do("cat", "/rig/hello"), "a file")
	a.want("host", a.do("hostname"), "a")
	const dice = "od -An -N16 -tx1 /dev/urandom"
	if x, y := a.sh(dice), b.sh(dice); x == y {
		t.Errorf("both machines throw the dice alike: %s", x)
	}
	if _, err := b.Run(t.Context(), "sh", "-c", "echo so it is >&2; exit 3"); err == nil || !strings.Contains(err.Error(), "exit code 3\nso it is") {
		t.Errorf("a command that fails: %v", err)
	}
	a.do("systemd-run", "--quiet", "--unit=hello", "systemd-socket-activate", "--accept", "--inetd", "--listen=7000", "cat", "/rig/hello")
	a.until("the port", func() bool { return a.sh("grep -c :1B58 /proc/net/tcp6 || true") == "1" })
	b.want("from the other", b.do("bash", "-c", "exec 3<>/dev/tcp/10.77.49.1/7000; cat <&3"), "a file")
	n.Cut(true)
	if out, err := b.Run(t.Context(), "timeout", "5", "bash", "-c", "exec 3<>/dev/tcp/10.77.49.1/7000; cat <&3"); err == nil {
		t.Errorf("the wire is cut, and yet there is %q", out)
	}
	n.Cut(false)
	b.want("from the other again", b.do("bash", "-c", "exec 3<>/dev/tcp/10.77.49.1/7000; cat <&3"), "a file")
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	if out, err := a.Run(t.Context(), "true"); err == nil {
		t.Errorf("a machine without power says %q", out)
	}
}
