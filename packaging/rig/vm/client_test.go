package vm_test

import (
	"fmt"
	"strings"
	"testing"

	"olive-distributed/packaging/rig/vm"
)

// listens says whether somebody takes connections.
func (m *machine) listens(host string, port int) bool {
	_, err := m.Run(m.t.Context(), "timeout", "5", "bash", "-c", fmt.Sprintf("exec 3<>/dev/tcp/%s/%d", host, port))
	return err == nil
}

// TestTheKernelsClient mounts nfsd with Debian's kernel, and uses it as programs use files: testdata/client.sh.
func TestTheKernelsClient(t *testing.T) {
	t.Parallel()
	m := start(t, "client", vm.Options{})
	m.do("systemd-run", "--quiet", "--unit=serve", "/rig/serve", "/var/tmp/served", "127.0.0.1:20490", "200000000", "job-1")
	m.until("the server to listen", func() bool { return m.listens("127.0.0.1", 20490) })
	out := m.do("/rig/client.sh", "127.0.0.1", "20490", "/job-1")
	if !strings.HasSuffix(out, "the kernel's client is content") {
		t.Errorf("it says:\n%s", out)
	}
}
