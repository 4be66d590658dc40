// Command gonfs is bare go-nfs on a folder, as it comes: a peer that the benchmark of nfsd compares with. It is a module of its own,
// so that the product does not depend on it. It prints its address and serves until its standard input ends.
//
//	gonfs DIR [CERTIFICATE KEY AUTHORITY]
package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"os"

	"github.com/go-git/go-billy/v5/osfs"
	nfs "github.com/willscott/go-nfs"
	"github.com/willscott/go-nfs/helpers"
)

func main() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(l.Addr())
	if len(os.Args) == 5 {
		conf, err := mutual(os.Args[2], os.Args[3], os.Args[4])
		if err != nil {
			log.Fatal(err)
		}
		l = tls.NewListener(l, conf)
	}
	nfs.Log.SetLevel(nfs.PanicLevel)
	handler := helpers.NewCachingHandler(helpers.NewNullAuthHandler(osfs.New(os.Args[1])), 1024)
	go func() { log.Fatal(nfs.Serve(l, handler)) }()
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		log.Fatal(err)
	}
}

func mutual(cert, key, authority string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(authority)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: no certificate", authority)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13}, nil
}
