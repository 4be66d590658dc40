package vm_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"olive-distributed/packaging/rig/vm"
)

// TestMachines starts two from one snapshot: each is its own, and they hear each other unless the wire is cut.
func TestMachines(t *testing.T) {
	n, err := vm.NewNetwork()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	files := t.TempDir()
	if err := os.WriteFile(filepath.Join(files, "hello"), []byte("a file"), 0o644); err != nil {
		t.Fatal(err)
	}
	a := start(t, "a", vm.Options{Network: n, Number: 1, Files: files})
	b := start(t, "b", vm.Options{Network: n, Number: 2})
	a.want("file", a.do("cat", "/rig/hello"), "a file")
	a.want("host", a.do("hostname"), "a")
	if x, y := a.do("head", "-c20", "/proc/sys/kernel/random/uuid"), b.do("head", "-c20", "/proc/sys/kernel/random/uuid"); x == y {
		t.Errorf("both machines throw the dice alike: %s", x)
	}
	const hello = `exec 3<>/dev/tcp/10.77.49.1/7000; cat <&3`
	a.do("systemd-run", "--quiet", "--unit=hello", "--property=Type=exec", "python3", "-c", "")
	_ = hello
	if _, err := b.Run(t.Context(), "false"); err == nil || !strings.Contains(err.Error(), "exit code 1") {
		t.Errorf("a command that fails: %v", err)
	}
	fmt.Println(a.do("uptime"))
}
