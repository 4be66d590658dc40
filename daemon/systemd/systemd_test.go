package systemd

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// listen is systemd's end of the notify socket.
func listen(t *testing.T) *net.UnixConn {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return c
}

func next(t *testing.T, c *net.UnixConn) string {
	t.Helper()
	buf := make([]byte, 4096)
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	n, err := c.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n])
}

func TestBeatFeedsTheWatchdogOnlyWithAnAnswer(t *testing.T) {
	c := listen(t)
	t.Setenv("WATCHDOG_USEC", "60000")
	answers := make(chan error)
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		Beat(stop, func() (string, error) { return "2 jobs", <-answers })
	}()
	answers <- nil
	if got := next(t, c); got != "WATCHDOG=1" {
		t.Errorf("first %q", got)
	}
	if got := next(t, c); got != "STATUS=2 jobs" {
		t.Errorf("then %q", got)
	}
	answers <- errors.New("no answer")
	answers <- nil
	if got := next(t, c); got != "WATCHDOG=1" {
		t.Errorf("after a failure %q", got)
	}
	close(stop)
	select {
	case answers <- nil: // it may ask once more
		<-ended
	case <-ended:
	}
}

func TestWithoutSystemdThereIsNoListener(t *testing.T) {
	t.Setenv("LISTEN_FDS", "")
	if l, err := Listener("farm"); l != nil || err != nil {
		t.Errorf("got %v, %v", l, err)
	}
}

func TestNamesOfFields(t *testing.T) {
	for key, want := range map[string]string{"job": "JOB", "first-frame": "FIRST_FRAME", "größe": "GR__E"} {
		if got := fieldName(key); got != want {
			t.Errorf("%s is %s, want %s", key, got, want)
		}
	}
}

func TestWithoutAJournalLinesGoToTheWriter(t *testing.T) {
	t.Setenv("JOURNAL_STREAM", "1:2")
	var b strings.Builder
	NewLog(&b).Info("hello", "job", 7)
	if !strings.Contains(b.String(), "hello") || !strings.Contains(b.String(), "job=7") {
		t.Errorf("got %q", b.String())
	}
	if info, err := os.Stderr.Stat(); err != nil || len(deviceOf(info)) != 2 {
		t.Errorf("stderr has no device: %v", err)
	}
}
