package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"olive-distributed/daemon/config"
	"olive-distributed/daemon/pki"
	"olive-distributed/daemon/systemd"
	"olive-distributed/daemon/worker/forward"
	"olive-distributed/daemon/worker/transport"
	"olive-distributed/dbus"
	"olive-distributed/nfsd"
)

// files are how this worker gets at the files of its tasks.
type files struct {
	*transport.Transport
	mounts  *mounter
	running sync.WaitGroup
	stop    context.CancelFunc
}

// openFiles makes the way to the master's files, as the configuration wants it. A forwarder that fails ends the
// process by cancel.
func openFiles(ctx context.Context, cfg config.Worker, identity *pki.Identity, log *slog.Logger, cancel context.CancelCauseFunc) (*files, error) {
	f := &files{}
	ctx, f.stop = context.WithCancel(context.WithoutCancel(ctx)) // it outlives the worker, whose mounts are taken away through it
	set := transport.Config{Way: transport.Way(cfg.Media.Transport), Log: log}
	for _, r := range cfg.Media.Map {
		set.Rules = append(set.Rules, transport.Rule(r))
	}
	port, err := kernelPort(cfg, log)
	if err != nil {
		return nil, err
	}
	if port != nil {
		to, err := forward.New(forward.Config{Dial: forward.Dialer{Addr: address(cfg, identity), TLS: identity.ClientConfig(nfsd.Protocol, time.Now)}.Dial, Log: log})
		if err != nil {
			return nil, errors.Join(err, port.Close())
		}
		f.running.Go(func() {
			if err := to.Serve(ctx, port); err != nil {
				cancel(err)
			}
		})
		if cfg.Bus != config.NoBus {
			f.mounts = &mounter{address: cfg.Bus}
			set.Mounter = f.mounts
		}
	}
	f.Transport = transport.New(set)
	return f, nil
}

// kernelPort is where the kernel's NFS client connects: systemd's socket, or else one of our own; nil when nothing is to be
// mounted, or nobody else can be.
func kernelPort(cfg config.Worker, log *slog.Logger) (net.Listener, error) {
	port, err := systemd.Listener("nfs")
	if err != nil {
		return nil, fmt.Errorf("listen for the kernel's NFS: %w", err)
	}
	switch {
	case cfg.Media.Transport == config.Local:
		if port != nil {
			return nil, port.Close()
		}
		return nil, nil
	case port != nil:
		return port, nil
	}
	if port, err = net.Listen("tcp", cfg.Media.Forward); err != nil { // as where a second worker has the port
		log.Warn("media cannot be mounted: is olive-worker-nfs.socket there?", "error", err)
		return nil, nil
	}
	return port, nil
}

// close unmounts, while the forwarder still serves, and ends it.
func (f *files) close() {
	f.Transport.Close()
	f.stop()
	f.running.Wait()
	if f.mounts != nil {
		f.mounts.close()
	}
}

// A mounter is the mount helper, which is looked for when it is needed.
type mounter struct {
	address string // of its bus

	mu   sync.Mutex
	conn *dbus.Mounts
}

func (m *mounter) connect(ctx context.Context) (*dbus.Mounts, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.conn != nil {
		return m.conn, nil
	}
	address := m.address
	if address == config.SystemBus {
		address = ""
	}
	var err error
	m.conn, err = dbus.ConnectMounter(ctx, address)
	return m.conn, err
}

// Mount implements [transport.Mounter].
func (m *mounter) Mount(ctx context.Context, job string) (string, error) {
	c, err := m.connect(ctx)
	if err != nil {
		return "", err
	}
	path, err := c.Mount(ctx, job)
	if errors.Is(err, dbus.ErrNoServer) {
		err = fmt.Errorf("%w: %w", transport.ErrAway, err)
	}
	return path, err
}

// Unmount implements [transport.Mounter].
func (m *mounter) Unmount(ctx context.Context, job string) error {
	c, err := m.connect(ctx)
	if err != nil {
		return err
	}
	return c.Unmount(ctx, job)
}

func (m *mounter) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.conn != nil {
		m.conn.Close()
	}
}
