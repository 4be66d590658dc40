package forward_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"olive-distributed/daemon/worker/forward"
)

// A way is one on which bytes come from the master. What it costs is kept for each round.
type way struct {
	name  string
	conn  net.Conn
	rates []float64 // MB/s
	cpu   []float64 // seconds of this process for each GiB, its server's and its reader's included
}

// BenchmarkRead measures what a stream of bytes from the master loses on its way through a forwarder. Its peers are
// a straight TLS connection, and a relay with as many hops that does nothing but copy, in large pieces. All are
// measured in each round, one right after another, each time another one first; what counts is the median of
// the rounds' ratios, in which the machine's mood cancels out.
func BenchmarkRead(b *testing.B) {
	const rounds, piece = 15, 64 << 20
	keys := newPapers(b)
	ctx, stop := context.WithCancel(context.Background())
	var work sync.WaitGroup
	defer work.Wait()
	defer stop()
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		context.AfterFunc(ctx, func() { _ = l.Close() })
		return l
	}
	master, relay, door := listen(), listen(), listen()
	serve(&work, keys.listen(master), func(c net.Conn) { giveOnDemand(c, piece) })
	serve(&work, relay, func(c net.Conn) {
		if m, err := tls.Dial("tcp", master.Addr().String(), keys.client()); err == nil {
			copyBoth(c, m)
		}
	})
	f, err := forward.New(forward.Config{Dial: forward.Dialer{Addr: master.Addr().String(), TLS: keys.client()}.Dial, Allow: anybody})
	if err != nil {
		b.Fatal(err)
	}
	work.Go(func() { _ = f.Serve(ctx, door) })
	straight, err := tls.Dial("tcp", master.Addr().String(), keys.client())
	if err != nil {
		b.Fatal(err)
	}
	ways := []*way{{name: "straight", conn: straight}, {name: "relayed", conn: dialPlain(b, relay)}, {name: "forwarded", conn: dialPlain(b, door)}}
	for _, w := range ways {
		defer w.conn.Close()
		w.take(b, piece) // the first bytes come in small records
		w.rates, w.cpu = nil, nil
	}
	for b.Loop() {
		for r := range rounds {
			for i := range ways {
				ways[(i+r)%len(ways)].take(b, piece)
			}
		}
	}
	b.ReportMetric(median(ratios(ways[2].rates, ways[1].rates)), "forwarded/relayed")
	b.ReportMetric(median(ratios(ways[2].rates, ways[0].rates)), "forwarded/straight")
	for _, w := range ways {
		b.ReportMetric(median(w.rates), w.name+"-MB/s")
		b.ReportMetric(median(w.cpu), w.name+"-s/GiB")
	}
}

// take asks for a piece and reads it.
func (w *way) take(b *testing.B, piece int) {
	b.Helper()
	buf := make([]byte, 1<<20)
	before, begin := processTime(b), time.Now()
	if _, err := w.conn.Write([]byte("more")); err != nil {
		b.Fatal(err)
	}
	for range piece / len(buf) {
		if _, err := io.ReadFull(w.conn, buf); err != nil {
			b.Fatal(err)
		}
	}
	w.rates = append(w.rates, float64(piece)/1e6/time.Since(begin).Seconds())
	w.cpu = append(w.cpu, (processTime(b)-before)*float64(1<<30)/float64(piece))
}

// giveOnDemand answers four bytes with a piece, as long as it is asked.
func giveOnDemand(c net.Conn, piece int) {
	data, ask := make([]byte, 1<<20), make([]byte, 4)
	for {
		if _, err := io.ReadFull(c, ask); err != nil {
			return
		}
		for range piece / len(data) {
			if _, err := c.Write(data); err != nil {
				return
			}
		}
	}
}

// copyBoth is a relay.
func copyBoth(a, b net.Conn) {
	var up sync.WaitGroup
	up.Go(func() { pour(b, a) })
	pour(a, b)
	up.Wait()
}

// pour copies in large pieces, and hangs up.
func pour(to, from net.Conn) {
	_, _ = io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{from}, make([]byte, 1<<20))
	_ = to.Close()
	_ = from.Close()
}

// serve takes connections until l is closed.
func serve(work *sync.WaitGroup, l net.Listener, each func(net.Conn)) {
	work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			work.Go(func() {
				defer c.Close()
				each(c)
			})
		}
	})
}

func dialPlain(b *testing.B, l net.Listener) net.Conn {
	b.Helper()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	return c
}

// processTime is the processor time that this process has taken, in seconds.
func processTime(b *testing.B) float64 {
	b.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return float64(r.Utime.Nano()+r.Stime.Nano()) / 1e9
}

func ratios(a, b []float64) []float64 {
	all := make([]float64, len(a))
	for i := range a {
		all[i] = a[i] / b[i]
	}
	return all
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}
