package mounter

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/coreos/go-systemd/v22/unit"
	"golang.org/x/sys/unix"

	"olive-distributed/dbus"
)

// Mount implements [dbus.Mounter].
func (m *Mounter) Mount(ctx context.Context, job string) (path string, err error) {
	if err := checkName(job); err != nil {
		return "", err
	}
	s, err := m.settings()
	if err != nil {
		return "", dbus.ErrBadSettings.With(err)
	}
	if err := trusted(m.folder); err != nil {
		return "", dbus.ErrBadSettings.With(err)
	}
	unlock, err := m.busy.lock(ctx, job)
	if err != nil {
		return "", err
	}
	defer unlock()
	mounted, err := m.clear(ctx, job)
	if err != nil || mounted {
		return m.path(job), err
	}
	if err := m.start(ctx, job, s); err != nil {
		return "", err
	}
	m.log.Info("mounted", "mount", m.path(job))
	return m.path(job), nil
}

// clear says whether the job is mounted for the worker that runs; otherwise it makes place.
func (m *Mounter) clear(ctx context.Context, job string) (mounted bool, err error) {
	u, err := m.systemd.Unit(ctx, unitName(m.path(job)))
	if err != nil {
		return false, failed("look at the mount of "+job, err)
	}
	if u.State == "active" {
		if !ours(u, job) {
			return false, dbus.ErrMountPointTaken.With(fmt.Errorf("%s (%s) is mounted at %s, where job %s belongs: unmount it", u.What, u.Type, u.Where, job))
		}
		worker, err := m.systemd.Started(ctx)
		if err != nil {
			return false, failed("look at the worker", err)
		}
		if u.Since >= worker {
			return true, nil
		}
	}
	return false, m.stop(ctx, job, u)
}

