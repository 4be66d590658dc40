package pki

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base32"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"time"
)

// TokenTTL is how long a token is good, unless the caller has a reason for another time; see
// [Authority.NewToken].
const TokenTTL = 15 * time.Minute

// A token reads olive1.WORKER.BODY. The body is base32, in lower case, of the SHA-256 of the CA's
// certificate, the secret, and the first bytes of the SHA-256 of everything before: the sum is
// there for mistyped tokens, not against forgers. The sizes add up to whole base32 groups, so that
// there is one way to write a token.
const (
	tokenVersion = "olive1"
	secretSize   = 18
	sumSize      = 5
	bodySize     = sha256.Size + secretSize + sumSize
)

var (
	tokenCoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
	otherToken  = regexp.MustCompile(`^olive[0-9]+\.`)
)

// A Token lets one worker join the farm once. It is a secret: only [Token.Reveal] gives it away,
// everything that prints, logs or marshals it shows the worker's name.
type Token struct {
	worker string
	ca     fingerprint
	text   *string // a pointer, so that printing a struct with a token in it shows an address
}

type fingerprint [sha256.Size]byte

func fingerprintOf(ca *x509.Certificate) fingerprint { return sha256.Sum256(ca.Raw) }

// makeToken makes a token from new random bytes.
func makeToken(worker string, ca fingerprint) Token {
	body := make([]byte, sha256.Size+secretSize, bodySize)
	copy(body, ca[:])
	rand.Read(body[sha256.Size:]) // never fails, it ends the program
	sum := tokenSum(worker, body)
	text := tokenVersion + "." + worker + "." + tokenCoding.EncodeToString(append(body, sum[:]...))
	return Token{worker, ca, &text}
}

func tokenSum(worker string, body []byte) (sum [sumSize]byte) {
	h := sha256.New()
	io.WriteString(h, tokenVersion+"."+worker+".")
	h.Write(body)
	copy(sum[:], h.Sum(nil))
	return sum
}

// ParseToken reads what [Token.Reveal] has written. The error wraps [ErrBadToken], and does not
// repeat the text.
func ParseToken(text string) (Token, error) {
	version, rest, _ := strings.Cut(text, ".")
	worker, code, _ := strings.Cut(rest, ".")
	if version != tokenVersion {
		if otherToken.MatchString(text) {
			return Token{}, fmt.Errorf("%w (it is of another version of Olive; install the master's version here)", ErrBadToken)
		}
		return Token{}, fmt.Errorf("%w (it does not begin with %s.)", ErrBadToken, tokenVersion)
	}
	if !ValidName(worker) || len(code) != tokenCoding.EncodedLen(bodySize) {
		return Token{}, ErrBadToken
	}
	body, err := tokenCoding.DecodeString(code)
	if err != nil || len(body) != bodySize {
		return Token{}, ErrBadToken
	}
	body, sum := body[:bodySize-sumSize], body[bodySize-sumSize:]
	if want := tokenSum(worker, body); string(sum) != string(want[:]) {
		return Token{}, ErrBadToken
	}
	text = strings.Clone(text)
	return Token{worker, fingerprint(body[:sha256.Size]), &text}, nil
}

// Worker is the name of the worker that the token is for, "" for the zero Token.
func (t Token) Worker() string { return t.worker }

// Reveal returns the token as it is given to the worker. It must not go anywhere else.
func (t Token) Reveal() string {
	if t.text == nil {
		return ""
	}
	return *t.text
}

// hash is what the master keeps of the token.
func (t Token) hash() [sha256.Size]byte { return sha256.Sum256([]byte(t.Reveal())) }

// String names the token without giving it away.
func (t Token) String() string { return tokenVersion + "." + t.worker + ".[secret]" }

// Format does for every verb what [Token.String] does.
func (t Token) Format(s fmt.State, _ rune) { io.WriteString(s, t.String()) }

// LogValue is [Token.String].
func (t Token) LogValue() slog.Value { return slog.StringValue(t.String()) }

// MarshalText is [Token.String]: a token in a marshalled struct is not the token.
func (t Token) MarshalText() ([]byte, error) { return []byte(t.String()), nil }
