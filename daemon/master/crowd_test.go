package master_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"olive-distributed/daemon/bus"
	"olive-distributed/daemon/bus/journal"
	"olive-distributed/daemon/farm"
	"olive-distributed/daemon/master"
	"olive-distributed/daemon/media"
	"olive-distributed/daemon/media/film"
	"olive-distributed/daemon/render"
	"olive-distributed/daemon/render/builtin"
	"olive-distributed/daemon/worker"
)

func TestMain(m *testing.M) {
	if spec := os.Getenv("MASTER_TEST_CROWD"); spec != "" {
		if err := runCrowd(spec); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// BenchmarkCrowd measures a master, with its bus, TLS and its journal on the disk, under so many
// connected workers that get so many ranges a second in all. An assignment is a range from the hand-out to
// the accepted part: both durable before they are answered, and one beat between them. As workers ask
// for it, that is one request, a report whose answer has the next range, and a beat that wants no answer;
// "three requests" asks for work, beats and reports apart, each with an answer. Only the look into
// the parts, which are not there, is left out.
//
// The workers are a process of their own, which tells the times, from when a request was due; µs of processor time
// a range, CPU share and memory are the master's process alone. Times are those of the machine as
// it is: look at the load before believing them.
func BenchmarkCrowd(b *testing.B) {
	for _, load := range []struct {
		workers, rate int
		apart         bool
	}{{1000, 1000, false}, {1000, 1000, true}, {10_000, 2000, false}} {
		name := fmt.Sprintf("%d workers, %d ranges per second", load.workers, load.rate)
		if load.apart {
			name += ", three requests"
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				crowd(b, load.workers, load.rate, 10*time.Second, load.apart)
			}
		})
	}
}

// theSum stands for the checksum of every part.
const theSum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// unseen does not look into the parts.
func unseen(_ context.Context, _ *render.Plan, span render.Span, _ bool, path string) (film.Part, error) {
	return film.Part{Path: path, Frames: span.Len(), Size: 1 << 20, SHA256: theSum}, nil
}

// crowd runs one master under one load.
func crowd(b *testing.B, workers, rate int, d time.Duration, apart bool) {
	key, ca := newCA(b)
	addr := crowdMaster(b, key, ca, workers)
	secret, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		b.Fatal(err)
	}
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), fmt.Sprintf("MASTER_TEST_CROWD=%s %d %d %d %t %s %s", addr, workers, rate, d, apart,
		base64.StdEncoding.EncodeToString(secret), base64.StdEncoding.EncodeToString(ca.Raw)))
	child.Stderr = os.Stderr
	child.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := child.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := child.Start(); err != nil {
		b.Fatal(err)
	}
	var ready string
	if _, err := fmt.Fscan(out, &ready); err != nil {
		b.Fatal(err)
	}
	cpu, begin := cpuTime(b), time.Now()
	var work, report, beat float64
	var ranges, failures int
	if _, err := fmt.Fscan(out, &work, &report, &beat, &ranges, &failures); err != nil {
		b.Fatal(err)
	}
	spent := cpuTime(b) - cpu
	b.ReportMetric(100*float64(spent)/float64(time.Since(begin)), "%core")
	b.ReportMetric(float64(spent.Microseconds())/float64(max(ranges, 1)), "µs-CPU/range")
	b.ReportMetric(report, "ms-p99-report")
	if apart {
		b.ReportMetric(work, "ms-p99-work")
		b.ReportMetric(beat, "ms-p99-beat")
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(ranges)/d.Seconds(), "ranges/s")
	b.ReportMetric(resident(b), "MB-RSS")
	if failures > 0 {
		b.Errorf("%d of %d requests failed", failures, ranges)
	}
	if err := child.Wait(); err != nil {
		b.Fatal(err)
	}
}

