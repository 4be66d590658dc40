package vm_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"olive-distributed/packaging/rig/vm"
)

// TestTheKernelsClient mounts nfsd with Debian's kernel, and uses it as programs use files: testdata/client.sh.
func TestTheKernelsClient(t *testing.T) {
	files := t.TempDir()
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(files, "serve"), "./testdata/serve")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the server: %v\n%s", err, out)
	}
	script, err := os.ReadFile("testdata/client.sh")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(files, "client.sh"), script, 0o755); err != nil {
		t.Fatal(err)
	}
	m := start(t, "client", vm.Options{Files: files})
	m.do("systemd-run", "--quiet", "--unit=serve", "/rig/serve", "/var/tmp/served", "127.0.0.1:20490")
	m.until("the server to listen", func() bool {
		_, err := m.Run(t.Context(), "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/20490")
		return err == nil
	})
	out := m.do("/rig/client.sh", "127.0.0.1", "20490", "/job-1")
	if !strings.HasSuffix(out, "the kernel's client is content") {
		t.Errorf("it says:\n%s", out)
	}
}
