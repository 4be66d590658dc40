package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"golang.org/x/sys/unix"
)

// A connection of which nothing was heard for quiet is asked for a sign of life, and cut after a
// longer time. That is for peers which hang: dead links are found sooner, see [watchLink].
const (
	quiet  = 20 * time.Second
	silent = 45 * time.Second
)

func startNATS(log *slog.Logger) (*server.Server, error) {
	n, err := server.NewServer(&server.Options{
		ServerName: "olive-bus", DontListen: true, NoSigs: true, NoSystemAccount: true,
		MaxPayload: maxPayload, MaxPending: 64 << 20, NoFastProducerStall: true,
		PingInterval: time.Hour, // its clients are in this process
	})
	if err != nil {
		return nil, fmt.Errorf("start the bus: %w", err)
	}
	n.SetLoggerV2(&serverLog{log}, false, false, false)
	n.Start()
	if !n.ReadyForConnections(30 * time.Second) {
		n.Shutdown()
		n.WaitForShutdown()
		return nil, errors.New("start the bus: nats-server does not start, see the messages before")
	}
	return n, nil
}

// subscribe connects to nats-server as one of its two clients.
func (s *Server) subscribe(name string, take nats.MsgHandler, subjects ...string) (*nats.Conn, error) {
	nc, err := nats.Connect("", nats.InProcessServer(s.nats), nats.Name(name), nats.NoReconnect(), nats.PingInterval(time.Hour))
	if err != nil {
		return nil, err
	}
	for _, subject := range subjects {
		sub, err := nc.Subscribe(subject, take)
		if err == nil {
			err = sub.SetPendingLimits(1<<20, 256<<20)
		}
		if err != nil {
			nc.Close()
			return nil, err
		}
	}
	return nc, nc.Flush()
}

// forward takes what a worker says to nats-server, in its order.
func (s *Server) forward(o *op) error {
	if o.reply == "" {
		return s.relay.Publish(o.subject, o.payload)
	}
	return s.relay.PublishRequest(o.subject, o.reply, o.payload)
}

// deliver takes what the master says to those whom it reaches.
func (s *Server) deliver(m *nats.Msg) {
	defer s.delivered.Add(1)
	nobody := m.Header.Get("Status") == "503"
	s.routes.each(m.Subject, func(i *interest) {
		i.session.send(func(b []byte) []byte {
			if nobody {
				return appendNobody(b, m.Subject, i.sid)
			}
			return appendMessage(b, m.Subject, i.sid, m.Data)
		})
	})
}

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

// flush lets the last answers go out, for a second at most.
func (s *Server) flush() {
	deadline := time.Now().Add(time.Second)
	if s.nc.FlushTimeout(time.Second) != nil || s.relay.FlushTimeout(time.Second) != nil {
		return
	}
	for s.busy() && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
}

// busy says whether something is still to go to a worker.
func (s *Server) busy() bool {
	if n := s.relay.Stats(); n.InMsgs > s.delivered.Load() {
		return true
	}
	for _, w := range s.crew.all() {
		if w.waiting() {
			return true
		}
	}
	return false
}

// serverLog passes nats-server's complaints on.
type serverLog struct{ log *slog.Logger }

func (l *serverLog) write(level slog.Level, format string, v []any) {
	if l.log.Enabled(context.Background(), level) {
		l.log.Log(context.Background(), level, "nats-server says", "text", fmt.Sprintf(format, v...))
	}
}
func (l *serverLog) Noticef(format string, v ...any) { l.write(slog.LevelDebug, format, v) }
func (l *serverLog) Debugf(format string, v ...any)  { l.write(slog.LevelDebug, format, v) }
func (l *serverLog) Tracef(format string, v ...any)  { l.write(slog.LevelDebug, format, v) }
func (l *serverLog) Warnf(format string, v ...any)   { l.write(slog.LevelWarn, format, v) }
func (l *serverLog) Errorf(format string, v ...any)  { l.write(slog.LevelWarn, format, v) }
func (l *serverLog) Fatalf(format string, v ...any)  { l.write(slog.LevelError, format, v) }

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
