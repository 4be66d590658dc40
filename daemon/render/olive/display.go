package olive

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A Display is what the editor draws on where there is no screen.
type Display string

// The displays, in the order in which they are tried.
const (
	Offscreen Display = "offscreen" // Qt's own
	Virtual   Display = "xvfb"      // an X server without a screen: what OpenGL mostly needs
)

// open returns the variables that choose the display. A server belongs to the run's tree, and
// ends with it; wait, never nil, returns then.
func (d Display) open(ctx context.Context, f *folder, mark string) (env []string, wait func(), err error) {
	wait = func() {}
	if d == Offscreen {
		return []string{"QT_QPA_PLATFORM=offscreen"}, wait, nil
	}
	xvfb, err := exec.LookPath("Xvfb")
	if err != nil {
		return nil, wait, fmt.Errorf("install Xvfb (Debian: apt install xvfb): %w", err)
	}
	cookie := filepath.Join(f.dir, "xauthority")
	if err := writeCookie(cookie); err != nil {
		return nil, wait, err
	}
	number, wait, err := startXvfb(ctx, xvfb, cookie, environment(f, mark, nil))
	if err != nil {
		return nil, wait, fmt.Errorf("start Xvfb: %w", err)
	}
	return []string{"QT_QPA_PLATFORM=xcb", "DISPLAY=:" + strconv.Itoa(number), "XAUTHORITY=" + cookie}, wait, nil
}

// startXvfb starts a server on a free display and waits until it serves.
func startXvfb(ctx context.Context, program, cookie string, env []string) (number int, wait func(), err error) {
	const patience = 30 * time.Second
	wait = func() {}
	ready, tell, err := os.Pipe()
	if err != nil {
		return 0, wait, err
	}
	defer ready.Close()
	said := &tail{}
	cmd := exec.Command(program, "-displayfd", "3", "-screen", "0", "1280x1024x24", "-nolisten", "tcp", "-noreset", "-auth", cookie)
	cmd.Env, cmd.ExtraFiles, cmd.Stderr = env, []*os.File{tell}, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = time.Second
	err = cmd.Start()
	_ = tell.Close()
	if err != nil {
		return 0, wait, err
	}
	wait = func() {
		_ = cmd.Process.Kill() // if the tree could not be
		_ = cmd.Wait()
	}
	_ = ready.SetReadDeadline(time.Now().Add(patience))
	stop := context.AfterFunc(ctx, func() { _ = ready.SetReadDeadline(time.Now()) })
	defer stop()
	line, err := bufio.NewReaderSize(ready, 64).ReadString('\n')
	if err != nil {
		return 0, wait, said.wrap(err)
	}
	number, err = strconv.Atoi(strings.TrimSpace(line))
	return number, wait, err
}

// writeCookie writes an Xauthority file with one secret for every display, so that other users of
// the machine cannot watch.
func writeCookie(path string) error {
	const anyHost = 0xffff // family "wild"
	secret := make([]byte, 16)
	_, _ = rand.Read(secret) // never fails
	entry := binary.BigEndian.AppendUint16(nil, anyHost)
	for _, field := range []string{"", "", "MIT-MAGIC-COOKIE-1", string(secret)} {
		entry = binary.BigEndian.AppendUint16(entry, uint16(len(field)))
		entry = append(entry, field...)
	}
	return os.WriteFile(path, entry, 0o600)
}
