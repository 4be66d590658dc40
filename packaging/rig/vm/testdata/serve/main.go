// Command serve serves what tests of the kernel's NFS client want, from a folder, over plain NFS, as exports of some
// names: serve FOLDER ADDRESS BYTES NAME… All have the same medium, of so many bytes.
package main

import (
	"context"
	"crypto/md5"
	"crypto/rand"
	"fmt"
	mrand "math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"olive-distributed/nfsd"
)

const quota = 64 << 20

type view []*nfsd.Export

func (v view) Exports() []*nfsd.Export { return v }

func main() {
	if len(os.Args) < 5 {
		fmt.Fprintln(os.Stderr, "usage: serve FOLDER ADDRESS BYTES NAME…")
		os.Exit(2)
	}
	size, err := strconv.Atoi(os.Args[3])
	if err == nil {
		err = serve(os.Args[1], os.Args[2], size, os.Args[4:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(folder, address string, size int, names []string) error {
	exports, err := layOut(folder, size, names)
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

// layOut makes the files of all exports.
func layOut(folder string, size int, names []string) (view, error) {
	big, parts := filepath.Join(folder, "big"), filepath.Join(folder, "parts")
	data := make([]byte, size)
	_, _ = mrand.NewChaCha8([32]byte{1}).Read(data) // never fails
	if err := os.MkdirAll(parts, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(big, data, 0o644); err != nil {
		return nil, err
	}
	sum := fmt.Appendf(nil, "%x  big\n", md5.Sum(data))
	var v view
	for i, name := range names {
		e, err := nfsd.NewExport(uint32(i+1), name, []nfsd.File{
			{Name: "media/big", Path: big}, {Name: "media/big.md5", Data: sum},
		}, &nfsd.Folder{Name: "parts", Path: parts, Quota: quota})
		if err != nil {
			return nil, err
		}
		v = append(v, e)
	}
	return v, nil
}
