// Command agent runs programs in a virtual machine of the rig: agent PORT. It ends with the machine.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"olive-distributed/packaging/rig/vm/guest"
)

func main() {
	if err := serve(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("want one argument, the port, not %q", args)
	}
	port, err := open(args[0])
	if err != nil {
		return err
	}
	warm()
	var lines sync.Mutex
	answer := func(a guest.Answer) {
		text, err := json.Marshal(a)
		if err != nil {
			text = fmt.Appendf(nil, `{"id":%d,"code":-1}`, a.ID)
		}
		lines.Lock()
		defer lines.Unlock()
		_, _ = port.Write(append(text, '\n')) // nobody could be told
	}
	answer(guest.Answer{})
	in := bufio.NewReaderSize(port, guest.Most)
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return fmt.Errorf("read a call: %w", err)
		}
		var c guest.Call
		if json.Unmarshal(line, &c) != nil {
			continue // noise from before the snapshot
		}
		if c.Wake != nil {
			answer(guest.Answer{ID: c.ID, Said: []byte(said(wake(c.Wake)))})
			continue
		}
		go func() { answer(run(c)) }()
	}
}

func said(err error) string {
	if err != nil {
		return err.Error()
	}
	return ""
}

// open opens a serial port without anything between it and the program.
func open(path string) (*os.File, error) {
	port, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	t := unix.Termios{Cflag: unix.CS8 | unix.CREAD | unix.CLOCAL | unix.B115200, Ispeed: unix.B115200, Ospeed: unix.B115200}
	t.Cc[unix.VMIN] = 1
	if err := unix.IoctlSetTermios(int(port.Fd()), unix.TCSETS, &t); err != nil {
		return nil, fmt.Errorf("set %s: %w", path, err)
	}
	return port, nil
}

// warm does now what every test would wait for: programs are read, and daemons started. What it cannot do is
// done later.
func warm() {
	for _, args := range [][]string{{"systemctl", "start", "polkit"}, {"modprobe", "nfsv3"}} {
		_ = exec.Command(args[0], args[1:]...).Run()
	}
	for _, pattern := range []string{"/usr/bin/*", "/usr/sbin/*", "/usr/lib/systemd/*", "/usr/lib/polkit-1/*"} {
		files, _ := filepath.Glob(pattern)
		for _, name := range files {
			if f, err := os.Open(name); err == nil {
				_, _ = io.Copy(io.Discard, f)
				f.Close()
			}
		}
	}
}

// wake sets the clock and stirs the random numbers.
func wake(w *guest.Wake) error {
	now := unix.NsecToTimespec(w.Time)
	err := unix.ClockSettime(unix.CLOCK_REALTIME, &now)
	random, openErr := os.OpenFile("/dev/random", os.O_WRONLY, 0)
	if openErr != nil {
		return errors.Join(err, openErr)
	}
	defer random.Close()
	// struct rand_pool_info of linux/random.h: bits, bytes, data.
	pool := struct {
		bits, bytes int32
		data        [32]byte
	}{256, 32, [32]byte{}}
	copy(pool.data[:], w.Seed)
	const addEntropy, reseed = 0x40085203, 0x5207
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, random.Fd(), addEntropy, uintptr(unsafe.Pointer(&pool))); errno != 0 {
		err = errors.Join(err, fmt.Errorf("add entropy: %w", errno))
	}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, random.Fd(), reseed, 0); errno != 0 {
		err = errors.Join(err, fmt.Errorf("reseed: %w", errno))
	}
	return err
}

// run runs one program.
func run(c guest.Call) guest.Answer {
	if len(c.Args) == 0 {
		return guest.Answer{ID: c.ID, Code: -1, Said: []byte("no program is named")}
	}
	cmd := exec.Command(c.Args[0], c.Args[1:]...)
	cmd.Env = []string{
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "TERM=dumb", "HOME=/root", "LANG=C.UTF-8", "SYSTEMD_PAGER=cat",
		"DEBIAN_FRONTEND=noninteractive",
	}
	cmd.Stdin = bytes.NewReader(c.Stdin)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	a := guest.Answer{ID: c.ID}
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		a.Code = exit.ExitCode()
	case err != nil:
		a.Code = -1
		fmt.Fprintln(&said, err)
	}
	const most = 1 << 20 // what a line holds, in base64
	a.Out, a.Said = out.Bytes()[:min(out.Len(), most)], said.Bytes()[:min(said.Len(), most)]
	return a
}
