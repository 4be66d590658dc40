package pki_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"olive-distributed/daemon/pki"
)

// TestSecretsAreInNoErrorAndNoLog goes through what can go wrong with tokens and keys in hand, and
// looks for both in all that was said about it: errors, the master's log, printed values.
func TestSecretsAreInNoErrorAndNoLog(t *testing.T) {
	w := newWorld(t).serve()
	var out lockedBuffer
	say := func(what string, values ...any) {
		text := slog.New(slog.NewTextHandler(&out, nil))
		asJSON := slog.New(slog.NewJSONHandler(&out, nil))
		for _, v := range values {
			fmt.Fprintf(&out, "%s: %v\n%+v\n%#v\n%s\n%x\n%d\n", what, v, v, v, v, v, v)
			text.Info(what, "value", v)
			asJSON.Info(what, "value", v)
			if data, err := json.Marshal(v); err == nil {
				out.Write(data)
			}
		}
	}
	failure := func(what string, err error) {
		t.Helper()
		if err == nil {
			t.Errorf("%s: no error", what)
		}
		say(what, err)
	}
	var tokens []string
	token := func(worker string) pki.Token {
		made := w.token(worker)
		tokens = append(tokens, made.Reveal())
		return made
	}
	join := func(addr string, token pki.Token) error {
		_, err := pki.Join(t.Context(), addr, token, w.folder("x"), w.now())
		return err
	}

	// The joins of a day, and what becomes of them.
	first := token("a")
	worker, err := pki.Join(t.Context(), w.addr, first, w.folder("a"), w.now())
	if err != nil {
		t.Fatal(err)
	}
	failure("used token", join(w.addr, first))
	late := token("b")
	w.pass(time.Hour)
	failure("expired token", join(w.addr, late))
	replaced := token("b")
	token("b")
	failure("replaced token", join(w.addr, replaced))
	other := newWorld(t).serve()
	failure("token at another master", join(other.addr, token("c")))
	failure("nobody there", join("127.0.0.1:1", token("d")))
	failure("no address", join("%", token("e")))
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = pki.Join(cancelled, w.addr, token("f"), w.folder("x"), w.now())
	failure("cancelled", err)
	_, err = w.a.NewToken("a", w.now(), pki.TokenTTL)
	failure("token for a worker that is in", err)
	cert, _ := w.enrol("h")
	_, err = w.a.Enrol(token("i"), nil, w.now())
	failure("bad request", err)
	_, err = w.a.Renew(cert, nil, w.now())
	failure("bad renewal", err)
	for _, text := range tokens {
		_, err := pki.ParseToken(text[:len(text)-1])
		failure("cut off token", err)
		_, err = pki.ParseToken("x" + text)
		failure("mistyped token", err)
		post(t, w, `{"token":"`+text+`x","csr":""}`)
		post(t, w, `{"token":"`+text+`","csr":"!"}`)
		post(t, w, `{"token":"`+text)
		post(t, w, text)
	}

	// Renewals, and identities that cannot be read.
	secrets := []*ecdsa.PrivateKey{w.a.Key().(*ecdsa.PrivateKey), worker.Key().(*ecdsa.PrivateKey)}
	failure("renewal that fails", worker.Renew(t.Context(), w.now(), func(context.Context, []byte) ([]byte, error) { return nil, errors.New("no") }))
	path := w.folder("a") + "/identity.json"
	good := read(t, path)
	for n := 0; n < len(good); n += 50 {
		write(t, path, good[:n])
		_, err := pki.LoadIdentity(w.folder("a"))
		failure("damaged identity", err)
		write(t, path, []byte(strings.Replace(string(good), string(good[n:n+1]), "", 1)))
		_, err = pki.LoadIdentity(w.folder("a"))
		say("damaged identity", err)
	}
	write(t, path, good)
	if err := worker.Renew(t.Context(), w.now(), nil); err != nil {
		t.Fatal(err)
	}
	secrets = append(secrets, worker.Key().(*ecdsa.PrivateKey))

	// Values that somebody may print or log.
	own, _ := w.a.Own(w.now())
	secrets = append(secrets, own.(*ecdsa.PrivateKey))
	say("values", w.a, worker, first, w.a.Workers(), struct{ a, b any }{w.a, worker}, worker.ClientConfig(pki.ProtoBus, w.now).NextProtos)
	w.a.Close()
	ca := read(t, w.dir+"/ca.pem")
	for n := 0; n < len(ca)-1; n += 20 {
		write(t, w.dir+"/ca.pem", ca[:n])
		_, err := pki.Open(w.dir, w.now())
		failure("damaged CA", err)
	}

	said := out.String() + w.logs.String()
	for _, text := range tokens {
		code := text[strings.LastIndex(text, ".")+1:]
		for _, piece := range append(forms(code), code[60:72], code[76:]) { // the first part is the CA's, in public
			if at := strings.Index(said, piece); at >= 0 {
				t.Errorf("a token shows up: …%s…", said[max(0, at-200):at+len(piece)])
			}
		}
		if list := string(read(t, w.dir+"/workers.json")); strings.Contains(list, code) {
			t.Error("a token is in the list's file")
		}
	}
	for n, key := range secrets {
		for form, piece := range keyForms(t, key) {
			if at := strings.Index(said, piece); at >= 0 {
				t.Errorf("key %d shows up as %s: …%s…", n, form, said[max(0, at-200):at+len(piece)])
			}
		}
	}
	for _, want := range []string{"certificate made", "certificate refused", "token-used", "worker=a"} {
		if !strings.Contains(w.logs.String(), want) {
			t.Errorf("the log does not say %q: has it been looked at?", want)
		}
	}
}

func keyForms(t *testing.T, key *ecdsa.PrivateKey) map[string]string {
	t.Helper()
	raw, err := key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	at := strings.Index(string(der), string(raw))
	if at < 0 {
		t.Fatal("the key is not in its PKCS #8")
	}
	return map[string]string{
		"number": fmt.Sprintf("%d", raw[8:20])[1:20],
		"hex":    fmt.Sprintf("%x", raw[8:20]),
		"HEX":    fmt.Sprintf("%X", raw[8:20]),
		"base64": base64.StdEncoding.EncodeToString(der[(at+2)/3*3 : at+30])[:32],
		"bytes":  string(raw[8:20]),
		"big":    fmt.Sprint(bigOf(key)),
	}
}

func bigOf(key crypto.Signer) string {
	// As fmt shows the key when it is asked to print one: the number of its field D.
	text := fmt.Sprintf("%+v", *key.(*ecdsa.PrivateKey))
	return text[strings.LastIndex(text, "D:")+2 : len(text)-1]
}

func post(t *testing.T, w *world, body string) {
	t.Helper()
	conn, err := (&tls.Dialer{Config: peer(pki.ProtoJoin)}).DialContext(t.Context(), "tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r, err := http.NewRequest(http.MethodPost, "https://"+w.addr+"/v1/join", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Close = true
	if err := r.Write(conn); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 4096)
	n, _ := conn.Read(answer)
	if !strings.Contains(string(answer[:n]), " 400 ") && !strings.Contains(string(answer[:n]), " 403 ") {
		t.Errorf("answer %q, want a refusal", answer[:n])
	}
	w.logs.Write(answer[:n])
}
