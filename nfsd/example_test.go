package nfsd_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"

	"olive-distributed/nfsd"
)

// A library shows the same to everybody.
type library []*nfsd.Export

func (l library) Exports() []*nfsd.Export { return l }

// A server of one export: a note made from memory, and a folder that takes 1 MB.
func ExampleServer_Serve() {
	dir, err := os.MkdirTemp("", "nfsd-example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		log.Fatal(err)
	}
	job, err := nfsd.NewExport(1, "job-1",
		[]nfsd.File{{Name: "docs/note.txt", Data: []byte("hello\n")}},
		&nfsd.Folder{Name: "parts", Path: dir, Quota: 1 << 20})
	if err != nil {
		log.Fatal(err)
	}
	server, err := nfsd.New(nfsd.Config{
		Views: func(string) nfsd.View { return library{job} },
		Key:   []byte("32 random bytes, kept in a file."),
	})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()

	// In earnest this is a tls.Listener that asks for client certificates, and identify reads the certificate.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	identify := func(net.Conn) (string, error) { return "worker-1", nil }
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, listener, identify) }()

	// mount -t nfs -o vers=3,proto=tcp,port=P,mountport=P,nolock 127.0.0.1:/job-1 /mnt; here, only a ping.
	fmt.Printf("%x\n", ping(listener.Addr().String()))
	stop()
	fmt.Println("served:", <-served)
	// Output:
	// 80000018000000070000000100000000000000000000000000000000
	// served: <nil>
}

// ping calls the procedure NULL of NFS, which does nothing, and returns the reply.
func ping(addr string) []byte {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "\x80\x00\x00\x28", // the last fragment, of 40 bytes
		"\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00\x02", // number 7, a call, RPC 2
		"\x00\x01\x86\xa3\x00\x00\x00\x03\x00\x00\x00\x00", // NFS, version 3, procedure 0
		string(make([]byte, 16)))                           // no credentials
	reply := make([]byte, 28)
	if _, err := c.Read(reply); err != nil {
		log.Fatal(err)
	}
	return reply
}
