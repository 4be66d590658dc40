package main

import (
	"cmp"
	"context"
	"errors"
	"net"
	"os"
	"time"

	"olive-distributed/daemon/door"
	"olive-distributed/daemon/farm"
)

var _ door.Members = (*daemon)(nil)

// Invite implements [door.Members].
func (d *daemon) Invite(name string, lifetime time.Duration) (token, address string, err error) {
	d.settings.Lock()
	lifetime = cmp.Or(lifetime, d.cfg.Join.TokenLifetime)
	d.settings.Unlock()
	secret, err := d.authority.NewToken(name, time.Now(), lifetime)
	if err != nil {
		return "", "", err
	}
	return secret.Reveal(), d.address(), nil
}

// address is where other machines find this one.
func (d *daemon) address() string {
	host, port, err := net.SplitHostPort(d.cfg.Listen)
	if err != nil {
		return d.cfg.Listen
	}
	if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
		if host, err = os.Hostname(); err != nil {
			host = "localhost"
		}
	}
	return net.JoinHostPort(host, port)
}

// Revoke implements [door.Members]: first the certificate, so that nobody comes back, then
// what it sees of this machine's files, the connections, then what the farm knows.
func (d *daemon) Revoke(ctx context.Context, name string) error {
	if err := d.authority.Revoke(name, time.Now()); err != nil {
		return err
	}
	if d.shares != nil {
		d.shares.Dismiss(name)
		d.nfs.Disconnect(name)
	}
	d.bus.Disconnect(name)
	if err := d.master.Dismiss(ctx, name); err != nil && !errors.Is(err, farm.ErrNoWorker) {
		return err
	}
	return nil
}

// Enrolled implements [door.Members].
func (d *daemon) Enrolled() []door.Enrolled {
	var list []door.Enrolled
	for _, w := range d.authority.Workers() {
		e := door.Enrolled{Name: w.Name}
		for _, c := range w.Certificates {
			if c.Expires.After(e.Expires) {
				e.Expires, e.Revoked = c.Expires, !c.Revoked.IsZero()
			}
		}
		if len(w.Certificates) > 0 {
			list = append(list, e)
		}
	}
	return list
}
