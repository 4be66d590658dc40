package vm_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"olive-distributed/packaging/rig/vm"
)

// patience is long: other work on the machine must not fail a test.
const patience = 5 * time.Minute

// worthTelling is how long a command takes that the test's log names, for those who look for lost time.
const worthTelling = 3 * time.Second

// What every test needs, made once.
var (
	image *vm.Image // the package is installed, and its files are in /rig
	files string    // folder of the package and of programs, which machines have as /rig
)

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := prepared(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

const version = "0.0.1"

func prepared(m *testing.M) (int, error) {
	ctx := context.Background()
	bare, err := vm.Build(ctx)
	if err != nil {
		return 1, err
	}
	work, err := os.MkdirTemp("", "olive-files-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(work)
	files = work + "/files"
	layer := work + "/layer"
	for _, step := range []func() error{
		func() error { return os.Mkdir(files, 0o755) },
		func() error { return os.Mkdir(layer, 0o755) },
		host("../../package.sh", "--version", version, "--arch", "amd64", "--format", "deb", files),
		host("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", files+"/serve", "./testdata/serve"),
		host("go", "build", "-o", work+"/olivectl", "../../../cmd/olivectl"),
		host("cp", "testdata/client.sh", "testdata/encoders.sh", files),
		func() error { return makeProject(files + "/project") },
	} {
		if err := step(); err != nil {
			return 1, err
		}
	}
	var together errgroup.Group
	together.Go(func() (err error) {
		image, err = bare.Layer(ctx, layer, files, install)
		return err
	})
	together.Go(func() error { return makeReference(work+"/olivectl", files+"/project", work+"/local") })
	if err := together.Wait(); err != nil {
		return 1, err
	}
	// All at once, however few processors there are: the farm waits for one machine after another.
	if err := flag.Set("test.parallel", "4"); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// install installs the package, and has read what the daemons read when they start. anna may use the farm, bert may not.
func install(m *vm.Machine) error {
	_, err := m.Run(context.Background(), "sh", "-ec", `dpkg -i "$1"; rm "$1"
useradd anna; usermod -aG olive anna; useradd bert
install -m 755 /rig/encoders.sh /usr/local/bin/ffmpeg
runuser -u olive -- ffprobe -v error -show_streams /rig/project/still.png
runuser -u olive -- ffmpeg -v error -i /rig/project/still.png -f null -`,
		"install", "/rig/olive-distributed_"+version+"-1_amd64.deb")
	return err
}

// host is a program of this machine that must work.
func host(args ...string) func() error {
	return func() error {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
		}
		return nil
	}
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
		t.Logf("%s used the processor for %v", name, v.Used().Round(time.Second))
	})
	return m
}

// do runs a command that must work, and returns what it says without the last newline.
func (m *machine) do(args ...string) string {
	m.t.Helper()
	began := time.Now()
	out, err := m.Run(m.t.Context(), args...)
	if err != nil {
		m.t.Fatal(err)
	}
	if took := time.Since(began); took > worthTelling {
		first, _, _ := strings.Cut(strings.Join(args, " "), "\n")
		m.t.Logf("%s: %v for %s", m.Name, took.Round(time.Second/10), first)
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

// says fails the test unless a text has a part.
func (m *machine) says(what, got, part string) {
	m.t.Helper()
	if !strings.Contains(got, part) {
		m.t.Errorf("%s on %s: got %q, want something with %q", what, m.Name, got, part)
	}
}
