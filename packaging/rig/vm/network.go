package vm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
)

// A Network is a wire between machines: each frame goes to all others. Only their QEMUs know it.
type Network struct {
	folder  string
	l       net.Listener
	readers sync.WaitGroup

	mu    sync.Mutex
	ports map[net.Conn]bool
	cut   bool
}

const maxFrame = 1 << 17 // bytes; segments of TCP are offloaded

// NewNetwork makes a network for machines that are started with it. Close it when they have stopped.
func NewNetwork() (*Network, error) {
	folder, err := os.MkdirTemp("", "olive-wire-")
	if err != nil {
		return nil, fmt.Errorf("make network: %w", err)
	}
	l, err := net.Listen("unix", filepath.Join(folder, "wire"))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make network: %w", err), os.RemoveAll(folder))
	}
	n := &Network{folder: folder, l: l, ports: map[net.Conn]bool{}}
	n.readers.Go(n.accept)
	return n, nil
}

// netdev is QEMU's end of the wire, or, without a network, of none.
func (n *Network) netdev() string {
	if n == nil {
		return "hubport,id=net0,hubid=0"
	}
	return "stream,id=net0,server=off,addr.type=unix,addr.path=" + n.l.Addr().String()
}

func (n *Network) accept() {
	for {
		conn, err := n.l.Accept()
		if err != nil {
			return // closed
		}
		n.mu.Lock()
		n.ports[conn] = true
		n.mu.Unlock()
		n.readers.Go(func() { n.read(conn) })
	}
}

// read passes on what one machine sends: a length of four bytes, the highest first, and a frame.
func (n *Network) read(from net.Conn) {
	defer func() {
		n.mu.Lock()
		delete(n.ports, from)
		n.mu.Unlock()
		from.Close()
	}()
	frame := make([]byte, 4+maxFrame)
	for {
		if _, err := io.ReadFull(from, frame[:4]); err != nil {
			return
		}
		size := binary.BigEndian.Uint32(frame)
		if size > maxFrame {
			return
		}
		if _, err := io.ReadFull(from, frame[4:4+size]); err != nil {
			return
		}
		n.send(from, frame[:4+size])
	}
}

func (n *Network) send(from net.Conn, frame []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cut {
		return
	}
	for to := range n.ports {
		if to != from {
			_, _ = to.Write(frame) // to a machine that has just stopped
		}
	}
}

// Cut takes the wire away, or puts it back.
func (n *Network) Cut(cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut = cut
}

// Close ends the network.
func (n *Network) Close() error {
	err := n.l.Close()
	n.mu.Lock()
	for conn := range n.ports {
		conn.Close()
	}
	n.mu.Unlock()
	n.readers.Wait()
	return errors.Join(err, os.RemoveAll(n.folder))
}
