package nfsd_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"text/tabwriter"
	"time"
)

// rounds is how often each thing is measured. All peers are measured in each round, one right after another; what counts is
// the median of the rounds' ratios, in which the machine's mood cancels out.
const rounds = 5

// A measure is one line of the table: ours against a peer's, and the limit on the ratio.
type measure struct {
	what, unit string
	ours, peer []float64 // by round
	peerName   string
	limit      float64 // 0: none
	most       bool    // the limit is from above
}

func (m *measure) ratio() float64 {
	var all []float64
	for i := range m.ours {
		all = append(all, m.ours[i]/m.peer[i])
	}
	return median(all)
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

// BenchmarkPeers measures this server against others on loopback, its file in the page cache.
func BenchmarkPeers(b *testing.B) {
	dir, secure := layOut(b)
	program := buildGonfs(b)
	t := &contest{
		b: b, dir: dir,
		own:      ownPeer(b, dir, "nfsd", "nfsd", nil),
		ownTLS:   ownPeer(b, dir, "nfsd in mTLS", "nfsd", secure),
		sendfile: ownPeer(b, dir, "TCP sendfile", "stream", nil),
		rawTLS:   ownPeer(b, dir, "raw Go TLS", "stream", secure),
		gonfs:    gonfsPeer(b, program, dir, "go-nfs", nil),
		gonfsTLS: gonfsPeer(b, program, dir, "go-nfs in mTLS", secure),
		ganesha:  ganesha(b, dir),
		measures: map[string]*measure{},
	}
	for _, p := range []*peer{t.own, t.ownTLS, t.gonfs, t.gonfsTLS, t.ganesha} {
		t.check(p)
	}
	for _, section := range []struct {
		name string
		run  func()
	}{{"read", t.reads}, {"secure", t.secure}, {"calls", t.small}, {"write", t.writes}} {
		b.Run(section.name, func(b *testing.B) {
			t.b = b
			from := len(t.order)
			for b.Loop() {
				for range rounds {
					section.run()
				}
			}
			for _, m := range t.order[from:] {
				b.ReportMetric(t.measures[m].ratio(), m)
			}
		})
	}
	t.report()
}

// A contest is the run of a benchmark.
type contest struct {
	b                                                       *testing.B
	dir                                                     string
	own, ownTLS, sendfile, rawTLS, gonfs, gonfsTLS, ganesha *peer
	order                                                   []string
	measures                                                map[string]*measure
	turn                                                    int
	files                                                   atomic.Int64
}

// add puts down one round of one line.
func (t *contest) add(what, unit, metric string, ours float64, p *peer, peers, limit float64, most bool) {
	m := t.measures[metric]
	if m == nil {
		m = &measure{what: what, unit: unit, peerName: p.name, limit: limit, most: most}
		t.measures[metric] = m
		t.order = append(t.order, metric)
	}
	m.ours, m.peer = append(m.ours, ours), append(m.peer, peers)
}

// check fails the benchmark unless the peer gives the file's bytes.
func (t *contest) check(p *peer) {
	c, h := p.open(t.b, "media", "big")
	defer c.conn.Close()
	want := make([]byte, 1<<16)
	f := must(os.Open(filepath.Join(t.dir, bigFile)))(t.b)
	defer f.Close()
	must(f.ReadAt(want, 5<<20))(t.b)
	data, _, err := c.read(h, 5<<20, 1<<16)
	if err != nil || !bytes.Equal(data, want) {
		t.b.Fatalf("%s gives %d bytes that are not the file's: %v", p.name, len(data), err)
	}
}

// pair measures two peers, in each round the other one first.
func (t *contest) pair(a, b *peer, f func(*peer) (float64, float64)) (a1, a2, b1, b2 float64) {
	t.turn++
	if t.turn%2 == 0 {
		b1, b2 = f(b)
		a1, a2 = f(a)
		return
	}
	a1, a2 = f(a)
	b1, b2 = f(b)
	return
}

// rates is pair for what gives one number.
func (t *contest) rates(a, b *peer, f func(*peer) float64) (float64, float64) {
	x, _, y, _ := t.pair(a, b, func(p *peer) (float64, float64) { return f(p), 0 })
	return x, y
}

func (t *contest) reads() {
	const gib = 1 << 30
	one := func(p *peer) (rate, cpu float64) { return t.sequential(p, 1, gib) }
	part := func(p *peer) (rate, cpu float64) { return t.sequential(p, 1, gib/4) }
	var ours, cpu, theirs, theirCPU float64
	for range 3 { // the limit is narrow
		ours, cpu, theirs, theirCPU = t.pair(t.own, t.ganesha, one)
		t.add("read, 1 stream", "MB/s", "read/ganesha", ours, t.ganesha, theirs, 1.0, false)
		t.add("server CPU", "s/GiB", "cpu/ganesha", cpu, t.ganesha, theirCPU, 0.9, true)
	}
	ours, _, theirs, _ = t.pair(t.own, t.gonfs, part)
	t.add("read, 1 stream", "MB/s", "read/gonfs", ours, t.gonfs, theirs, 6, false)
	ours, _ = one(t.own)
	theirs, _ = t.stream(t.sendfile)
	t.add("read, 1 stream", "MB/s", "read/sendfile", ours, t.sendfile, theirs, 0, false)

	ours, _, theirs, _ = t.pair(t.own, t.ganesha, func(p *peer) (float64, float64) { return t.sequential(p, 8, gib) })
	t.add("read, 8 streams", "MB/s", "read8/ganesha", ours, t.ganesha, theirs, 0.85, false)
}

// secure is read in mTLS. The pieces are small and many: the limits are narrow, and a slow moment must not meet one peer only.
func (t *contest) secure() {
	const piece = 1 << 28
	read := func(p *peer) (rate, cpu float64) {
		if p == t.rawTLS {
			return t.stream(p)
		}
		return t.sequential(p, 1, bigSize)
	}
	ours, cpu, theirs, theirCPU := t.pair(t.ownTLS, t.rawTLS, read)
	t.add("read in mTLS", "MB/s", "mtls/raw", ours, t.rawTLS, theirs, 0.75, false)
	t.add("server CPU in mTLS", "s/GiB", "mtls-cpu/raw", cpu, t.rawTLS, theirCPU, 1.3, true)
	for range 5 {
		ours, cpu, theirs, theirCPU := t.pair(t.ownTLS, t.gonfsTLS, func(p *peer) (float64, float64) { return t.sequential(p, 1, piece) })
		t.add("read in mTLS", "MB/s", "mtls/gonfs", ours, t.gonfsTLS, theirs, 3, false)
		t.add("server CPU in mTLS", "s/GiB", "mtls-cpu/gonfs", cpu, t.gonfsTLS, theirCPU, 0, true)
	}
}

func (t *contest) small() {
	ours, theirs := t.rates(t.own, t.ganesha, t.random)
	t.add("random 64 KiB", "op/s", "random/ganesha", ours, t.ganesha, theirs, 1.2, false)
	ours, theirs = t.rates(t.own, t.ganesha, t.lookups)
	t.add("LOOKUP", "op/s", "lookup/ganesha", ours, t.ganesha, theirs, 1.3, false)
	ours, theirs = t.rates(t.own, t.ganesha, t.listing)
	t.add("READDIRPLUS, 10k", "calls", "readdirplus/ganesha", ours, t.ganesha, theirs, 1.5, true)
}

func (t *contest) writes() {
	for range 3 { // the disk has moods
		ours, theirs := t.rates(t.own, t.ganesha, t.write)
		t.add("WRITE and COMMIT", "MB/s", "write/ganesha", ours, t.ganesha, theirs, 0.9, false)
	}
}

// sequential reads from start to end, on so many connections a part of it each, 1 MiB × 8 in flight. It returns MB/s, and the
// server's processor time for each GiB.
func (t *contest) sequential(p *peer, streams int, total int64) (rate, cpu float64) {
	const step = 1 << 20
	clients := make([]*client, streams)
	var h []byte
	for i := range clients {
		clients[i], h = p.open(t.b, "media", "big")
		defer clients[i].conn.Close()
	}
	share := total / int64(streams)
	before, begin := p.cpu(t.b), time.Now()
	together(streams, func(i int) {
		err := clients[i].pipeline(8, func(n int) (call, bool) {
			off := int64(n) * step
			return call{proc: procRead, args: readArgs(h, uint64(int64(i)*share+off), step)}, off < share
		}, func(_ int, r *reading) error { return wantData(r, step) })
		if err != nil {
			t.b.Errorf("%s: %v", p.name, err)
		}
	})
	return float64(total) / 1e6 / time.Since(begin).Seconds(), (p.cpu(t.b) - before) / (float64(total) / (1 << 30))
}

// wantData takes a result of READ.
func wantData(r *reading, n int) error {
	if s := r.status(); s != statOK {
		return s
	}
	data, _, err := readResult(r)
	if err == nil && len(data) != n {
		err = fmt.Errorf("READ gives %d bytes of %d", len(data), n)
	}
	return err
}

// stream reads a peer that sends the file unasked.
func (t *contest) stream(p *peer) (rate, cpu float64) {
	before, begin := p.cpu(t.b), time.Now()
	c := dialTo(t.b, p.addr)
	var in io.Reader = c.conn
	if p.secure != nil {
		in = tls.Client(ahead(c.conn), p.secure)
	}
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{in}, make([]byte, 1<<20))
	if err != nil || n != bigSize {
		t.b.Errorf("%s: %d bytes, %v", p.name, n, err)
	}
	c.conn.Close()
	return float64(n) / 1e6 / time.Since(begin).Seconds(), p.cpu(t.b) - before
}