// crowdMaster serves until the benchmark ends. It has one job that is long enough.
func crowdMaster(b *testing.B, key *ecdsa.PrivateKey, ca *x509.Certificate, workers int) (addr string) {
	ctx, cancel := context.WithCancel(context.Background())
	dir, lib := b.TempDir(), media.NewLibrary("")
	policy := farm.Policy{LeaseTimeout: time.Hour} // they speak seldom
	j, state, err := journal.Open(ctx, journal.Config{Dir: filepath.Join(dir, "journal"), Policy: policy})
	if err != nil {
		b.Fatal(err)
	}
	m, err := master.New(master.Config{
		Library: lib, Engine: builtin.New(lib, 1), Folder: filepath.Join(dir, "jobs"), Journal: j, Farm: state, Verify: unseen,
		Policy: policy,
	})
	if err != nil {
		b.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(ca)
	server, err := bus.New(bus.Config{
		TLS:      &tls.Config{Certificates: []tls.Certificate{leaf(key, ca, "master")}, ClientCAs: pool},
		Identify: func(cs tls.ConnectionState) (string, error) { return cs.PeerCertificates[0].Subject.CommonName, nil }, Handlers: m.Handlers(), Codes: worker.Codes(), Limits: bus.Limits{Handshakes: workers},
	})
	if err != nil {
		b.Fatal(err)
	}
	port, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	var rooms sync.WaitGroup
	rooms.Go(func() { _ = m.Run(ctx) })
	rooms.Go(func() { _ = server.Serve(ctx, port) })
	project := filepath.Join(dir, "p.ove")
	if err := os.WriteFile(project, []byte(solid(2_000_000_000)), 0o600); err != nil {
		b.Fatal(err)
	}
	if _, err := m.Submit(ctx, master.Request{Project: project, Output: filepath.Join(dir, "film.mkv"), Preset: "lossless"}); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		cancel()
		rooms.Wait()
		wait, done := context.WithTimeout(context.Background(), 10*time.Second)
		defer done()
		_ = server.Close(wait)
		if err := j.Close(wait); err != nil {
			b.Error(err)
		}
		lib.Close()
	})
	return port.Addr().String()
}

func newCA(b testing.TB) (*ecdsa.PrivateKey, *x509.Certificate) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "farm"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		b.Fatal(err)
	}
	ca, err := x509.ParseCertificate(der)
	if err != nil {
		b.Fatal(err)
	}
	return key, ca
}

// leaf makes a certificate, with the key of the CA to save the making of thousands.
func leaf(key *ecdsa.PrivateKey, ca *x509.Certificate, name string) tls.Certificate {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{"master"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// resident is the memory of this process in MB.
func resident(b *testing.B) float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), "VmRSS:")
	kb, err := strconv.ParseFloat(strings.Fields(after)[0], 64)
	if err != nil {
		b.Fatal(err)
	}
	return kb / 1024
}

// A guest is a worker of the crowd, and what its requests took.
type guest struct {
	name               string
	master             worker.Remote
	task               *worker.Task // in hand
	work, report, beat []time.Duration
	ranges, failures   int
}

// runCrowd is the process of the workers.
func runCrowd(spec string) error {
	var addr, secret, root string
	var workers, rate int
	var d time.Duration
	var apart bool
	if _, err := fmt.Sscan(spec, &addr, &workers, &rate, (*int64)(&d), &apart, &secret, &root); err != nil {
		return err
	}
	guests, leave, err := invite(addr, secret, root, workers, apart)
	defer leave()
	if err != nil {
		return err
	}
	fmt.Println("ready")
	every := time.Duration(workers) * time.Second / time.Duration(rate)
	begin := time.Now()
	var all sync.WaitGroup
	for i, g := range guests {
		all.Go(func() {
			for due := begin.Add(every * time.Duration(i) / time.Duration(workers)); due.Before(begin.Add(d)); due = due.Add(every) {
				if apart {
					g.turn(due, every)
				} else {
					g.lap(due, every)
				}
			}
		})
	}
	all.Wait()
	var work, report, beat []time.Duration
	ranges, failures := 0, 0
	for _, g := range guests {
		work, report, beat = append(work, g.work...), append(report, g.report...), append(beat, g.beat...)
		ranges, failures = ranges+g.ranges, failures+g.failures
	}
	fmt.Println(p99(work), p99(report), p99(beat), ranges, failures)
	return nil
}

