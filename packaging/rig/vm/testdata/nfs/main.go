// Command nfs serves a folder over NFSv3 without any protection, for tests of the mount helper: nfs FOLDER PORT.
package main

import (
	"fmt"
	"net"
	"os"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/willscott/go-nfs"
	"github.com/willscott/go-nfs/helpers"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: nfs FOLDER PORT")
		os.Exit(2)
	}
	l, err := net.Listen("tcp", "127.0.0.1:"+os.Args[2])
	if err == nil {
		err = nfs.Serve(l, helpers.NewCachingHandler(helpers.NewNullAuthHandler(osfs.New(os.Args[1])), 1024))
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
