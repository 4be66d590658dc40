package forward_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"testing"
	"time"

	"olive-distributed/nfsd"
)

// papers are a certificate that master and worker have both.
type papers struct {
	cert tls.Certificate
	pool *x509.CertPool
}

func newPapers(t testing.TB) *papers {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "w1"}, DNSNames: []string{"master"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	p := &papers{cert: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool: x509.NewCertPool()}
	p.pool.AddCert(leaf)
	return p
}

func (p *papers) client() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{p.cert}, RootCAs: p.pool, ServerName: "master", MinVersion: tls.VersionTLS13, NextProtos: []string{nfsd.Protocol}}
}

func (p *papers) listen(l net.Listener) net.Listener {
	return tls.NewListener(l, &tls.Config{
		Certificates: []tls.Certificate{p.cert}, ClientCAs: p.pool, ClientAuth: tls.RequireAndVerifyClientCert,
		MinVersion: tls.VersionTLS13, NextProtos: []string{nfsd.Protocol}, SessionTicketsDisabled: true,
	})
}

func (p *papers) identify(c net.Conn) (string, error) {
	if t, ok := c.(*tls.Conn); ok && len(t.ConnectionState().PeerCertificates) == 1 {
		return t.ConnectionState().PeerCertificates[0].Subject.CommonName, nil
	}
	return "", errors.New("nobody")
}
