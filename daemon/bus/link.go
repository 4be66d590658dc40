package bus

import (
	"context"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// A connection of which nothing was heard for quiet is asked for a sign of life, and cut after a
// longer time. That is for peers which hang: dead links are found sooner, see [watchLink].
const (
	quiet  = 20 * time.Second
	silent = 45 * time.Second
)

// watch asks those who are quiet whether they are still there, until ctx ends.
func (s *Server) watch(ctx context.Context) {
	tick := time.NewTicker(quiet / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			for _, w := range s.crew.all() {
				w.nudge(now)
			}
		}
	}
}

// nudge asks a quiet worker for a sign of life, and gives up one that gives none.
func (w *session) nudge(now time.Time) {
	switch since := now.Sub(time.Unix(0, w.heard.Load())); {
	case since > silent:
		w.cut()
	case since > quiet:
		w.send(func(b []byte) []byte { return append(b, "PING\r\n"...) })
	}
}

// linkTimeout is when a dead link is noticed: a machine that is gone, a cable that is cut. 6 s at most.
const linkTimeout = 5 * time.Second

// watchLink has the kernel watch a connection, which costs the process nothing: it asks an idle
// peer for a sign of life, and gives up one that does not acknowledge in time.
func watchLink(c net.Conn) {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return
	}
	_ = tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 2 * time.Second, Interval: time.Second, Count: 3})
	if raw, err := tcp.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(linkTimeout.Milliseconds()))
		})
	}
}