// random reads 64 KiB here and there, 8 in flight, and returns calls/s.
func (t *contest) random(p *peer) float64 {
	const calls, size = 10_000, 64 << 10
	c, h := p.open(t.b, "media", "big")
	defer c.conn.Close()
	where := rand.New(rand.NewPCG(1, 2))
	return t.rate(p, c, calls, func(int) call {
		return call{proc: procRead, args: readArgs(h, where.Uint64N(bigSize/size)*size, size)}
	}, func(r *reading) error { return wantData(r, size) })
}

// lookups asks for names of the folder of many, 8 in flight, and returns calls/s.
func (t *contest) lookups(p *peer) float64 {
	c, h := p.open(t.b, "many")
	defer c.conn.Close()
	return t.rate(p, c, 20_000, func(i int) call {
		return call{proc: procLookup, args: xdr{}.opaque(h).str(manyName(i * 7919 % manySize))}
	}, func(r *reading) error {
		if s := r.status(); s != statOK {
			return s
		}
		return nil
	})
}

func (t *contest) rate(p *peer, c *client, calls int, next func(i int) call, done func(*reading) error) float64 {
	begin := time.Now()
	err := c.pipeline(8, func(i int) (call, bool) {
		if i == calls {
			return call{}, false
		}
		return next(i), true
	}, func(_ int, r *reading) error { return done(r) })
	if err != nil {
		t.b.Errorf("%s: %v", p.name, err)
	}
	return float64(calls) / time.Since(begin).Seconds()
}