// invite connects the workers, each with a name of its own.
func invite(addr, secret, root string, workers int, apart bool) (guests []*guest, leave func(), err error) {
	var clients []*bus.Client
	leave = func() {
		var all sync.WaitGroup
		for _, c := range clients {
			all.Go(c.Close)
		}
		all.Wait()
	}
	der, err := base64.StdEncoding.DecodeString(secret)
	if err != nil {
		return nil, leave, err
	}
	key, err := x509.ParseECPrivateKey(der)
	if err != nil {
		return nil, leave, err
	}
	if der, err = base64.StdEncoding.DecodeString(root); err != nil {
		return nil, leave, err
	}
	ca, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, leave, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(ca)
	slots := make(chan struct{}, 16)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var all sync.WaitGroup
	for i := range workers {
		name := fmt.Sprintf("guest-%05d", i)
		conf := &tls.Config{Certificates: []tls.Certificate{leaf(key, ca, name)}, RootCAs: pool, ServerName: "master"}
		c, err := bus.Dial(bus.ClientConfig{Name: name, Addr: addr, TLS: conf, Codes: worker.Codes()})
		if err != nil {
			return nil, leave, err
		}
		clients = append(clients, c)
		g := &guest{name: name, master: worker.NewRemote(c, nil)}
		guests = append(guests, g)
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			spec := worker.Spec{Boot: name, Engines: []string{"builtin"}, Threads: 4}
			if err := g.master.Hello(ctx, spec, nil); err != nil {
				fmt.Fprintln(os.Stderr, name, err)
				g.failures++
			}
			if !apart {
				g.first(ctx)
			}
		})
	}
	all.Wait()
	return guests, leave, nil
}

// turn is a range, from the question to its report, in a time. Times count from when something
// was due: nothing is hidden.
func (g *guest) turn(due time.Time, every time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var t *worker.Task
	g.do(&g.work, due, func() (err error) {
		t, err = g.master.Next(ctx, g.name)
		return err
	})
	if t == nil {
		return
	}
	g.do(&g.beat, due.Add(every/3), func() error { return g.master.Beat(ctx, g.name, t, t.Span.Len()/2) })
	g.render(t)
	g.do(&g.report, due.Add(2*every/3), func() error { return g.master.Done(ctx, g.name, t, delivery(t)) })
	g.ranges++
}

// first gets the first range, before the time counts.
func (g *guest) first(ctx context.Context) {
	var err error
	if g.task, err = g.master.Next(ctx, g.name); err != nil {
		fmt.Fprintln(os.Stderr, g.name, err)
		g.failures++
	}
}

// lap is a range that has come with the answer to the report before, and its own report.
func (g *guest) lap(due time.Time, every time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	t := g.task
	if t == nil { // none had come
		g.first(ctx)
		return
	}
	g.do(&g.beat, due.Add(every/3), func() error { return g.master.Note(ctx, g.name, t, t.Span.Len()/2) })
	g.render(t)
	g.do(&g.report, due.Add(2*every/3), func() (err error) {
		g.task, err = g.master.DoneNext(ctx, g.name, t, delivery(t))
		return err
	})
	g.ranges++
}

// render leaves a part without anything in it.
func (g *guest) render(t *worker.Task) {
	if err := os.WriteFile(t.Part, nil, 0o600); err != nil {
		fmt.Fprintln(os.Stderr, g.name, err)
		g.failures++
	}
}

func delivery(t *worker.Task) worker.Delivery {
	return worker.Delivery{Part: film.Part{Frames: t.Span.Len(), Size: 1 << 20, SHA256: theSum}}
}

// do does what is due.
func (g *guest) do(took *[]time.Duration, due time.Time, f func() error) {
	<-time.After(time.Until(due))
	if err := f(); err != nil {
		if g.failures++; g.failures == 1 {
			fmt.Fprintln(os.Stderr, g.name, err)
		}
	}
	*took = append(*took, time.Since(due))
}

// p99 is in ms.
func p99(took []time.Duration) float64 {
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return took[len(took)*99/100].Seconds() * 1000
}
