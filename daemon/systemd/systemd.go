// Package systemd is what a daemon gets from systemd and tells it: sockets, its state, its log.
//
// Without systemd everything here does nothing, or says so, and the daemon serves itself.
package systemd

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
)

// Listener returns the stream socket of that name which systemd has opened for this process
// (FileDescriptorName= in the socket unit), or nil without one. It is called once: the descriptors
// are not passed on to children. Sockets of other names, or several of this one, are an error.
func Listener(name string) (net.Listener, error) {
	got, err := activation.ListenersWithNames()
	if err != nil {
		return nil, fmt.Errorf("take sockets from systemd: %w", err)
	}
	var mine []net.Listener
	for n, list := range got {
		for _, l := range list {
			switch {
			case n != name:
				err = errors.Join(err, fmt.Errorf("systemd passes a socket %q that is not known: the socket unit needs FileDescriptorName=%s", n, name))
			case l == nil:
				err = errors.Join(err, fmt.Errorf("systemd passes a socket %q that is no stream socket", n))
			default:
				mine = append(mine, l)
			}
		}
	}
	if len(mine) > 1 {
		err = errors.Join(err, fmt.Errorf("systemd passes %d sockets %q, one is served", len(mine), name))
	}
	if err != nil {
		for _, l := range mine {
			l.Close()
		}
		return nil, err
	}
	if len(mine) == 0 {
		return nil, nil
	}
	return mine[0], nil
}

// Ready tells systemd that the daemon serves.
func Ready() { notify(daemon.SdNotifyReady) }

// Stopping tells systemd that the daemon ends.
func Stopping() { notify(daemon.SdNotifyStopping) }

// Alive feeds the watchdog.
func Alive() { notify(daemon.SdNotifyWatchdog) }

// Status is what systemctl status shows.
func Status(text string) { notify("STATUS=" + text) }

// notify cannot fail in a way that matters: without systemd nobody listens.
func notify(state string) { _, _ = daemon.SdNotify(false, state) }

// Watchdog is the time within which systemd wants to hear [Alive], 0 for never.
func Watchdog() time.Duration {
	d, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return 0
	}
	return d
}

// Beat calls tell, which must go the way of real work, at least twice in each watchdog interval
// and not less often than every few seconds, and feeds the watchdog with each answer, until stop
// is closed. Tell returns the status text; an error feeds nothing.
func Beat(stop <-chan struct{}, tell func() (string, error)) {
	const often = 2 * time.Second
	pause := often
	if w := Watchdog(); w > 0 {
		pause = min(pause, w/3)
	}
	tick := time.NewTicker(pause)
	defer tick.Stop()
	last := ""
	for {
		if text, err := tell(); err == nil {
			Alive()
			if text != last {
				Status(text)
				last = text
			}
		}
		select {
		case <-stop:
			return
		case <-tick.C:
		}
	}
}

// onJournal says whether stderr goes to the journal, by its device and inode (systemd.exec(5)).
func onJournal() bool {
	var dev, ino uint64
	if _, err := fmt.Sscanf(os.Getenv("JOURNAL_STREAM"), "%d:%d", &dev, &ino); err != nil {
		return false
	}
	info, err := os.Stderr.Stat()
	return err == nil && slices.Equal([]uint64{dev, ino}, deviceOf(info))
}
