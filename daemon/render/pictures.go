package render

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"syscall"
)

// A Run is the pictures of an image sequence, without a gap, as they were at submit.
type Run struct {
	First  int    `json:"first"`  // number of the first picture
	Count  int    `json:"count"`  // pictures
	Digest string `json:"digest"` // of their numbers, sizes and times
}

const (
	firstTries  = 5       // numbers that ffmpeg tries for the first picture: the start number and the next ones
	maxPictures = 200_000 // of an image sequence: two hours at 25 frames/s
)

// Pictures calls do with each picture of an image sequence, in order: the files that a printf pattern names for the
// numbers from the first one on that ffmpeg finds, up to the first that is not there. An error of do ends it and is
// returned; so is that of a picture that cannot be looked at or is no regular file. Where there is no picture at all,
// the error is [fs.ErrNotExist].
func Pictures(pattern string, start int, do func(n int, file string, info os.FileInfo) error) error {
	return pictures(pattern, start, maxPictures, do)
}

func pictures(pattern string, start, most int, do func(n int, file string, info os.FileInfo) error) error {
	begun := 0
	for n := start; begun > 0 || n < start+firstTries; n++ {
		file := fmt.Sprintf(pattern, n)
		info, err := os.Stat(file)
		switch {
		case errors.Is(err, fs.ErrNotExist) && begun > 0:
			return nil
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return err
		case !info.Mode().IsRegular():
			return fmt.Errorf("%s: %s, not a media file", file, kind(info.Mode()))
		case begun == most:
			return fmt.Errorf("the image sequence %s has more than %d pictures: make a film of it first", pattern, most)
		}
		begun++
		if err := do(n, file, info); err != nil {
			return err
		}
	}
	return &os.PathError{Op: "stat", Path: fmt.Sprintf(pattern, start), Err: fs.ErrNotExist}
}

// A sequence is what is found out about an image sequence.
type sequence struct {
	first  string // file
	info   os.FileInfo
	run    Run
	place  *placer
	latest string // the file that was changed last
	newest syscall.Timespec
}

// look describes the pictures that lie there now, with a look at each.
func look(pattern string, start int) (*sequence, error) {
	s := &sequence{place: newPlacer(pattern)}
	digest := sha256.New()
	err := Pictures(pattern, start, func(n int, file string, info os.FileInfo) error {
		if s.info == nil {
			s.first, s.info, s.run.First = file, info, n
		}
		s.run.Count++
		stamp(digest, n, info)
		s.place.addInfo(info)
		st, ok := info.Sys().(*syscall.Stat_t)
		if ok && st.Ctim.Nano() > s.newest.Nano() {
			s.latest, s.newest = file, st.Ctim
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.run.Digest = hex.EncodeToString(digest.Sum(nil)[:16])
	return s, nil
}

// stamp adds a picture to a digest.
func stamp(h hash.Hash, n int, info os.FileInfo) {
	var b [24]byte
	binary.BigEndian.PutUint64(b[:], uint64(n))
	binary.BigEndian.PutUint64(b[8:], uint64(info.Size()))
	binary.BigEndian.PutUint64(b[16:], uint64(info.ModTime().UnixNano()))
	h.Write(b[:])
}

// differs says in what an image sequence is not what it was; nil: it is the same.
func (s *sequence) differs(was *Medium) error {
	switch end := s.run.First + s.run.Count; {
	case s.run.First > was.Run.First:
		return gone(fmt.Sprintf(was.Path, was.Run.First))
	case end < was.Run.First+was.Run.Count:
		return gone(fmt.Sprintf(was.Path, end))
	case s.run.First != was.Run.First || s.run.Count != was.Run.Count:
		return fmt.Errorf("the image sequence %s has got more pictures since the export began: start the export again", was.Path)
	case s.run.Digest != was.Run.Digest:
		return fmt.Errorf("the image sequence %s has changed since the export began (the last picture that did: %s): start the export again", was.Path, s.latest)
	case moved(was.Place, s.place.String()):
		return fmt.Errorf("a picture of the image sequence %s was replaced by another file since the export began (the last that changed: %s): start the export again", was.Path, s.latest)
	}
	return nil
}

// gone is the fault of a file that was there.
func gone(file string) error {
	return fmt.Errorf("medium %s is not there any more: put it back, and retry the job", file)
}