// start mounts, and finds out why it was in vain.
func (m *Mounter) start(ctx context.Context, job string, s Settings) error {
	r := m.request(job, s)
	asked := m.systemd.Start(ctx, r)
	u, err := m.systemd.Unit(ctx, r.Name)
	if err != nil {
		return failed("look at the mount of "+job, errors.Join(asked, err))
	}
	switch {
	case u.State == "active" && ours(u, job): // whatever a signal said, that anybody can send
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	if err := m.stop(ctx, job, u); err != nil {
		return err
	}
	m.log.Warn("a mount has failed", "mount", r.Where, "result", u.Result, "error", asked)
	switch {
	case u.State == "failed" && u.Result == "timeout":
		return dbus.ErrNoServer.With(fmt.Errorf("job %s: the master has not answered within %v on port %d of this machine: "+
			"is olive-worker connected to it (systemctl status olive-worker), and is the port that of olive-worker-nfs.socket?", job, s.Timeout, s.Port))
	case u.State == "failed":
		return dbus.ErrMountRefused.With(fmt.Errorf("job %s: mount.nfs has failed (%s): the master does not show the job to this worker, "+
			"or nothing serves port %d (systemctl status olive-worker-nfs.socket); "+
			"\"journalctl -u %s\" has the reason", job, u.Result, s.Port, quote(r.Name)))
	}
	return failed("mount "+job, cmp.Or(asked, fmt.Errorf("its unit is %s", u.State)))
}

// stop unmounts, whatever state the unit is in, and removes the empty folder.
func (m *Mounter) stop(ctx context.Context, job string, u Unit) error {
	var asked error
	switch u.State {
	case "inactive":
	case "failed":
		asked = m.systemd.Forget(ctx, u.Name)
	default:
		asked = m.systemd.Stop(ctx, u.Name)
	}
	now, err := m.systemd.Unit(ctx, u.Name)
	switch {
	case err != nil:
		return failed("look at "+u.Name, errors.Join(asked, err))
	case now.State != "inactive" && now.State != "failed":
		return failed("unmount "+job, cmp.Or(asked, fmt.Errorf("its unit is %s: see systemctl status %s", now.State, quote(u.Name))))
	}
	if now.State == "failed" && u.State != "failed" {
		if err := m.systemd.Forget(ctx, u.Name); err != nil {
			return failed("forget "+u.Name, err)
		}
	}
	if err := os.Remove(m.path(job)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		m.log.Warn("the mount point stays", "error", err)
	}
	return nil
}

// Unmount implements [dbus.Mounter].
func (m *Mounter) Unmount(ctx context.Context, job string) error {
	if err := checkName(job); err != nil {
		return err
	}
	unlock, err := m.busy.lock(ctx, job)
	if err != nil {
		return err
	}
	defer unlock()
	u, err := m.systemd.Unit(ctx, unitName(m.path(job)))
	if err != nil {
		return failed("look at the mount of "+job, err)
	}
	if u.State == "active" && !ours(u, job) {
		return dbus.ErrMountPointTaken.With(fmt.Errorf("%s (%s) is mounted at %s, which is not job %s: it stays", u.What, u.Type, u.Where, job))
	}
	if err := m.stop(ctx, job, u); err != nil {
		return err
	}
	m.log.Info("unmounted", "mount", m.path(job))
	return nil
}

// jobs are the mounts of jobs, by job.
func (m *Mounter) jobs(ctx context.Context) (map[string]Unit, error) {
	units, err := m.systemd.Units(ctx, unit.UnitNamePathEscape(m.folder)+"-*.mount")
	if err != nil {
		return nil, failed("list mounts", err)
	}
	jobs := map[string]Unit{}
	for _, u := range units {
		job, below := strings.CutPrefix(u.Where, m.folder+"/")
		if below && jobForm.MatchString(job) && ours(u, job) && u.Name == unitName(m.path(job)) {
			jobs[job] = u
		}
	}
	return jobs, nil
}

// Mounts implements [dbus.Mounter].
func (m *Mounter) Mounts(ctx context.Context) ([]dbus.Mount, error) {
	jobs, err := m.jobs(ctx)
	if err != nil {
		return nil, err
	}
	var list []dbus.Mount
	for _, job := range slices.Sorted(maps.Keys(jobs)) {
		if jobs[job].State == "active" {
			list = append(list, dbus.Mount{Job: job, Path: m.path(job)})
		}
	}
	return list, nil
}

// Sweep unmounts what was mounted for a worker that is no more, without waiting for its master, and removes
// the folders that are left of mounts. It comes before any other call. One mount that stays does not keep others;
// the error tells of each.
func (m *Mounter) Sweep(ctx context.Context) error {
	worker, err := m.systemd.Started(ctx)
	if err != nil {
		return fmt.Errorf("look at the worker: %w", err)
	}
	jobs, err := m.jobs(ctx)
	if err != nil {
		return err
	}
	var all []error
	for _, job := range slices.Sorted(maps.Keys(jobs)) {
		u := jobs[job]
		if worker != 0 && u.Since >= worker {
			continue
		}
		if err := m.stop(ctx, job, u); err != nil {
			all = append(all, err)
			continue
		}
		m.log.Info("unmounted, for the worker that used it is no more", "mount", m.path(job))
	}
	return errors.Join(append(all, m.tidy())...)
}

// tidy removes the empty folders of mounts that systemd has taken away by itself. One that is in use
// cannot be removed.
func (m *Mounter) tidy() error {
	entries, err := os.ReadDir(m.folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // which Mount tells
	}
	for _, e := range entries {
		if jobForm.MatchString(e.Name()) {
			_ = unix.Rmdir(m.path(e.Name()))
		}
	}
	return err
}

// failed is an error that has no name of its own.
func failed(what string, err error) error {
	return dbus.ErrFailed.With(fmt.Errorf("%s: %w", what, err))
}

// quote protects a unit's name, which may hold backslashes, from a shell.
func quote(name string) string { return "'" + name + "'" }
