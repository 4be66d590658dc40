package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"olive-distributed/daemon/worker"
)

// post sends a request for a certificate and returns the answer.
func (s *site) post(path string, body any) (status int, answer string) {
	s.t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	c, err := s.strange(&net.Dialer{Timeout: 20 * time.Second})
	if err != nil {
		s.t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return c, nil },
	}}
	r, err := client.Post("http://"+s.addr+path, "application/json", bytes.NewReader(data))
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Body.Close()
	if data, err = io.ReadAll(r.Body); err != nil {
		s.t.Fatal(err)
	}
	return r.StatusCode, string(data)
}

type application struct {
	Token string `json:"token"`
	CSR   []byte `json:"csr"`
}

// renamed is a token for another name, with the right sum: see package pki.
func renamed(t *testing.T, token, name string) string {
	t.Helper()
	coding := base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
	parts := strings.Split(token, ".")
	body, err := coding.DecodeString(parts[2])
	if err != nil {
		t.Fatal(err)
	}
	head := parts[0] + "." + name + "."
	body = body[:len(body)-5]
	sum := sha256.Sum256(append([]byte(head), body...))
	return head + coding.EncodeToString(append(body, sum[:5]...))
}

func TestTokens(t *testing.T) {
	t.Parallel()
	s, other := newSite(t), newSite(t)
	s.begin()
	other.begin()
	fails := func(what, want string, args ...string) {
		t.Helper()
		if out, code := s.run("olivectl", append([]string{"join", s.addr, "--state", s.path("eve"), "--token"}, args...)...); code == 0 || !strings.Contains(out, want) {
			t.Errorf("%s: code %d, %q, want %q", what, code, out, want)
		}
	}
	used := s.token("ada")
	if out, code := s.run("olivectl", "join", s.addr, "--token", used, "--state", s.path("ada")); code != 0 {
		t.Fatal(out)
	}
	fails("a token again", "used already", used)
	fails("a mistyped one", "mistyped", used[:len(used)-1]+"7")
	bob := s.token("bob")
	fails("one for another name", "does not know the token", renamed(t, bob, "carol"))
	newer := s.token("bob")
	fails("one that was replaced", "does not know the token", bob)
	late := s.token("late")
	foreign := other.token("bob")
	before := len(s.master.said())
	fails("one of another farm", "not the master that made the token", foreign)
	for what, c := range map[string]struct {
		ask  application
		want string
	}{
		"another name in the request":        {application{newer, request(t, "carol")}, "wrong-name"},
		"a path in the request":              {application{newer, request(t, "../bob")}, "wrong-name"},
		"a request that is none":             {application{newer, []byte("x")}, "bad-csr"},
		"a token that nobody made":           {application{renamed(t, foreign, "bob"), request(t, "bob")}, "token-unknown"},
		"a token of a worker without a name": {application{renamed(t, newer, ""), request(t, "")}, "bad-token"},
	} {
		if status, got := s.post("/v1/join", c.ask); status == http.StatusOK || !strings.Contains(got, c.want) {
			t.Errorf("%s: %d %s, want %s", what, status, got, c.want)
		}
	}
	for what, name := range oddNames {
		if !utf8.ValidString(name) {
			continue // nor would JSON have it
		}
		if status, got := s.post("/v1/join", application{renamed(t, newer, name), request(t, name)}); status != http.StatusBadRequest || !strings.Contains(got, "bad-token") {
			t.Errorf("a token for a name with %s: %d %s", what, status, got)
		}
	}
	if said := s.master.said()[before:]; strings.Contains(said, "certificate made") {
		t.Errorf("the master has made a certificate:\n%s", said)
	}
	// The refusals have spent nothing, and the token of the other farm was not shown to this one.
	for _, c := range []struct {
		*site
		token string
	}{{s, newer}, {other, foreign}} {
		if out, code := c.run("olivectl", "join", c.addr, "--token", c.token, "--state", c.path("bob")); code != 0 {
			t.Errorf("join: %s", out)
		}
	}
	s.stop(s.master, syscall.SIGTERM)
	s.edit(func(workers map[string]any) { // a quarter of an hour passes
		workers["late"].(map[string]any)["token"].(map[string]any)["expires"] = time.Now().Add(-time.Second)
	})
	s.begin()
	fails("one that is too old", "has expired", late)
	if _, err := os.Stat(s.path("eve", "identity.json")); err == nil {
		t.Error("an identity was left")
	}
}

// TestNamesOfJobsAndWorkers comes in by olivectl, with what users may not and what they may call things.
func TestNamesOfJobsAndWorkers(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.begin()
	probe := s.probe("good")
	for what, name := range oddNames {
		if strings.Contains(name, "\x00") {
			continue // no argument can have it
		}
		if out, code := s.ctl("worker", "add", "--", name); code == 0 || strings.Contains(out, "olive1.") {
			t.Errorf("a worker with %s was taken: %s", what, out)
		}
		if _, code := s.ctl("worker", "revoke", "--", name); code == 0 {
			t.Errorf("a worker with %s was revoked", what)
		}
	}
	if err := os.Mkdir(s.path("deep"), 0o755); err != nil {
		t.Fatal(err)
	}
	jobs := 0
	for what, name := range map[string]string{
		"a new line": "a\n99 x done.ove", "an escape": "a\x1b[2Jb.ove", "dots": "...ove", "a quote": "a'b\"c.ove", "a per cent": "a%d.ove",
		"a dash": "-a.ove", "bytes that are no text": "a\xff.ove", "250 bytes": strings.Repeat("a", 246) + ".ove", "a bell": "a\ab.ove",
	} {
		out, code := s.ctl("submit", "--preset", "lossless", "-o", s.path("deep", "..", "films", "..", what+".mkv"), "--", s.project(name, 30))
		if code == 0 {
			jobs++
		} else if !strings.Contains(out, "olivectl") {
			t.Errorf("a project with %s: code %d, %q", what, code, out)
		}
		if strings.ContainsAny(out, "\x1b\a") {
			t.Errorf("a project with %s: olivectl prints %q", what, out)
		}
	}
	if jobs < 4 {
		t.Errorf("only %d projects were taken", jobs)
	}
	list := s.mustCtl("list")
	if strings.ContainsAny(list, "\x1b\a") || regexp.MustCompile(`(?m)^\s*99`).MatchString(list) {
		t.Errorf("the list shows %q", list)
	}
	for n := range jobs {
		if log := s.mustCtl("log", fmt.Sprint(n+1)); strings.ContainsAny(log, "\x1b\a") {
			t.Errorf("the log shows %q", log)
		}
	}
	folders, err := filepath.Glob(s.path("state", "jobs", "*"))
	if err != nil || len(folders) != jobs {
		t.Errorf("%d folders for %d jobs, %v", len(folders), jobs, err)
	}
	for _, folder := range folders {
		if !regexp.MustCompile(`^[A-Za-z0-9-]+$`).MatchString(filepath.Base(folder)) {
			t.Errorf("a folder is called %q", folder)
		}
	}
	for line := range strings.Lines(s.master.said()) {
		if !strings.HasPrefix(line, "time=") || strings.ContainsAny(line, "\x1b\a") {
			t.Errorf("the master's log has the line %q", line)
		}
	}
	probe.answered()
	if err := probe.Request(t.Context(), worker.KindWork, worker.WorkMessage{}, nil); err != nil {
		t.Errorf("the master does not answer: %v", err)
	}
}
