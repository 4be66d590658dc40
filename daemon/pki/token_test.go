package pki_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"unicode"

	"olive-distributed/daemon/pki"
)

func TestTokenIsOneWord(t *testing.T) {
	text := newWorld(t).token("render-07").Reveal()
	if !strings.HasPrefix(text, "olive1.render-07.") || strings.ContainsFunc(text, unicode.IsSpace) {
		t.Errorf("token %q, want olive1.render-07.BODY", text)
	}
	parsed, err := pki.ParseToken(text)
	if err != nil || parsed.Reveal() != text || parsed.Worker() != "render-07" {
		t.Errorf("ParseToken = %v (of %q), %v; want the same token", parsed, parsed.Worker(), err)
	}
}

func TestEachTokenIsAnother(t *testing.T) {
	w := newWorld(t)
	if a, b := w.token("a").Reveal(), w.token("a").Reveal(); a == b {
		t.Errorf("two tokens are the same: %s", a)
	}
}

func TestMistypedTokenIsTold(t *testing.T) {
	text := newWorld(t).token("render-07").Reveal()
	body := strings.LastIndex(text, ".") + 1
	bad := map[string]string{
		"empty":                 "",
		"only dots":             "...",
		"without its version":   text[len("olive1."):],
		"of another version":    "olive2" + text[len("olive1"):],
		"in capitals":           strings.ToUpper(text),
		"with a line end":       text + "\n",
		"with a line end in it": text[:body+40] + "\n" + text[body+41:],
		"with a blank in front": " " + text,
		"of another worker":     strings.Replace(text, "render-07", "render-08", 1),
		"of a path":             strings.Replace(text, "render-07", "..", 1),
		"twice":                 text + text,
		"padded":                text + "====",
	}
	for n := range len(text) {
		bad[fmt.Sprintf("cut off after %d", n)] = text[:n]
		if n < body {
			continue
		}
		swapped := []byte(text)
		if swapped[n]++; swapped[n] > 'z' || swapped[n] == '8' {
			swapped[n] = 'b'
		}
		bad[fmt.Sprintf("mistyped at %d", n)] = string(swapped)
	}
	for name, text := range bad {
		if got, err := pki.ParseToken(text); !errors.Is(err, pki.ErrBadToken) || got.Reveal() != "" {
			t.Errorf("%s: ParseToken = %v, %v; want ErrBadToken", name, got, err)
		} else if len(text) > body+10 && strings.Contains(err.Error(), text[body:]) {
			t.Errorf("%s: the error repeats the token: %v", name, err)
		}
	}
}

func TestTokenDoesNotPrintItself(t *testing.T) {
	token := newWorld(t).token("a")
	body := token.Reveal()[len("olive1.a."):]
	type options struct {
		token pki.Token // unexported: fmt cannot ask its methods
		Token pki.Token
	}
	o := options{token, token}
	var logged bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&logged, nil), slog.NewJSONHandler(&logged, nil)} {
		slog.New(h).Info("x", "token", token, "pointer", &token, "options", o, "err", fmt.Errorf("with %v", token))
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%08b", "%t"} {
		for _, v := range []any{token, &token, o, &o, []pki.Token{token}, map[string]pki.Token{"a": token}} {
			fmt.Fprintf(&logged, verb+"\n", v)
		}
	}
	j, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	logged.Write(j)
	for _, secret := range forms(body) {
		if strings.Contains(logged.String(), secret) {
			t.Errorf("output contains the token, as %q", secret)
		}
	}
	if !strings.Contains(logged.String(), "olive1.a.[secret]") {
		t.Error("output does not name the token at all")
	}
}

// forms are ways in which a piece of a secret text could show up.
func forms(secret string) []string {
	piece := secret[len(secret)/2 : len(secret)/2+12]
	return []string{piece, fmt.Sprintf("%x", piece), fmt.Sprintf("%X", piece), strings.Trim(fmt.Sprint([]byte(piece)), "[]")}
}

func FuzzParseToken(f *testing.F) {
	a, err := pki.Open(f.TempDir()+"/pki", start)
	if err != nil {
		f.Fatal(err)
	}
	defer a.Close()
	for _, name := range []string{"a", "render-07"} {
		token, err := a.NewToken(name, start, pki.TokenTTL)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(token.Reveal())
		f.Add(token.Reveal()[1:])
	}
	f.Add("olive1..")
	f.Fuzz(func(t *testing.T, text string) {
		token, err := pki.ParseToken(text)
		if err == nil && (token.Reveal() != text || !pki.ValidName(token.Worker())) {
			t.Errorf("ParseToken(%q) = %q of worker %q, want the same text of a valid name", text, token.Reveal(), token.Worker())
		}
		if err != nil && (token.Reveal() != "" || !errors.Is(err, pki.ErrBadToken) || len(text) > 60 && strings.Contains(err.Error(), text)) {
			t.Errorf("ParseToken(%q) = %q, %v; want no token and an error that does not repeat it", text, token.Reveal(), err)
		}
	})
}
