package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"olive-distributed/daemon/pki"
)

// token invites a worker.
func (s *site) token(worker string) string {
	s.t.Helper()
	words := strings.Fields(s.mustCtl("worker", "add", worker))
	token := words[len(words)-1]
	s.tokens = append(s.tokens, token)
	return token
}

// join makes a folder the identity of a worker.
func (s *site) join(worker string) *pki.Identity {
	s.t.Helper()
	if out, code := s.run("olivectl", "join", s.addr, "--token", s.token(worker), "--state", s.path(worker)); code != 0 {
		s.t.Fatalf("join: %s", out)
	}
	return s.identity(worker)
}

func (s *site) identity(worker string) *pki.Identity {
	s.t.Helper()
	i, err := pki.LoadIdentity(s.path(worker))
	if err != nil {
		s.t.Fatal(err)
	}
	return i
}

// secrets are the tokens behind what they share, and the keys of the CA and of all workers, as they
// stand in their files and in hexadecimal.
func (s *site) secrets() (all []string) {
	for _, token := range s.tokens {
		all = append(all, token[len(token)-len(token)/3:])
	}
	files, _ := filepath.Glob(s.path("*", "identity.json"))
	for _, file := range append(files, s.path("state", "pki", "ca.pem")) {
		data, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		var stored struct{ Key string }
		if json.Unmarshal(data, &stored) == nil {
			data = []byte(stored.Key)
		}
		if block, _ := pem.Decode(data); block != nil {
			text := strings.Split(string(data), "-----")[2]
			all = append(all, strings.ReplaceAll(text, "\n", "")[64:], fmt.Sprintf("%x", block.Bytes)[64:])
		}
	}
	return all
}

// ca is the farm's, with its key, from the master's state.
func (s *site) ca() (*x509.Certificate, crypto.Signer) {
	s.t.Helper()
	data, err := os.ReadFile(s.path("state", "pki", "ca.pem"))
	if err != nil {
		s.t.Fatal(err)
	}
	keyBlock, rest := pem.Decode(data)
	certBlock, _ := pem.Decode(rest)
	key, err := x509.ParsePKCS8PrivateKey(keyBlock.Bytes)
	if err != nil {
		s.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(certBlock.Bytes)
	if err != nil {
		s.t.Fatal(err)
	}
	return cert, key.(crypto.Signer)
}

// forge makes a certificate of worker ada, or what change makes of that, with a CA's key.
func forge(t *testing.T, ca *x509.Certificate, caKey crypto.Signer, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		URIs: []*url.URL{uri("ada")}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, BasicConstraintsValid: true,
	}
	change(template)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca, key.Public(), caKey)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// uri is a worker's, whatever its name has in it.
func uri(name string) *url.URL {
	return &url.URL{Scheme: "olive", Host: "worker", Path: "/" + name}
}

// edit changes the list of workers of a master that does not run.
func (s *site) edit(change func(workers map[string]any)) {
	s.t.Helper()
	file := s.path("state", "pki", "workers.json")
	data, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatal(err)
	}
	var list map[string]any
	if err := json.Unmarshal(data, &list); err != nil {
		s.t.Fatal(err)
	}
	change(list["workers"].(map[string]any))
	if data, err = json.Marshal(list); err == nil {
		err = os.WriteFile(file, data, 0o600)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// admit puts certificates into the list of a master that does not run, all as ada's.
func (s *site) admit(certs ...tls.Certificate) {
	s.t.Helper()
	s.edit(func(workers map[string]any) {
		ada := workers["ada"].(map[string]any)
		list, _ := ada["certificates"].([]any)
		for _, c := range certs {
			list = append(list, map[string]any{"serial": c.Leaf.SerialNumber.Text(16), "issued": c.Leaf.NotBefore, "expires": c.Leaf.NotAfter})
		}
		ada["certificates"] = list
	})
}

// save makes a certificate the identity in a worker's folder, in place of the one there.
func (s *site) save(worker string, cert tls.Certificate) {
	s.t.Helper()
	file := s.path(worker, "identity.json")
	data, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatal(err)
	}
	var stored map[string]string
	if err := json.Unmarshal(data, &stored); err != nil {
		s.t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		s.t.Fatal(err)
	}
	stored["key"] = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	stored["certificate"] = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}))
	if data, err = json.Marshal(stored); err == nil {
		err = os.WriteFile(file, data, 0o600)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}
