package pki_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"olive-distributed/daemon/pki"
)

func TestWorkerJoinsAndIsLetIn(t *testing.T) {
	w := newWorld(t).serve()
	w.join("render-07")
	i, err := pki.LoadIdentity(w.folder("render-07")) // as the daemon does later
	if err != nil {
		t.Fatal(err)
	}
	if i.Name() != "render-07" || i.Master() != w.addr || !i.Expires().Equal(start.Add(90*day)) {
		t.Errorf("identity of %q at %q until %v; want render-07 at %s for 90 days", i.Name(), i.Master(), i.Expires(), w.addr)
	}
	for _, proto := range []string{pki.ProtoBus, pki.ProtoNFS} {
		if said, err := dial(t, w.addr, i.ClientConfig(proto, w.now)); said != "render-07" || err != nil {
			t.Errorf("%s: %q, %v; want to be let in as render-07", proto, said, err)
		}
	}
	if info, err := os.Stat(w.folder("render-07") + "/identity.json"); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode of the identity is %v (%v), want 0600", info.Mode(), err)
	}
}

func TestJoinIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		first func(w *world) pki.Token
		want  error
	}{
		"the token was used":     {func(w *world) pki.Token { token := w.token("a"); w.use(token); return token }, pki.ErrTokenUsed},
		"the token has expired":  {func(w *world) pki.Token { defer w.pass(time.Hour); return w.token("a") }, pki.ErrTokenExpired},
		"the token was replaced": {func(w *world) pki.Token { defer w.token("a"); return w.token("a") }, pki.ErrTokenUnknown},
		"the token is another's": {func(w *world) pki.Token { w.token("b"); return w.token("a").For("b") }, pki.ErrTokenUnknown},
		"another master's token": {func(w *world) pki.Token { return newWorld(w.t).token("a") }, pki.ErrWrongMaster},
		"there is no token":      {func(*world) pki.Token { return pki.Token{} }, pki.ErrBadToken},
		"somebody is joining now": {func(w *world) pki.Token {
			os.Mkdir(w.folder("a"), 0o700)
			lock(w.t, w.folder("a"))
			return w.token("a")
		}, pki.ErrInUse},
		"the master's disk fails": {func(w *world) pki.Token {
			token := w.token("a")
			if err := os.RemoveAll(w.dir); err != nil {
				w.t.Fatal(err)
			}
			return token
		}, pki.ErrMaster},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t).serve()
			i, err := pki.Join(t.Context(), w.addr, c.first(w), w.folder("a"), w.now())
			if i != nil {
				t.Error("there is an identity")
			}
			wantError(t, "Join", err, c.want)
			_, err = pki.LoadIdentity(w.folder("a"))
			wantError(t, "LoadIdentity afterwards", err, pki.ErrNotJoined)
		})
	}
}

func (w *world) use(token pki.Token) {
	w.t.Helper()
	if _, err := w.a.Enrol(token, request(w.t, newKey(w.t), &x509.CertificateRequest{}), w.now()); err != nil {
		w.t.Fatal(err)
	}
}

func TestFolderThatCannotBeWrittenSpendsNoToken(t *testing.T) {
	w := newWorld(t).serve()
	token := w.token("a")
	if _, err := pki.Join(t.Context(), w.addr, token, w.folder("no")+"/such/folder", w.now()); err == nil {
		t.Error("joined into a folder that cannot be")
	}
	if _, err := pki.Join(t.Context(), w.addr, token, w.folder("a"), w.now()); err != nil {
		t.Errorf("the token was spent: %v", err)
	}
}

func TestJoiningAgainReplacesTheIdentity(t *testing.T) {
	w := newWorld(t).serve()
	old := w.join("a")
	before := snapshot(t, w.folder("a"))
	token := w.token("b")
	w.use(token)
	if _, err := pki.Join(t.Context(), w.addr, token, w.folder("a"), w.now()); err == nil {
		t.Fatal("joined with a used token")
	}
	if snapshot(t, w.folder("a")) != before {
		t.Error("a failed join has changed the identity")
	}
	if _, err := pki.Join(t.Context(), w.addr, w.token("c"), w.folder("a"), w.now()); err != nil {
		t.Fatal(err)
	}
	now, err := pki.LoadIdentity(w.folder("a"))
	if err != nil || now.Name() != "c" || old.Name() != "a" {
		t.Errorf("identity %v, %v, loaded before %s; want c and a", now, err, old.Name())
	}
}

