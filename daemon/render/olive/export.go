package olive

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"olive-distributed/daemon/media"
	"olive-distributed/daemon/media/film"
	"olive-distributed/daemon/ove"
	"olive-distributed/daemon/render"
)

// An export is one range on its way through the editor.
type export struct {
	engine   *Engine
	trial    *Trial
	folder   *folder
	encoding film.Encoding
	span     render.Span
	tick     func(spent time.Duration) // may be nil
}

// filmName is what the editor's films are called.
const filmName = "part"

// maxTries bounds how often a range is asked for: with the end as it was last time, one frame
// further or shorter, and back when that was an accident.
const maxTries = 3

// run has the editor make the film, and makes a part of it.
func (x *export) run(ctx context.Context, out string, finish func(int64)) error {
	want, end := x.span.Len(), x.engine.end(x.span)
	for try := 1; ; try++ {
		t, err := x.film(ctx, end)
		if err != nil {
			return err
		}
		more := t.frames() - want
		if more == 0 {
			x.engine.learnEnd(end - x.span.End)
		}
		if more == 0 || more == 1 {
			err = t.part(ctx, x.encoding, want, out, x.engine.opt.Threads, finish)
		}
		t.close()
		switch {
		case err != nil && !errors.Is(err, film.ErrEntangled):
			return err
		case err == nil && (more == 0 || more == 1):
			return nil
		case more < -1 || more > 1 || try == maxTries:
			return fmt.Errorf("it wrote %d frames where %d were asked for", want+more, want)
		}
		end -= more
	}
}

// film runs the editor once, up to its frame number end, and opens what it wrote.
func (x *export) film(ctx context.Context, end ove.Frame) (*take, error) {
	path := filepath.Join(x.folder.work(), filmName+".mp4")
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	args := []string{
		x.folder.project(), "-e", filmName,
		"--export-start", strconv.FormatInt(x.span.First, 10), "--export-end", strconv.FormatInt(end, 10),
	}
	said, err := x.engine.runEditor(ctx, x.trial.Display, x.folder, args, x.span.Len(), x.tick)
	if err != nil {
		return nil, err
	}
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
		return nil, said.wrap(fmt.Errorf("it ended well, but wrote no %s", filepath.Base(path)))
	}
	f, err := openFilm(ctx, path)
	if err != nil {
		return nil, said.wrap(fmt.Errorf("its film cannot be used: %w", err))
	}
	if f.index.Width != x.encoding.Width || f.index.Height != x.encoding.Height {
		f.close()
		return nil, said.wrap(fmt.Errorf("its film has %dx%d pixels, want %dx%d", f.index.Width, f.index.Height, x.encoding.Width, x.encoding.Height))
	}
	return f, nil
}

// writeProject gives the editor the project with the plan's media and sequence.
func (x *export) writeProject(s *render.Scene) error {
	data, err := readProject(s.Plan)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(x.folder.project(), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(newChanges(s, x.folder.nowhere()).rewrite(f, data), f.Close())
}

// A take is a film that the editor wrote.
type take struct {
	path    string
	library *media.Library
	index   *media.Index
}

func openFilm(ctx context.Context, path string) (*take, error) {
	library := media.NewLibrary("")
	file, err := library.Probe(ctx, path)
	if err != nil {
		return nil, errors.Join(err, library.Close())
	}
	for _, s := range file.Streams {
		if s.Type != "video" {
			continue
		}
		index, err := library.Video(ctx, path, s.Index, 0)
		if err != nil {
			return nil, errors.Join(err, library.Close())
		}
		return &take{path, library, index}, nil
	}
	return nil, errors.Join(errors.New("it has no picture"), library.Close())
}

func (f *take) close() { _ = f.library.Close() } // it has no remuxes: mp4 seeks

func (f *take) frames() int64 { return int64(len(f.index.PTS)) }

// part makes a part of the first frames.
func (f *take) part(ctx context.Context, e film.Encoding, frames int64, out string, threads int, finish func(int64)) error {
	if copies(e) {
		if err := film.Adopt(ctx, f.path, e, frames, out); err != nil {
			return err
		}
		_, err := film.VerifyPart(ctx, out, e, frames)
		return err
	}
	w, err := film.NewWriter(ctx, e, out, threads)
	if err != nil {
		return err
	}
	defer w.Abort()
	err = f.decode(ctx, frames, threads, func(n int64, frame []byte) error {
		finish(n)
		return w.Write(frame)
	})
	if err != nil {
		return err
	}
	return w.Close()
}

// decode hands out the first frames, in a buffer that is used again.
func (f *take) decode(ctx context.Context, frames int64, threads int, use func(n int64, frame []byte) error) error {
	r, err := f.library.Open(ctx, f.index, 0, int(frames), media.ReadOptions{Threads: threads})
	if err != nil {
		return err
	}
	defer r.Close()
	frame := make([]byte, 4*f.index.Width*f.index.Height)
	for n := range frames {
		if err := r.Next(frame); err != nil {
			return err
		}
		if err := use(n, frame); err != nil {
			return err
		}
	}
	return nil
}
