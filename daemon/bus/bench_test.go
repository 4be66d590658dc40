package bus_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"olive-distributed/daemon/bus"
)

// BenchmarkWorkers measures the master's side of so many connected workers that ask for work at a
// steady rate in all. The workers live in a process of their own, which reports the latencies; the
// CPU share and the memory are those of this process, with TLS and all.
func BenchmarkWorkers(b *testing.B) {
	for _, load := range []struct{ workers, rate int }{{1000, 1000}, {10_000, 2000}} {
		b.Run(fmt.Sprintf("%d workers, %d per second", load.workers, load.rate), func(b *testing.B) {
			for b.Loop() {
				crowd(b, load.workers, load.rate, 5*time.Second)
			}
		})
	}
}

func crowd(b *testing.B, workers, rate int, d time.Duration) {
	f := newFarm(b, bus.Config{
		Handlers: []bus.Handler{echo()},
		Limits:   bus.Limits{PerWorker: workers + 1, Sessions: workers + 1, Handshakes: workers, Rate: 1e6},
	})
	cert := f.tls("crowd").Certificates[0] // one identity: making 10,000 certificates is not what is measured
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), fmt.Sprintf("BUS_TEST_CROWD=%s %d %d %d", f.addr, workers, rate, d))
	child.Stdin = bytes.NewReader(pemOf(b, cert, f.ca.cert))
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
	var p50, p99 float64
	var answers, failures int
	if _, err := fmt.Fscan(out, &p50, &p99, &answers, &failures); err != nil {
		b.Fatal(err)
	}
	share := float64(cpuTime(b)-cpu) / float64(time.Since(begin))
	b.ReportMetric(p50, "ms-p50")
	b.ReportMetric(p99, "ms-p99")
	b.ReportMetric(float64(answers)/d.Seconds(), "answers/s")
	b.ReportMetric(100*share, "%core")
	b.ReportMetric(rss(b), "MB-RSS")
	if failures > 0 {
		b.Errorf("%d requests failed", failures)
	}
	if err := child.Wait(); err != nil {
		b.Fatal(err)
	}
}

func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func rss(b *testing.B) float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if kb, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, err := strconv.ParseFloat(strings.Fields(kb)[0], 64)
			if err != nil {
				b.Fatal(err)
			}
			return n / 1024
		}
	}
	return 0
}

// runCrowd is the process of the workers.
func runCrowd(spec string) {
	var addr string
	var workers, rate int
	var d time.Duration
	if _, err := fmt.Sscan(spec, &addr, &workers, &rate, (*int64)(&d)); err != nil {
		panic(err)
	}
	conf := configOf(os.Stdin)
	clients := make([]*bus.Client, workers)
	var all sync.WaitGroup
	slots := make(chan struct{}, 16)
	for i := range clients {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			c, err := bus.Dial(bus.ClientConfig{Name: "crowd", Addr: addr, TLS: conf, Codes: codes})
			if err != nil {
				panic(err)
			}
			if err := c.Request(context.Background(), "work", ask{"x"}, nil); err != nil {
				panic(err)
			}
			clients[i] = c
		})
	}
	all.Wait()
	fmt.Println("ready")
	took := make([][]time.Duration, workers)
	failures := make([]int, workers)
	every := time.Duration(workers) * time.Second / time.Duration(rate)
	begin := time.Now()
	for i, c := range clients {
		all.Go(func() {
			for due := begin.Add(every * time.Duration(i) / time.Duration(workers)); due.Before(begin.Add(d)); due = due.Add(every) {
				<-time.After(time.Until(due))
				ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
				if err := c.Request(ctx, "work", ask{"x"}, nil); err != nil {
					failures[i]++
				}
				cancel()
				took[i] = append(took[i], time.Since(due)) // from when it was due: nothing is hidden
			}
		})
	}
	all.Wait()
	flat := slices.Sorted(slices.Values(slices.Concat(took...)))
	n := 0
	for _, f := range failures {
		n += f
	}
	ms := func(share float64) float64 { return flat[int(share*float64(len(flat)-1))].Seconds() * 1000 }
	fmt.Println(ms(0.5), ms(0.99), len(flat)-n, n)
	for _, c := range clients {
		all.Go(c.Close)
	}
	all.Wait()
}

// pemOf is a certificate with its key, and the authority's certificate.
func pemOf(b *testing.B, cert tls.Certificate, ca *x509.Certificate) []byte {
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		b.Fatal(err)
	}
	var out []byte
	for _, block := range []pem.Block{{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}, {Type: "PRIVATE KEY", Bytes: key}, {Type: "CERTIFICATE", Bytes: ca.Raw}} {
		out = append(out, pem.EncodeToMemory(&block)...)
	}
	return out
}

func configOf(in io.Reader) *tls.Config {
	rest, err := io.ReadAll(in)
	if err != nil {
		panic(err)
	}
	leaf, rest := pem.Decode(rest)
	secret, rest := pem.Decode(rest)
	root, _ := pem.Decode(rest)
	key, err := x509.ParsePKCS8PrivateKey(secret.Bytes)
	if err != nil {
		panic(err)
	}
	ca, err := x509.ParseCertificate(root.Bytes)
	if err != nil {
		panic(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(ca)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.Bytes}, PrivateKey: key}}, RootCAs: pool, ServerName: "master"}
}
