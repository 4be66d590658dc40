package main

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"olive-distributed/daemon/pki"
)

// stranger is the address of a host that attacks; good workers come from another.
var stranger = net.Dialer{Timeout: 20 * time.Second, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 66)}}

// crowd is how many connections an attacker makes.
const crowd = 10_000

// descriptors lets this process, and what it starts, have as many files as that takes.
func descriptors(t *testing.T) {
	t.Helper()
	var now syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &now); err != nil {
		t.Fatal(err)
	}
	want := syscall.Rlimit{Cur: max(now.Cur, crowd+2000), Max: max(now.Max, crowd+2000)}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &want); err != nil {
		t.Fatalf("raise the limit of files from %d to %d: %v", now.Cur, want.Cur, err)
	}
	t.Cleanup(func() { _ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &now) })
}

// files is how many the master has open.
func (s *site) files() int {
	s.t.Helper()
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.master.pid()))
	if err != nil {
		s.t.Fatal(err)
	}
	return len(fds)
}

// flood opens connections, a few at a time, and keeps them all; it says how many opened.
func flood(size int, open func() (net.Conn, error)) (opened int, end func()) {
	var mu sync.Mutex
	var conns []net.Conn
	var left atomic.Int64
	left.Store(int64(size))
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				if c, err := open(); err == nil {
					mu.Lock()
					conns = append(conns, c)
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	return len(conns), func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}
}

// TestTenThousandConnections comes with silent connections, before the handshake and after it, with a
// certificate and without. The master goes on answering, and has nothing left of them afterwards.
func TestTenThousandConnections(t *testing.T) {
	descriptors(t)
	s := newSite(t)
	s.begin()
	eve := s.join("eve")
	probe := s.probe("good")
	idle := s.files()
	shake := func(conf *tls.Config) func() (net.Conn, error) {
		conf.VerifyConnection = nil // an attacker does not care
		return func() (net.Conn, error) {
			raw, err := stranger.Dial("tcp", s.addr)
			if err != nil {
				return nil, err
			}
			c := tls.Client(raw, conf)
			_ = c.SetDeadline(time.Now().Add(20 * time.Second))
			if err := c.Handshake(); err != nil {
				_ = raw.Close()
				return nil, err
			}
			return c, c.SetDeadline(time.Time{})
		}
	}
	shaken := crowd
	if os.Getenv("OLIVE_CYCLES") == "" {
		shaken /= 8 // each costs two signatures: all of them in the nightly form
	}
	for _, attack := range []struct {
		name string
		size int
		open func() (net.Conn, error)
	}{
		{"before the handshake", crowd, func() (net.Conn, error) { return stranger.Dial("tcp", s.addr) }},
		{"after it, without a certificate", shaken, shake(&tls.Config{InsecureSkipVerify: true, NextProtos: []string{pki.ProtoJoin}})},
		{"after it, with a certificate", shaken, shake(eve.ClientConfig(pki.ProtoBus, time.Now))},
	} {
		t.Run(attack.name, func(t *testing.T) {
			begun := time.Now()
			opened, end := flood(attack.size, attack.open)
			defer end()
			t.Logf("%d connections in %v; the master has %d files more, %d MB", opened, time.Since(begun).Round(time.Millisecond), s.files()-idle, s.memory("VmRSS"))
			if opened < attack.size/10 {
				t.Errorf("only %d connections: that is no crowd", opened)
			}
			if n := s.files() - idle; n > 300 {
				t.Errorf("the master keeps %d of them", n)
			}
			probe.answered()
			s.join("late-" + strings.Fields(attack.name)[0] + fmt.Sprint(len(attack.name))) // newcomers from elsewhere get in
		})
	}
	if mb := s.memory("VmHWM"); mb > 200 {
		t.Errorf("the master took %d MB", mb)
	}
	s.until("the files to be closed", func() bool { return s.files() <= idle+2 })
	probe.answered()
	if n := strings.Count(s.master.said(), "\n"); n > 2000 {
		t.Errorf("the log has %d lines of it", n)
	}
	s.stop(s.master, syscall.SIGQUIT) // Go's word for: tell all goroutines, and end
	if n := len(regexp.MustCompile(`(?m)^goroutine \d+`).FindAllString(s.master.said(), -1)); n < 5 || n > 100 {
		t.Errorf("%d goroutines at the end", n)
	}
}