func TestIdentityBelongsToTheFoldersOwner(t *testing.T) {
	w := newWorld(t).serve()
	dir := w.folder("a")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 { // root joins for a service; everyone else for itself
		if err := os.Chown(dir, 64123, 64124); err != nil {
			t.Fatal(err)
		}
	}
	w.join("a")
	var want, got syscall.Stat_t
	for path, stat := range map[string]*syscall.Stat_t{dir: &want, dir + "/identity.json": &got} {
		if err := syscall.Stat(path, stat); err != nil {
			t.Fatal(err)
		}
	}
	if got.Uid != want.Uid || got.Gid != want.Gid {
		t.Errorf("the identity belongs to %d:%d, want %d:%d", got.Uid, got.Gid, want.Uid, want.Gid)
	}
}

func TestCancelledJoinEnds(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	addr := listen(t, func(conn net.Conn) { // accepts, and says nothing
		defer conn.Close()
		cancel()
		io.Copy(io.Discard, conn)
	})
	_, err := pki.Join(ctx, addr, w.token("a"), w.folder("a"), w.now())
	wantError(t, "Join", err, context.Canceled)
}

func TestHandlerAnswersInJSON(t *testing.T) {
	w := newWorld(t).serve()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialTLSContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&tls.Dialer{Config: peer(pki.ProtoJoin)}).DialContext(ctx, network, w.addr)
	}}}
	token := w.token("a").Reveal()
	csr := request(t, newKey(t), &x509.CertificateRequest{})
	asJSON := func(v any) string {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	for name, c := range map[string]struct {
		path, body string
		status     int
		code       string
	}{
		"not JSON":                    {"/v1/join", "token", 400, "bad-request"},
		"nothing":                     {"/v1/join", "", 400, "bad-request"},
		"too much":                    {"/v1/join", `{"token":"` + strings.Repeat("x", 20<<10) + `"}`, 400, "bad-request"},
		"a number for a token":        {"/v1/join", `{"token":4711}`, 400, "bad-request"},
		"no token":                    {"/v1/join", `{}`, 400, "bad-token"},
		"a mistyped token":            {"/v1/join", asJSON(map[string]any{"token": token[1:], "csr": csr}), 400, "bad-token"},
		"no request":                  {"/v1/join", asJSON(map[string]any{"token": token}), 400, "bad-csr"},
		"an oversized request":        {"/v1/join", asJSON(map[string]any{"token": token, "csr": bytes.Repeat([]byte{48}, 5000)}), 400, "bad-csr"},
		"a foreign name":              {"/v1/join", asJSON(map[string]any{"token": token, "csr": asksURI("olive://worker/b")(t)}), 403, "wrong-name"},
		"an unknown token":            {"/v1/join", asJSON(map[string]any{"token": newWorld(t).token("a").Reveal(), "csr": csr}), 403, "token-unknown"},
		"renewal without certificate": {"/v1/renew", asJSON(map[string]any{"csr": csr}), 401, "no-certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := client.Post("https://"+w.addr+c.path, "application/json", strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			defer r.Body.Close()
			var got struct {
				Error struct{ Code, Message string }
			}
			if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
				t.Fatal(err)
			}
			if r.StatusCode != c.status || got.Error.Code != c.code || got.Error.Message == "" {
				t.Errorf("%d %+v, want %d %s", r.StatusCode, got, c.status, c.code)
			}
		})
	}
	for path, want := range map[string]int{"/v1/join": 405, "/v1/renew": 405, "/": 404} {
		r, err := client.Get("https://" + w.addr + path)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != want {
			t.Errorf("GET %s = %d, want %d", path, r.StatusCode, want)
		}
	}
}

