package pki

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"
)

const (
	joinPath  = "/v1/join"
	renewPath = "/v1/renew"

	maxBody = 16 << 10 // of a request or an answer, bytes
)

// What goes over the wire, as JSON. Certificates and requests are DER.
type (
	joinRequest struct {
		Token string `json:"token"`
		CSR   []byte `json:"csr"`
	}
	renewRequest struct {
		CSR []byte `json:"csr"`
	}
	grant struct {
		Certificate []byte `json:"certificate"`
	}
	refusal struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
)

// HTTPConn makes a connection of [ProtoJoin] fit for an [http.Server], which drops a plain
// [tls.Conn] whose ALPN it does not know. The handshake must be done.
func HTTPConn(c *tls.Conn) net.Conn { return struct{ *tls.Conn }{c} }

// Handler serves enrolment and renewal to the connections of [ProtoJoin]: POST /v1/join and, with
// a client certificate, /v1/renew. Bodies are limited, timeouts are up to the server. Who got a
// certificate or was refused is logged.
func (a *Authority) Handler(clock func() time.Time, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	serve := func(path string, answer func(*http.Request) (*x509.Certificate, error)) {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Cache-Control", "no-store")
			cert, err := answer(r)
			if err != nil {
				refuse(w, r, log, err)
				return
			}
			log.Info("certificate made", "worker", cert.Subject.CommonName, "for", path,
				"serial", serialOf(cert), "expires", cert.NotAfter, "peer", r.RemoteAddr)
			json.NewEncoder(w).Encode(grant{cert.Raw}) // a lost answer is the worker's to notice
		})
	}
	serve(joinPath, func(r *http.Request) (*x509.Certificate, error) {
		var ask joinRequest
		if json.NewDecoder(r.Body).Decode(&ask) != nil { // the decoder's error may hold a piece of the token
			return nil, ErrBadRequest
		}
		t, err := ParseToken(ask.Token)
		if err != nil {
			return nil, err
		}
		return a.Enrol(t, ask.CSR, clock())
	})
	serve(renewPath, func(r *http.Request) (*x509.Certificate, error) {
		if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
			return nil, ErrNoCertificate
		}
		var ask renewRequest
		if json.NewDecoder(r.Body).Decode(&ask) != nil {
			return nil, ErrBadRequest
		}
		return a.Renew(r.TLS.PeerCertificates[0], ask.CSR, clock())
	})
	return mux
}

// refuse answers with the error, or, if it is the master's own affair, without it.
func refuse(w http.ResponseWriter, r *http.Request, log *slog.Logger, err error) {
	answer := answers[len(answers)-1]
	for _, known := range answers {
		if errors.Is(err, known.err) {
			answer = known
			break
		}
	}
	level := slog.LevelWarn
	if answer.err == ErrMaster {
		level = slog.LevelError
	}
	log.Log(r.Context(), level, "certificate refused", "for", r.URL.Path, "code", answer.code, "peer", r.RemoteAddr, "err", err)
	var body refusal
	body.Error.Code, body.Error.Message = answer.code, answer.err.Error()
	w.WriteHeader(answer.status)
	json.NewEncoder(w).Encode(body)
}