// strange opens a connection for enrolment as a stranger.
func (s *site) strange(dial *net.Dialer) (*tls.Conn, error) {
	return tls.DialWithDialer(dial, "tcp", s.addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{pki.ProtoJoin}})
}

func TestHostileHTTP(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.begin()
	probe := s.probe("good")
	idle := s.files()
	// Whoever speaks slowly, on all connections there are: half a request, and a byte now and then.
	var slow []*tls.Conn
	for range 100 {
		c, err := s.strange(&stranger)
		if err != nil {
			break
		}
		defer c.Close()
		fmt.Fprint(c, "POST /v1/join HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\nX-Slow: ")
		slow = append(slow, c)
	}
	begun := time.Now()
	ended := make(chan error, len(slow))
	for _, c := range slow {
		go func() {
			_ = c.SetReadDeadline(time.Now().Add(time.Minute))
			_, err := io.Copy(io.Discard, c)
			ended <- err
		}()
	}
	for name, c := range map[string]struct{ request, want string }{
		"a header of 1 MB":       {"POST /v1/join HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n", "431"},
		"a million headers":      {"POST /v1/join HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X: x\r\n", 1<<18) + "\r\n", "431"},
		"a path of 1 MB":         {"POST /" + strings.Repeat("x", 1<<20) + " HTTP/1.1\r\nHost: x\r\n\r\n", "431"},
		"a body of 10 MB":        {"POST /v1/join HTTP/1.1\r\nHost: x\r\nContent-Length: 10485760\r\n\r\n{\"token\":\"" + strings.Repeat("x", 10<<20), "400"},
		"a body without an end":  {"POST /v1/join HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n100000\r\n\"" + strings.Repeat("x", 1<<20), "400"},
		"two lengths":            {"POST /v1/join HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n{}", "400"},
		"a path upwards":         {"POST /v1/../../etc/passwd HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "30|404"},
		"another path":           {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "404"},
		"another method":         {"GET /v1/join HTTP/1.1\r\nHost: x\r\n\r\n", "405"},
		"a proxy's":              {"CONNECT localhost:22 HTTP/1.1\r\nHost: localhost:22\r\n\r\n", "404|405"},
		"renewal without papers": {"POST /v1/renew HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", "401"},
		"HTTP/2":                 {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400|505"},
		"nonsense":               {"\x00\x01\x02\r\n\r\n", "400"},
	} {
		got, err := s.exchange(c.request)
		if ok, _ := regexp.MatchString("^HTTP/1.. ("+c.want+")", got); !ok && !(errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)) {
			t.Errorf("%s: answer %.100q, %v, want %s", name, got, err, c.want)
		}
		if strings.Contains(got, "root:") {
			t.Errorf("%s: answer %q", name, got)
		}
	}
	s.join("bob") // enrolment goes on beside the slow ones
	probe.answered()
	for len(slow) > 0 {
		for _, c := range slow {
			_, _ = c.Write([]byte("x"))
		}
		select {
		case err := <-ended:
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal("a slow connection was kept for a minute")
			}
			slow = slow[1:]
		case <-time.After(100 * time.Millisecond):
		}
	}
	t.Logf("slow connections were ended after %v", time.Since(begun).Round(time.Second))
	s.until("the files to be closed", func() bool { return s.files() <= idle+2 })
}

// exchange sends a request, however long, and reads the answer.
func (s *site) exchange(request string) (string, error) {
	s.t.Helper()
	c, err := s.strange(&net.Dialer{Timeout: 20 * time.Second})
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(40 * time.Second))
	written := make(chan error, 1)
	go func() {
		_, err := io.WriteString(c, request)
		written <- err
	}()
	line, err := bufio.NewReader(c).ReadString('\n')
	_ = c.Close()
	return line, errors.Join(err, <-written)
}
