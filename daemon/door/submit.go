package door

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"olive-distributed/daemon/master"
	"olive-distributed/daemon/media/film"
	"olive-distributed/daemon/ove"
	"olive-distributed/daemon/render"
	"olive-distributed/daemon/spool"
	"olive-distributed/dbus"
	"olive-distributed/dbus/access"
)

// Submit implements [dbus.Master].
func (d *Door) Submit(ctx context.Context, s *dbus.Submission) (uint32, error) {
	data, err := io.ReadAll(io.NewSectionReader(s.File, 0, render.MaxProject+1))
	switch {
	case err != nil:
		return 0, dbus.ErrBadProject.With(fmt.Errorf("read %s: %w", s.Project, err))
	case len(data) > render.MaxProject:
		return 0, dbus.ErrBadProject.With(fmt.Errorf("%s: more than the %d MiB that a project can have", s.Project, render.MaxProject>>20))
	}
	colour, err := film.ParseColour(cmp.Or(s.Colour, film.ColourTagged.String()))
	if err != nil {
		return 0, dbus.ErrBadProject.With(err)
	}
	r := master.Request{
		Project: s.Project, Data: data, Allow: s.Caller.Judge, Sequence: s.Sequence, Engine: s.Engine,
		Preset: cmp.Or(s.Preset, film.Presets()[0].Name), Colour: colour, VideoArgs: s.VideoArgs, AudioArgs: s.AudioArgs,
		Split: int(s.Split), Priority: int(s.Priority), Owner: s.Caller.UID,
		IgnoreUnsupported: s.IgnoreUnsupported, IgnoreMissing: s.IgnoreMissing, Resume: s.Resume,
	}
	if s.First != 0 || s.End != 0 {
		r.Frames = &render.Span{First: s.First, End: s.End}
	}
	free, err := d.name(&r, s)
	if err != nil {
		return 0, err
	}
	id, err := d.master.Submit(ctx, r)
	if err != nil {
		free()
		return 0, toBus(err)
	}
	return id, nil
}

// name finds the place of the film, which stays promised until free is called or the job ends.
func (d *Door) name(r *master.Request, s *dbus.Submission) (free func(), err error) {
	preset, err := film.PresetByName(r.Preset)
	if err != nil {
		return nil, dbus.ErrBadProject.With(err)
	}
	ext, stem := preset.Containers[0], strings.TrimSuffix(filepath.Base(s.Project), ".ove")
	switch folder, isFolder := strings.CutSuffix(s.Output, "/"); {
	case isFolder:
		r.Output = d.promise(folder, stem, ext)
	case s.Output != "":
		r.Output = s.Output
		return func() {}, nil
	case d.spool == nil:
		return nil, dbus.ErrBadProject.With(errors.New("this master serves no hot folder: say where the film is to be"))
	default:
		if r.Output, err = d.spool.Promise(s.Project, ext); err != nil {
			return nil, err
		}
	}
	free = func() {
		d.mu.Lock()
		delete(d.taken, r.Output)
		d.mu.Unlock()
		if d.spool != nil {
			d.spool.Free(r.Output)
		}
	}
	if err := s.Caller.Creatable(r.Output); err != nil {
		free()
		return nil, err
	}
	return free, nil
}

// promise finds the first of stem, stem-2, … that neither is there nor promised.
func (d *Door) promise(folder, stem, ext string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	for n := 1; ; n++ {
		path := filepath.Join(folder, stem+ext)
		if n > 1 {
			path = filepath.Join(folder, fmt.Sprintf("%s-%d%s", stem, n, ext))
		}
		if _, err := os.Lstat(path); d.taken[path] || err == nil {
			continue
		}
		d.taken[path] = true
		return path
	}
}

// toBus gives an error its name on the bus.
func toBus(err error) error {
	var refused *master.RefusedError
	var denied *access.Error
	var missing *master.MissingError
	switch {
	case errors.Is(err, master.ErrDegraded):
		return dbus.ErrUnavailable.With(err)
	case !errors.As(err, &refused):
		return err
	case errors.As(err, &denied):
		return dbus.ErrAccessDenied.With(err)
	case errors.As(err, &missing):
		return dbus.ErrMissingMedia.With(err)
	}
	return dbus.ErrBadProject.With(err)
}

// Check is a [spool.Check].
func Check(_ context.Context, r io.Reader, _ string) error {
	_, err := ove.Parse(r)
	return err
}

// Intake is the door of the hot folder.
type Intake struct{ *Door }

// Submit implements [spool.Intake].
func (i Intake) Submit(ctx context.Context, drop spool.Drop) (spool.Receipt, error) {
	id, ended, err := i.master.Find(ctx, drop.Key)
	switch {
	case err != nil:
		return spool.Receipt{}, err
	case ended != nil:
		o := outcome(ended)
		return spool.Receipt{Job: id, Ended: &o}, nil
	case id != 0:
		return spool.Receipt{Job: id}, nil
	case drop.Job != 0:
		return spool.Receipt{}, spool.ErrForgotten
	}
	owner := ownerOf(drop)
	id, err = i.master.Submit(ctx, master.Request{
		Project: drop.Project, Output: drop.Output, Owner: drop.UID, Key: drop.Key, Allow: owner.Judge,
	})
	var refused *master.RefusedError
	if errors.As(err, &refused) {
		reason, advice := master.Advise(refused.Err.Error())
		return spool.Receipt{}, &spool.RefusalError{Err: fmt.Errorf("%s: %s", drop.Name, reason), Advice: advice}
	}
	return spool.Receipt{Job: id}, err
}

// ownerOf is the owner of a drop with his groups; of one whom this machine does not know, only the
// drop's.
func ownerOf(drop spool.Drop) access.Caller {
	c := access.Caller{UID: drop.UID, Groups: []uint32{drop.GID}}
	u, err := user.LookupId(strconv.FormatUint(uint64(drop.UID), 10))
	if err != nil {
		return c
	}
	ids, err := u.GroupIds()
	if err != nil {
		return c
	}
	c.Groups = nil
	for _, id := range ids {
		if n, err := strconv.ParseUint(id, 10, 32); err == nil {
			c.Groups = append(c.Groups, uint32(n))
		}
	}
	return c
}
