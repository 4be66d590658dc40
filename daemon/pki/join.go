package pki

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"time"

	"olive-distributed/daemon/pki/internal/private"
)

// exchangeTime bounds one exchange with the master, from dialling to the answer.
const exchangeTime = 30 * time.Second

// Join makes the machine a worker of the farm whose master, at addr (host:port), has made the
// token. The master must prove that its CA is the token's before it is told the token. The key is
// made here and stays here. The identity is durable when Join returns, and replaces an earlier
// one in the folder; when the folder cannot be written, the token is not spent. Errors:
// [ErrWrongMaster], [ErrInUse], and those of [Authority.Enrol].
func Join(ctx context.Context, addr string, t Token, dir string, now time.Time) (*Identity, error) {
	i := &Identity{dir: dir}
	p, err := join(ctx, addr, t, dir, now)
	if err != nil {
		return nil, fmt.Errorf("join the farm at %s: %w", addr, err)
	}
	i.papers.Store(p)
	return i, nil
}

func join(ctx context.Context, addr string, t Token, dir string, now time.Time) (*papers, error) {
	if !ValidName(t.worker) { // the zero token
		return nil, ErrBadToken
	}
	f, err := private.Open(dir, nil)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return obtain(f, t.worker, func(csr []byte) (*papers, error) {
		p := &papers{master: addr}
		config := clientConfig(ProtoJoin, at(now), func(shown []*x509.Certificate) (*x509.Certificate, error) {
			n := slices.IndexFunc(shown, func(c *x509.Certificate) bool { return fingerprintOf(c) == t.ca })
			if n < 0 {
				return nil, ErrWrongMaster
			}
			p.ca = shown[n]
			return p.ca, nil
		})
		der, err := post(ctx, addr, joinPath, config, joinRequest{Token: t.Reveal(), CSR: csr})
		if err != nil {
			return nil, err
		}
		p.cert, err = x509.ParseCertificate(der)
		return p, err
	}, now)
}

// askMaster is how an identity is renewed over HTTP.
func (i *Identity) askMaster(now time.Time) Ask {
	return func(ctx context.Context, csr []byte) ([]byte, error) {
		return post(ctx, i.Master(), renewPath, i.ClientConfig(ProtoJoin, at(now)), renewRequest{CSR: csr})
	}
}

func at(now time.Time) func() time.Time { return func() time.Time { return now } }

// post sends one request over a connection of its own and returns the certificate (DER).
func post(ctx context.Context, addr, path string, config *tls.Config, ask any) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, exchangeTime)
	defer cancel()
	body, err := json.Marshal(ask)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialTLSContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return (&tls.Dialer{Config: config}).DialContext(ctx, network, addr)
		},
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{
		Transport: transport,
		// Whoever answers is the master: it has no reason to send the token elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+addr+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	return readAnswer(answer)
}

func readAnswer(answer *http.Response) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(answer.Body, maxBody))
	if err != nil {
		return nil, fmt.Errorf("read the master's answer: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		return nil, refused(answer.Status, data)
	}
	var g grant
	if err := json.Unmarshal(data, &g); err != nil {
		return nil, fmt.Errorf("read the master's answer: %w", err)
	}
	return g.Certificate, nil
}

// refused returns the error that the master's refusal stands for.
func refused(status string, body []byte) error {
	var r refusal
	if json.Unmarshal(body, &r) == nil {
		for _, known := range answers {
			if known.code == r.Error.Code {
				return fmt.Errorf("the master refused: %w", known.err)
			}
		}
	}
	return fmt.Errorf("the master refused for a reason that this version does not know: %.40q, %.40q, %.200q", status, r.Error.Code, r.Error.Message)
}
