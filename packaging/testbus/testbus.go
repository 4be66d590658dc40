// Package testbus runs system buses with polkit for tests, in namespaces of their own.
//
// [Enter] has a test binary run beside packaging/rig/bus, where the project's bus and polkit files are
// installed; there [New] makes further buses, one for each farm, on which root too may be a daemon. All of
// it ends with the process, and an error leaves nothing running.
package testbus

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	godbus "github.com/godbus/dbus/v5"
)

// Enter goes on in the namespaces of packaging/rig/bus: it starts this program anew in there, and
// returns when it is there already. TestMain calls it first.
func Enter() error {
	if os.Getenv("OLIVE_RIG_INNER") != "" {
		return nil
	}
	rig, err := script()
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err == nil {
		err = syscall.Exec(rig, append([]string{rig, "--", self}, os.Args[1:]...), os.Environ())
	}
	return fmt.Errorf("run the tests beside a bus: %w", err)
}

// script finds packaging/rig/bus above the test's folder.
func script() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("look for the test bus: %w", err)
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if path := filepath.Join(dir, "packaging/rig/bus"); isFile(path) {
			return path, nil
		}
	}
	return "", errors.New("look for the test bus: no folder above has packaging/rig/bus")
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// A Bus is a dbus-daemon with a polkitd.
type Bus struct {
	Address   string
	dir       string
	processes []*exec.Cmd // in the order of their starts
}

// config lets daemons be root's, whom the system's own policy does not know as one of them.
const config = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <include>/usr/share/dbus-1/system.conf</include>
  <policy user="root">
    <allow own="org.olive.Master1"/>
    <allow own="org.olive.Worker1"/>
  </policy>
</busconfig>
`

// patience is how long a program may take to start.
const patience = 20 * time.Second

// New starts a bus. What is to speak on it inherits nothing: pass on the address.
func New(ctx context.Context) (*Bus, error) {
	dir, err := os.MkdirTemp("", "olive-bus-")
	if err != nil {
		return nil, fmt.Errorf("start a bus: %w", err)
	}
	b := &Bus{Address: "unix:path=" + filepath.Join(dir, "bus"), dir: dir}
	if err := b.begin(ctx); err != nil {
		b.Close()
		return nil, fmt.Errorf("start a bus: %w", err)
	}
	return b, nil
}

func (b *Bus) begin(ctx context.Context) error {
	path := filepath.Join(b.dir, "bus.conf")
	// All users can get at it, polkit's own too.
	if err := errors.Join(os.Chmod(b.dir, 0o755), os.WriteFile(path, []byte(config), 0o644)); err != nil {
		return err
	}
	if err := b.start("dbus-daemon", "--config-file="+path, "--address="+b.Address, "--nofork", "--nopidfile", "--nosyslog"); err != nil {
		return err
	}
	if err := until(ctx, func() error { return b.ask("org.freedesktop.DBus") }); err != nil {
		return err
	}
	if err := b.start("/usr/lib/polkit-1/polkitd", "--no-debug"); err != nil {
		return err
	}
	return until(ctx, func() error { return b.ask("org.freedesktop.PolicyKit1") })
}

func (b *Bus) start(program string, args ...string) error {
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "DBUS_SYSTEM_BUS_ADDRESS="+b.Address)
	if err := cmd.Start(); err != nil {
		return err
	}
	b.processes = append(b.processes, cmd)
	// On a machine with much to do, calls would time out that wait for polkit.
	return syscall.Setpriority(syscall.PRIO_PROCESS, cmd.Process.Pid, -5)
}

// ask finds out whether a name is there.
func (b *Bus) ask(name string) error {
	conn, err := godbus.Connect(b.Address)
	if err != nil {
		return err
	}
	defer conn.Close()
	var owner string
	return conn.BusObject().Call("org.freedesktop.DBus.GetNameOwner", 0, name).Store(&owner)
}

func until(ctx context.Context, ok func() error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ok()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		case <-tick.C:
		}
	}
}

// Close ends the bus, polkit first, and removes its folder.
func (b *Bus) Close() {
	for i := len(b.processes) - 1; i >= 0; i-- {
		_ = b.processes[i].Process.Kill()
		_ = b.processes[i].Wait() // killed
	}
	b.processes = nil
	os.RemoveAll(b.dir)
}
