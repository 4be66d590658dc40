package spool

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"
)

// listen sends hints until the context ends. Whatever goes wrong with events only makes the loop blind.
func (s *Spool) listen(ctx context.Context, group *sync.WaitGroup) <-chan hint {
	hints := make(chan hint, 1024)
	ready := make(chan struct{})
	group.Go(func() {
		first := sync.OnceFunc(func() { close(ready) })
		what := "watch " + s.path(incoming) + " (it is looked at every 2 s instead; raise fs.inotify.max_user_watches or max_user_instances)"
		for ctx.Err() == nil {
			err := s.relay(ctx, hints, func() {
				s.complain(what, nil)
				first()
			})
			if ctx.Err() != nil {
				return
			}
			s.complain(what, err)
			first()
			send(ctx, hints, hint{lost: true, blind: true})
			select {
			case <-time.After(30 * time.Second):
			case <-ctx.Done():
			}
		}
	})
	select { // the first look comes after the first watch, so that nothing falls between
	case <-ready:
	case <-ctx.Done():
	}
	return hints
}

func send(ctx context.Context, hints chan<- hint, h hint) bool {
	select {
	case hints <- h:
		return true
	case <-ctx.Done():
		return false
	}
}

// relay passes on the events of one watcher. The root is watched as well, for an incoming that is
// removed and made again. It returns when the watcher has broken, or nil at the end of the context.
func (s *Spool) relay(ctx context.Context, hints chan<- hint, watching func()) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return err
	}
	defer w.Close()
	if err := w.Add(s.root); err != nil {
		return err
	}
	if err := s.rewatch(w); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	watching()
	send(ctx, hints, hint{lost: true})
	folder := s.path(incoming)
	for {
		select {
		case <-ctx.Done():
			return nil
		case err, ok := <-w.Errors:
			if !ok || !errors.Is(err, fsnotify.ErrEventOverflow) {
				return err
			}
			send(ctx, hints, hint{lost: true})
		case e, ok := <-w.Events:
			switch {
			case !ok:
				return errors.New("the watcher has ended")
			case e.Name == folder && e.Has(fsnotify.Create):
				if err := s.rewatch(w); err != nil && !errors.Is(err, os.ErrNotExist) {
					return err
				}
				send(ctx, hints, hint{lost: true})
			case e.Name == folder:
				send(ctx, hints, hint{lost: true})
			case filepath.Dir(e.Name) == folder && (e.Has(fsnotify.Create) || e.Has(fsnotify.Write) || e.Has(fsnotify.Chmod)):
				send(ctx, hints, hint{name: filepath.Base(e.Name), made: e.Has(fsnotify.Create), wrote: e.Has(fsnotify.Write)})
			}
		}
	}
}

// rewatch watches incoming as it is now.
func (s *Spool) rewatch(w *fsnotify.Watcher) error {
	folder := s.path(incoming)
	_ = w.Remove(folder) // the watch of an older folder of this name; mostly there is none
	err := w.Add(folder)
	if errors.Is(err, unix.ENOTDIR) {
		return os.ErrNotExist
	}
	return err
}
