package vm_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"olive-distributed/packaging/rig/vm"
)

// patience is long: other work on the machine must not fail a test.
const patience = 5 * time.Minute

// What every test needs, made once.
var (
	image *vm.Image
	files string // folder of the package and of programs, which machines have as /rig
)

func TestMain(m *testing.M) {
	code, err := prepared(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func prepared(m *testing.M) (int, error) {
	var err error
	if image, err = vm.Build(context.Background()); err != nil {
		return 1, err
	}
	if files, err = os.MkdirTemp("", "olive-files-"); err != nil {
		return 1, err
	}
	defer os.RemoveAll(files)
	for _, args := range [][]string{
		{"../../package.sh", "--version", version, "--arch", "amd64", "--format", "deb", files},
		{"go", "-C", "testdata/nfs", "build", "-trimpath", "-o", files + "/nfs", "."},
		{"cp", "-r", "../../demo", files + "/sample"},
	} {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return 1, fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
		}
	}
	return m.Run(), nil
}

const version = "0.0.1"

// install installs the package.
func (m *machine) install() {
	m.t.Helper()
	m.do("dpkg", "-i", "/rig/olive-distributed_"+version+"-1_amd64.deb")
}

// A machine is a virtual machine whose commands must work.
type machine struct {
	*vm.Machine
	t *testing.T
}

func start(t *testing.T, name string, o vm.Options) *machine {
	t.Helper()
	v, err := image.Start(t.Context(), name, o)
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{v, t}
	t.Cleanup(func() {
		if t.Failed() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			log, err := v.Run(ctx, "sh", "-c", "journalctl --no-pager -n 80 -o short-precise; systemctl list-units --no-pager -t mount,service --failed")
			t.Logf("%s's journal (%v):\n%s\nconsole:\n%s", name, err, log, v.Console())
		}
		if err := v.Stop(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// do runs a command that must work, and returns what it says without the last newline.
func (m *machine) do(args ...string) string {
	m.t.Helper()
	out, err := m.Run(m.t.Context(), args...)
	if err != nil {
		m.t.Fatal(err)
	}
	return strings.TrimRight(out, "\n")
}

// sh runs a script that must work.
func (m *machine) sh(script string, args ...string) string {
	m.t.Helper()
	return m.do(append([]string{"sh", "-ec", script, "sh"}, args...)...)
}

// property is what systemd says about a unit.
func (m *machine) property(unit, name string) string {
	m.t.Helper()
	return m.do("systemctl", "show", "--value", "--property="+name, unit)
}

func (m *machine) want(what, got, want string) {
	m.t.Helper()
	if got != want {
		m.t.Errorf("%s on %s: got %q, want %q", what, m.Name, got, want)
	}
}

func (m *machine) until(what string, ok func() bool) {
	m.t.Helper()
	for deadline := time.Now().Add(patience); !ok(); <-time.After(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			m.t.Fatalf("%s: waited in vain for %s", m.Name, what)
		}
	}
}

// network is a wire that ends with the test.
func network(t *testing.T) *vm.Network {
	t.Helper()
	n, err := vm.NewNetwork()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}
