package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"

	"olive-distributed/daemon/bus"
	"olive-distributed/daemon/config"
	"olive-distributed/daemon/share"
	"olive-distributed/nfsd"
	"olive-distributed/nfsd/wire"
)

// openShares opens the files of jobs to workers on other machines, unless the configuration says that all are here.
func (d *daemon) openShares() error {
	if d.cfg.Media.Transport == config.Local {
		return nil
	}
	key, err := handleKey(filepath.Join(d.cfg.State, "nfs.key"))
	if err != nil {
		return err
	}
	shares := share.New(share.Config{Quota: d.cfg.Media.Quota, Log: d.log})
	server, err := nfsd.New(nfsd.Config{Views: func(worker string) nfsd.View { return shares.View(worker) }, Key: key, Log: d.log})
	if err != nil {
		return fmt.Errorf("serve files to workers elsewhere: %w", err)
	}
	d.shares, d.nfs = shares, server
	return nil
}

// withFiles adds the files of jobs to what the port offers.
func (d *daemon) withFiles(c bus.Config) bus.Config {
	if d.nfs != nil {
		c.Services[nfsd.Protocol] = bus.Service{Serve: d.serveFiles}
	}
	return c
}

const keySize = 32 // bytes

// handleKey reads the key of NFS handles, or makes it. With another one everything that workers have mounted would
// be stale, so one that is damaged is not replaced.
func handleKey(path string) ([]byte, error) {
	key, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		key = make([]byte, keySize)
		if _, err := rand.Read(key); err != nil {
			return nil, fmt.Errorf("make the key of file handles: %w", err)
		}
		if err := renameio.WriteFile(path, key, 0o600); err != nil {
			return nil, fmt.Errorf("keep the key of file handles: %w", err)
		}
	case err != nil:
		return nil, fmt.Errorf("read the key of file handles: %w", err)
	case len(key) != keySize:
		return nil, fmt.Errorf("the key of file handles %s has %d bytes, not %d: remove it, and what workers have mounted is mounted anew", path, len(key), keySize)
	}
	return key, nil
}

// A worker that does not acknowledge what it was sent, or a sign of life, for so long is gone. Its connections
// must not take the places of those that it makes when it is back.
const workerSilence = 25 * time.Second

// serveFiles serves one NFS connection of a worker.
func (d *daemon) serveFiles(ctx context.Context, c *bus.Conn) {
	below := c.NetConn()
	if w, ok := below.(*wire.Conn); ok {
		below = w.Conn
	}
	if tcp, ok := below.(*net.TCPConn); ok {
		_ = tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3})
		if raw, err := tcp.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) {
				_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(workerSilence/time.Millisecond))
			})
		}
	}
	if err := d.nfs.ServeConn(ctx, c.Conn, c.Identity); err != nil {
		d.log.Warn("refused the files of jobs", "worker", c.Identity, "error", err)
	}
}
