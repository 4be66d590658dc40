package tool

import (
	"bufio"
	"context"
	"io"
	"os"
	"testing"
	"time"
)

func TestCancellingAChildKillsWhatItStarted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd, err := Command(ctx, "sh", "-c", "sleep 90 & echo started; wait")
	if err != nil {
		t.Fatal(err)
	}
	// The grandchild holds the pipe too: it ends only when the last of them is dead.
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd.Stdout = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(r)
	if line, err := lines.ReadString('\n'); line != "started\n" {
		t.Fatalf("the child says %q, %v", line, err)
	}
	cancel()
	if err := cmd.Wait(); err == nil {
		t.Error("the child was cancelled, but ended well")
	}
	if err := r.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(lines); err != nil {
		t.Fatalf("the grandchild lives on: %v", err)
	}
}

func TestCancellingAnEndedChildIsNoError(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd, err := Command(ctx, "true")
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Cancel(); err != os.ErrProcessDone {
		t.Errorf("Cancel = %v, want %v", err, os.ErrProcessDone)
	}
}

func TestWhatIsNoComplaint(t *testing.T) {
	var said Tail
	_, _ = said.Write([]byte("Warning: using insecure memory!\na.mp4: moov atom not found\n"))
	if got := said.String(); got != "a.mp4: moov atom not found" {
		t.Errorf("got %q", got)
	}
}
