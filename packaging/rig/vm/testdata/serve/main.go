// Command serve serves what the test of the kernel's NFS client wants, from a folder, over plain NFS: serve FOLDER ADDRESS.
package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	mrand "math/rand/v2"
	"net"
	"os"
	"path/filepath"

	"olive-distributed/nfsd"
)

const (
	bigSize = 200_000_000
	quota   = 64 << 20
)

type view []*nfsd.Export

func (v view) Exports() []*nfsd.Export { return v }

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: serve FOLDER ADDRESS")
		os.Exit(2)
	}
	if err := serve(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(folder, address string) error {
	exports, err := layOut(folder)
	if err != nil {
		return err
	}
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	s, err := nfsd.New(nfsd.Config{Views: func(string) nfsd.View { return exports }, Key: key})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	return s.Serve(context.Background(), l, func(net.Conn) (string, error) { return "worker", nil })
}

// layOut makes the files of export /job-1.
func layOut(folder string) (view, error) {
	big, parts := filepath.Join(folder, "big"), filepath.Join(folder, "parts")
	data := make([]byte, bigSize)
	_, _ = mrand.NewChaCha8([32]byte{1}).Read(data) // never fails
	if err := os.MkdirAll(parts, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(big, data, 0o644); err != nil {
		return nil, err
	}
	sum := fmt.Appendf(nil, "%x  big\n", sha256.Sum256(data))
	e, err := nfsd.NewExport(1, "job-1", []nfsd.File{
		{Name: "media/big", Path: big}, {Name: "media/big.sha256", Data: sum},
	}, &nfsd.Folder{Name: "parts", Path: parts, Quota: quota})
	return view{e}, err
}
