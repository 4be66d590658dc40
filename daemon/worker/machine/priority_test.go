package machine

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// modest is the argument that makes the test binary a process which may be slowed down.
const modest = "-test.modest-child"

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == modest {
		if err := modestChild(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// modestChild sets its priority while it has many threads, then asks all of them and a child.
func modestChild() error {
	const busy = 20
	ready, end := make(chan struct{}), make(chan struct{})
	defer close(end)
	for range busy {
		go func() {
			runtime.LockOSThread()
			ready <- struct{}{}
			<-end
		}()
	}
	for range busy {
		<-ready
	}
	raw, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		return err
	}
	want := min(20-raw+3, 19) // the tests may be run with nice
	if err := SetPriority(want, "best-effort:6"); err != nil {
		return err
	}
	if err := SetPriority(0, "none"); err != nil { // does not make it less modest
		return err
	}
	ids, err := threads()
	if err != nil {
		return err
	}
	if len(ids) < busy {
		return fmt.Errorf("only %d threads", len(ids))
	}
	for _, id := range ids {
		raw, err := unix.Getpriority(unix.PRIO_PROCESS, id)
		io, _, errno := unix.Syscall(unix.SYS_IOPRIO_GET, 1, uintptr(id), 0)
		if err != nil || errno != 0 || 20-raw != want || io != 2<<13|6 {
			return fmt.Errorf("thread %d: nice %d, ionice %#x, %v, %v; want nice %d", id, 20-raw, io, err, errno, want)
		}
	}
	out, err := exec.Command("nice").Output()
	if got := strings.TrimSpace(string(out)); err != nil || got != strconv.Itoa(want) {
		return fmt.Errorf("a child has nice %s, %v; want %d", got, err, want)
	}
	return nil
}

func TestAllThreadsAndChildrenGetThePriority(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(self, modest).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestPrioritiesThatThereAreNot(t *testing.T) {
	for _, c := range []struct {
		nice   int
		ionice string
	}{{-1, "none"}, {20, "none"}, {0, ""}, {0, "realtime"}, {0, "best-effort"}, {0, "best-effort:8"}, {0, "best-effort:10"}, {0, "idle:1"}} {
		if err := SetPriority(c.nice, c.ionice); err == nil {
			t.Errorf("SetPriority(%d, %q) does not fail", c.nice, c.ionice)
		}
	}
}

func TestEachIONiceHasItsNumber(t *testing.T) {
	for s, want := range map[string]int{"none": 0, "idle": 0x6000, "best-effort:0": 0x4000, "best-effort:7": 0x4007} {
		if got, err := parseIONice(s); err != nil || got != want {
			t.Errorf("parseIONice(%q) = %#x, %v, want %#x", s, got, err, want)
		}
	}
}