func TestUnwiseAnswersAreRefused(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"a page": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") },
		"an unknown refusal": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, `{"error":{"code":"moon"}}`, http.StatusTeapot)
		},
		"a refusal that is none": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
		"somewhere else": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		},
		"more than fits": func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, `{"certificate":"`+strings.Repeat("A", 1<<20))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			var asked atomic.Int32
			q := &queue{conns: make(chan net.Conn), closed: make(chan struct{})}
			s := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { asked.Add(1); answer(rw, r) })}
			done := make(chan struct{})
			go func() { defer close(done); s.Serve(q) }()
			t.Cleanup(func() { s.Close(); <-done })
			config := w.a.ServerConfig(w.now)
			addr := listen(t, func(c net.Conn) {
				conn := tls.Server(c, config)
				if conn.HandshakeContext(t.Context()) == nil {
					q.push(pki.HTTPConn(conn))
				}
			})
			if _, err := pki.Join(t.Context(), addr, w.token("a"), w.folder("a"), w.now()); err == nil {
				t.Error("joined")
			}
			if left, _ := filepath.Glob(w.folder("a") + "/*.json"); asked.Load() != 1 || len(left) != 0 {
				t.Errorf("asked %d times, %v is left; want once and nothing", asked.Load(), left)
			}
		})
	}
}

func TestDamagedIdentityIsRefused(t *testing.T) {
	w := newWorld(t).serve()
	i := w.join("a")
	good := read(t, w.folder("a")+"/identity.json")
	other := newWorld(t).serve()
	other.join("a")
	var mine, theirs map[string]string
	for data, v := range map[string]*map[string]string{string(good): &mine, string(read(t, other.folder("a")+"/identity.json")): &theirs} {
		if err := json.Unmarshal([]byte(data), v); err != nil {
			t.Fatal(err)
		}
	}
	with := func(field, value string) []byte {
		changed := map[string]string{field: value}
		for k, v := range mine {
			if k != field {
				changed[k] = v
			}
		}
		data, err := json.Marshal(changed)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	_, young, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(young)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"a key of another kind":        with("key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))),
		"empty":                        nil,
		"cut off":                      good[:len(good)/2],
		"without key":                  with("key", ""),
		"without certificate":          with("certificate", ""),
		"without CA":                   with("ca", ""),
		"without master":               with("master", ""),
		"another's key":                with("key", theirs["key"]),
		"another's certificate":        with("certificate", theirs["certificate"]),
		"another farm's CA":            with("ca", theirs["ca"]),
		"the CA as its certificate":    with("certificate", mine["ca"]),
		"a certificate instead of key": with("key", mine["ca"]),
	} {
		t.Run(name, func(t *testing.T) {
			write(t, w.folder("a")+"/identity.json", data)
			_, err := pki.LoadIdentity(w.folder("a"))
			wantError(t, "LoadIdentity", err, pki.ErrDamaged)
			if err != nil && (!strings.Contains(err.Error(), "identity.json") || !strings.Contains(err.Error(), "join again")) {
				t.Errorf("%v\nwant the file named, and the way out", err)
			}
		})
	}
	if said, err := dial(t, w.addr, i.ClientConfig(pki.ProtoBus, w.now)); said != "a" || err != nil {
		t.Errorf("the loaded identity: %q, %v; want it unharmed", said, err)
	}
}

func TestIdentityThatOthersCanReadIsRefused(t *testing.T) {
	w := newWorld(t).serve()
	w.join("a")
	if err := os.Chmod(w.folder("a")+"/identity.json", 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := pki.LoadIdentity(w.folder("a")); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("LoadIdentity = %v, want a refusal that says chmod 600", err)
	}
}

func FuzzParseIdentity(f *testing.F) {
	f.Add([]byte(`{"master":"m:7480","key":"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----","certificate":"","ca":""}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := pki.ParsePapers(data); err == nil {
			t.Error("made up papers are accepted")
		}
	})
}
