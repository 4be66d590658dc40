package font

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	otf "github.com/go-text/typesetting/font"
)

// A Finder finds and loads fonts, each once: fonts that are installed later are not seen. It is
// safe for concurrent use.
type Finder struct {
	turn  chan struct{} // held while the maps are used or filled
	lists map[Query][]candidate
	faces map[file]*Face
}

// file is what a loaded face was made of.
type file struct {
	path            string
	index           int
	variations      string
	slant, embolden bool
}

// NewFinder returns a Finder that has found nothing yet.
func NewFinder() *Finder {
	return &Finder{turn: make(chan struct{}, 1), lists: map[Query][]candidate{}, faces: map[file]*Face{}}
}

// Limits of one process; a map that reaches them is begun anew.
const (
	maxLists = 256
	maxFaces = 128
	maxFile  = 256 << 20
)

// Match returns what fontconfig finds for a query, without loading it.
func (f *Finder) Match(ctx context.Context, q Query) (Match, error) {
	if err := f.lock(ctx); err != nil {
		return Match{}, err
	}
	defer f.unlock()
	list, err := f.list(ctx, q)
	if err != nil {
		return Match{}, err
	}
	return match(q, &list[0]), nil
}

// Open loads what runes are set in.
func (f *Finder) Open(ctx context.Context, q Query, runes Runes) (*Stack, error) {
	if err := f.lock(ctx); err != nil {
		return nil, err
	}
	defer f.unlock()
	list, err := f.list(ctx, q)
	if err != nil {
		return nil, err
	}
	s := &Stack{other: map[rune]*Face{}}
	i := 0
	for ; i < len(list) && s.main == nil; i++ {
		if s.main, err = f.face(q, &list[i]); err != nil {
			return nil, err
		}
		s.Match = match(q, &list[i])
	}
	if s.main == nil {
		return nil, fmt.Errorf("font %q: none of the installed fonts can be read", q.Family)
	}
	main := list[i-1].chars
	for _, r := range slices.Sorted(maps.Keys(runes)) {
		if main.has(r) || r < ' ' {
			continue
		}
		if s.other[r], err = f.fallback(q, list, r); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// fallback returns the face of the first font that has r, nil if there is none.
func (f *Finder) fallback(q Query, list []candidate, r rune) (*Face, error) {
	for i := range list {
		if list[i].chars.has(r) {
			if face, err := f.face(q, &list[i]); face != nil || err != nil {
				return face, err
			}
		}
	}
	return nil, nil
}

func (f *Finder) lock(ctx context.Context) error {
	select {
	case f.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (f *Finder) unlock() { <-f.turn }

func match(q Query, c *candidate) Match {
	return Match{Asked: q.Family, Family: c.families[0], File: c.file, Substituted: substituted(q.Family, c.families)}
}

// list returns the fonts for a query, best first; there is at least one.
func (f *Finder) list(ctx context.Context, q Query) ([]candidate, error) {
	if list := f.lists[q]; list != nil {
		return list, nil
	}
	out, err := ask(ctx, "--sort", "--format="+format, "--", pattern(q))
	if err != nil {
		return nil, fmt.Errorf("find font %q: %w", q.Family, err)
	}
	list, err := parseCandidates(out)
	if err != nil {
		return nil, fmt.Errorf("find font %q: %w", q.Family, err)
	}
	if len(list) == 0 {
		return nil, errors.New("no font is installed: install some (Debian: apt install fonts-dejavu-core)")
	}
	if len(f.lists) >= maxLists {
		clear(f.lists)
	}
	f.lists[q] = list
	return list, nil
}

// Limits of one question to fontconfig. Its first run on a machine may read every font.
const (
	askTime  = 2 * time.Minute
	askBytes = 64 << 20
)

// ask runs fc-match, which dies with ctx and with this process.
func ask(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	tool, err := exec.LookPath("fc-match")
	if err != nil {
		return "", fmt.Errorf("fc-match is not installed (Debian: apt install fontconfig): %w", err)
	}
	cmd := exec.CommandContext(ctx, tool, args...)
	// The order of fallback fonts depends on the language: it must be the same on all workers.
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "LANG=C.UTF-8", "LANGUAGE=", "FC_LANG=en")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = 5 * time.Second
	out, said := &bounded{limit: askBytes}, &bounded{limit: 2 << 10, cut: true}
	cmd.Stdout, cmd.Stderr = out, said
	if err := cmd.Run(); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return "", fmt.Errorf("fc-match: %w %s", err, strings.TrimSpace(said.String()))
	}
	return out.String(), nil
}

// A bounded buffer fails, or forgets, beyond its limit.
type bounded struct {
	bytes.Buffer
	limit int
	cut   bool
}

func (b *bounded) Write(p []byte) (int, error) {
	if room := b.limit - b.Len(); len(p) > room {
		if !b.cut {
			return 0, errors.New("more output than expected")
		}
		b.Buffer.Write(p[:room])
		return len(p), nil
	}
	return b.Buffer.Write(p)
}

// face loads a candidate, nil when its file is no font that can be read.
func (f *Finder) face(q Query, c *candidate) (*Face, error) {
	variations := c.variations
	if len(variations) == 0 && q.Bold && c.bold {
		variations = []otf.Variation{{Tag: weight, Value: 700}} // no effect on a static font
	}
	key := file{
		path: c.file, index: c.index, variations: fmt.Sprint(variations),
		slant: q.Italic && !c.italic, embolden: q.Bold && !c.bold,
	}
	if face, ok := f.faces[key]; ok {
		return face, nil
	}
	data, err := read(c.file)
	if err != nil {
		return nil, err
	}
	face := &Face{File: c.file, Slant: key.slant, Embolden: key.embolden, variations: variations}
	if faces, err := otf.ParseTTC(bytes.NewReader(data)); err != nil || c.index >= len(faces) {
		face = nil
	} else {
		face.font = faces[c.index].Font
	}
	if len(f.faces) >= maxFaces {
		clear(f.faces)
	}
	f.faces[key] = face
	return face, nil
}

func read(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open font: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("open font: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, &fs.PathError{Op: "open font", Path: path, Err: errors.New("no regular file of a reasonable size")}
	}
	data, err := io.ReadAll(io.LimitReader(file, maxFile))
	if err != nil {
		return nil, fmt.Errorf("read font: %w", err)
	}
	return data, nil
}
