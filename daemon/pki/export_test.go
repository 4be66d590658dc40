package pki

import (
	"crypto"
	"crypto/x509"
	"encoding/json"
	"strings"
	"time"
)

// What tests reach that callers do not.

var (
	OpenOn       = open
	ParsePapers  = func(data []byte) error { _, err := parsePapers(data); return err }
	CheckRequest = checkRequest
)

// Roundtrip reads a list of workers and writes it again.
func Roundtrip(data []byte) ([]byte, error) {
	r, err := parseRoster(data)
	if err != nil {
		return nil, err
	}
	return json.Marshal(r)
}

// Key is the CA's key, with which tests forge what the CA would not sign.
func (a *Authority) Key() crypto.Signer { return a.key }

// Own is the master's certificate at the time.
func (a *Authority) Own(now time.Time) (crypto.Signer, [][]byte) {
	c, err := a.certificate(now)
	if err != nil {
		panic(err)
	}
	return c.PrivateKey.(crypto.Signer), c.Certificate
}

// Key is the worker's key.
func (i *Identity) Key() crypto.Signer { return i.papers.Load().key }

// MakeToken makes a token that no master has made.
func MakeToken(worker string, ca *x509.Certificate) Token {
	return makeToken(worker, fingerprintOf(ca))
}

// For is the token's secret in a token for another worker, with the right sum.
func (t Token) For(worker string) Token {
	code := strings.Split(t.Reveal(), ".")[2]
	body, err := tokenCoding.DecodeString(code)
	if err != nil {
		panic(err)
	}
	body = body[:bodySize-sumSize]
	sum := tokenSum(worker, body)
	forged, err := ParseToken(tokenVersion + "." + worker + "." + tokenCoding.EncodeToString(append(body, sum[:]...)))
	if err != nil {
		panic(err)
	}
	return forged
}
