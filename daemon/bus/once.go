package bus

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// Places are shared among hosts: one that has some gets another only while more than so many are
// free. Whoever floods the port so leaves room for those who do not.
type places struct {
	size, used int
	by         map[string]int // host
}

func newPlaces(size int) places { return places{size: size, by: map[string]int{}} }

func (p *places) take(host string) bool {
	if p.by[host] >= p.size-p.used {
		return false
	}
	p.used++
	p.by[host]++
	return true
}

func (p *places) free(host string) {
	p.used--
	if p.by[host]--; p.by[host] == 0 {
		delete(p.by, host)
	}
}

func hostOf(c net.Conn) string {
	host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
	return host
}

// A visit is the time that a worker's connection to the bus lasts.
type visit struct {
	from  net.Addr
	since time.Time
	over  chan struct{}
}

// begin gives a worker a session, or says who has the last that it may have.
func (d *door) begin(worker string, from net.Addr) (s, other *visit) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if have := d.visits[worker]; len(have) >= d.limits.Sessions {
		return nil, have[0]
	}
	s = &visit{from, time.Now(), make(chan struct{})}
	d.visits[worker] = append(d.visits[worker], s)
	return s, nil
}

func (d *door) end(worker string, s *visit) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var rest []*visit
	for _, other := range d.visits[worker] {
		if other != s {
			rest = append(rest, other)
		}
	}
	if d.visits[worker] = rest; len(rest) == 0 {
		delete(d.visits, worker)
	}
	close(s.over)
}

// overlap is how long a new connection waits for the end of the one before, which may be on its way.
const overlap = time.Second

// once lets a worker onto the bus, once. Two processes with one identity, as on machines of which
// one is a copy of the other, would take each other's ranges and notices: the first stays, the second is
// told why not, and comes in when the first has gone. One that has died is gone when its pings are
// not answered.
func (s *Server) once(ctx context.Context, c *tls.Conn, raw net.Conn, worker string) {
	timer := time.NewTimer(overlap)
	defer timer.Stop()
	for {
		mine, other := s.door.begin(worker, raw.RemoteAddr())
		if mine != nil {
			defer s.door.end(worker, mine)
			s.serve(c, raw, worker)
			return
		}
		select {
		case <-other.over:
		case <-ctx.Done():
			return
		case <-timer.C:
			s.cfg.Log.Warn("two processes with one identity: the second is kept out, give each machine a name of its own with `olivectl worker add`",
				"worker", worker, "from", raw.RemoteAddr(), "other", other.from, "since", other.since.Format(time.DateTime))
			s.turnAway(c, other)
			return
		}
	}
}

// serve serves a worker until its connection ends.
func (s *Server) serve(c *tls.Conn, raw net.Conn, worker string) {
	w, err := s.admit(&paced{c, rate.NewLimiter(pace, paceBurst)}, raw, worker)
	if err != nil {
		return
	}
	s.cfg.Log.Info("worker connected", "worker", worker, "from", raw.RemoteAddr())
	err = w.serve()
	s.cfg.Log.Info("worker disconnected", "worker", worker, "from", raw.RemoteAddr(), "error", err)
}

// turnAway tells a second process about the first, in the server's greeting's place.
func (s *Server) turnAway(c *tls.Conn, other *visit) {
	_ = c.SetWriteDeadline(time.Now().Add(writeTimeout))
	fmt.Fprintf(c, "%s%s since %s'\r\n", twice, other.from, other.since.Format(time.DateTime))
	_ = c.Close() // with a TLS alert, so that what was said arrives
}

const twice = "-ERR 'olive: twice: "

// turnedAway reads what turnAway wrote.
func turnedAway(greeting []byte) error {
	text, ok := bytes.CutPrefix(greeting, []byte(twice))
	if !ok {
		return nil
	}
	return fmt.Errorf("%w (%.100s)", ErrTwice, strings.Map(printable, strings.TrimRight(string(text), "'\r\n")))
}

func printable(r rune) rune {
	if r < ' ' || r > '~' {
		return -1
	}
	return r
}

// What a worker may send, far more than it has to say: it cannot keep the others waiting with a flood.
const (
	pace      = rate.Limit(512 << 10) // bytes per second
	paceBurst = 256 << 10             // bytes
)

// A paced connection is read no faster than its pace.
type paced struct {
	net.Conn
	pace *rate.Limiter
}

func (p *paced) Read(b []byte) (int, error) {
	n, err := p.Conn.Read(b)
	if wait := p.pace.ReserveN(time.Now(), n).Delay(); wait > 0 {
		time.Sleep(wait) // at most that of one buffer
	}
	return n, err
}