// listing lists the folder of many, and returns the number of calls.
func (t *contest) listing(p *peer) float64 {
	c, h := p.open(t.b, "many")
	defer c.conn.Close()
	entries, calls, err := c.list(h, 8192, 8192)
	names := map[string]bool{}
	for _, e := range entries {
		if strings.HasPrefix(e.name, "file-") {
			names[e.name] = true
		}
	}
	if err != nil || len(names) != manySize {
		t.b.Errorf("%s lists %d names: %v", p.name, len(names), err)
	}
	return float64(calls)
}

// write writes a new file, 1 MiB × 8 in flight, commits it, and returns MB/s. The file is removed, and what the disk
// still has to do is waited for.
func (t *contest) write(p *peer) float64 {
	const total, step = 64 << 20, 1 << 20
	c, dir := p.open(t.b, "out")
	defer c.conn.Close()
	name := fmt.Sprint("written-", t.files.Add(1))
	h := must(c.create(dir, name, guarded))(t.b)
	data := make([]byte, step)
	rand.NewChaCha8([32]byte{}).Read(data)
	begin := time.Now()
	err := c.pipeline(8, func(i int) (call, bool) {
		off := i * step
		return call{proc: procWrite, args: writeArgs(h, uint64(off), unstable, data)}, off < total
	}, func(_ int, r *reading) error {
		if s := r.status(); s != statOK {
			return s
		}
		r.wcc()
		if n := r.u32(); n != step {
			return fmt.Errorf("WRITE takes %d bytes of %d", n, step)
		}
		return nil
	})
	if err != nil {
		t.b.Errorf("%s: %v", p.name, err)
	}
	must(c.commit(h))(t.b)
	rate := total / 1e6 / time.Since(begin).Seconds()
	must(c.nfs(procRemove, xdr{}.opaque(dir).str(name)))(t.b)
	f := must(os.Open(t.dir))(t.b)
	defer f.Close()
	if err := f.Sync(); err != nil {
		t.b.Error(err)
	}
	return rate
}

// report prints the table.
func (t *contest) report() {
	load, _ := os.ReadFile("/proc/loadavg")
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(out, "\nmedian of %d rounds; load %s", rounds, load)
	fmt.Fprintf(out, "\tunit\tnfsd\tpeer's\tpeer\tratio\tlimit\n")
	for _, name := range t.order {
		m := t.measures[name]
		limit, missed := "", ""
		if m.limit > 0 {
			limit = fmt.Sprint("≥ ", m.limit)
			if m.most {
				limit = fmt.Sprint("≤ ", m.limit)
			}
			if m.ratio() > m.limit == m.most && m.ratio() != m.limit {
				missed = " MISSED"
			}
		}
		fmt.Fprintf(out, "%s\t%s\t%.4g\t%.4g\t%s\t%.2f\t%s%s\n", m.what, m.unit, median(m.ours), median(m.peer), m.peerName, m.ratio(), limit, missed)
	}
	out.Flush()
}
