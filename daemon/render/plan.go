package render

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"olive-distributed/daemon/media/film"
	"olive-distributed/daemon/ove"
)

// A Plan is what a job fixes at submit, so that every worker renders the same bytes. It is
// plain data and travels as JSON.
type Plan struct {
	Engine   string        `json:"engine"`
	Project  string        `json:"project"`  // path of the project file
	Digest   string        `json:"digest"`   // SHA-256 of the project file
	Sequence int           `json:"sequence"` // its id in the project
	Span     Span          `json:"span"`     // frames of the film
	Media    []Medium      `json:"media"`    // what may be opened; all else shows nothing
	Fonts    []Font        `json:"fonts,omitempty"`
	Encoding film.Encoding `json:"encoding"`

	FPS       float64 `json:"fps"`        // of the sequence, as Olive computes with it
	SoundRate int     `json:"sound_rate"` // samples per second
}

// A Medium is a footage with the file it was found in, as that was at submit.
type Medium struct {
	Footage  int    `json:"footage"`
	Proxy    bool   `json:"proxy,omitempty"` // the footage's proxy: its pictures are shown instead
	Path     string `json:"path"`
	Size     int64  `json:"size"`
	Modified int64  `json:"modified"`     // nanoseconds since 1970
	Run      Run    `json:"run,omitzero"` // of an image sequence; size and time are those of its first picture
	// Place tells files at the same path of the same machine apart, which may have the same size and time on purpose.
	Place string `json:"place,omitempty"`
}

// A Scene is a plan with its project read: what an engine works from.
type Scene struct {
	Plan     *Plan
	Sequence *ove.Sequence
	project  *ove.Project
	paths    map[role]string
}

// A role is what a file is in a project: a footage, or the proxy of one.
type role struct {
	footage int
	proxy   bool
}

// Path returns the file of a footage, "" when the plan leaves it out.
func (s *Scene) Path(f *ove.Footage) string { return s.paths[role{f.ID, false}] }

// Proxy returns the file whose pictures Olive shows for a footage instead of its own, "" when
// it has none.
func (s *Scene) Proxy(f *ove.Footage) string { return s.paths[role{f.ID, true}] }

// Fingerprint is the same for equal plans, and for them only.
func (p *Plan) Fingerprint() string {
	same := *p // on another machine too, and after a restart of this one
	same.Media = slices.Clone(p.Media)
	for i := range same.Media {
		same.Media[i].Place = ""
	}
	data, err := json.Marshal(same)
	if err != nil { // numbers that JSON does not have: such a plan equals no other
		data = fmt.Appendf(nil, "%p", p)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// MaxProject is the largest project file that is read.
const MaxProject = 64 << 20

// ReadProject reads a project file and its SHA-256. Its errors do not name the file.
func ReadProject(path string) (*ove.Project, string, error) {
	data, err := ReadFile(path)
	if err != nil {
		return nil, "", err
	}
	return ParseProject(data)
}

// ParseProject is ReadProject for a file that has been read.
func ParseProject(data []byte) (*ove.Project, string, error) {
	p, err := ove.Parse(bytes.NewReader(data))
	if err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256(data)
	return p, hex.EncodeToString(sum[:]), nil
}

// Choose returns the sequence of that name, or for "" the one the editor had open.
func Choose(p *ove.Project, name string) (*ove.Sequence, error) {
	if name == "" {
		return p.Main()
	}
	return p.Sequence(name)
}

// ReadFile reads a regular file of at most MaxProject bytes; a FIFO or a device is not even
// opened for reading. Its errors do not name the file.
func ReadFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, unnamed(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file: choose the .ove file that Olive 0.1 saved")
	}
	if info.Size() > MaxProject {
		return nil, fmt.Errorf("%d MiB is more than a project can have (%d MiB)", info.Size()>>20, MaxProject>>20)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, unnamed(err)
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, MaxProject+1))
}

// unnamed takes the path out of an error of package os.
func unnamed(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return fmt.Errorf("%s: %w", path.Op, path.Err)
	}
	return err
}

// Open reads the plan's project and checks that project and media are still what they were
// at submit.
func (p *Plan) Open() (*Scene, error) {
	project, digest, err := ReadProject(p.Project)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Project, err)
	}
	if digest != p.Digest {
		return nil, fmt.Errorf("project %s has changed since its export began: start the export again", p.Project)
	}
	s := &Scene{Plan: p, project: project, paths: map[role]string{}}
	for _, seq := range project.Sequences {
		if seq.ID == p.Sequence {
			s.Sequence = seq
		}
	}
	if s.Sequence == nil {
		return nil, fmt.Errorf("project %s has no sequence with id %d", p.Project, p.Sequence)
	}
	if err := s.Unchanged(); err != nil {
		return nil, err
	}
	for _, m := range p.Media {
		s.paths[role{m.Footage, m.Proxy}] = m.Path
	}
	return s, nil
}

// check compares the medium's file with what it was at submit.
func (m Medium) check(project *ove.Project) error {
	for _, f := range project.Footage {
		if f.ID == m.Footage {
			return m.compare(f)
		}
	}
	return fmt.Errorf("the plan names footage %d, which the project does not have", m.Footage)
}

// compare compares a medium with what lies there now.
func (m Medium) compare(f *ove.Footage) error {
	s, now, err := describe(f, m.Path, m.Proxy)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return gone(m.first())
	case err != nil:
		return fmt.Errorf("medium %q: %w", f.Name, err)
	case s != nil:
		return s.differs(&m)
	case moved(m.Place, now.Place):
		return fmt.Errorf("medium %s was replaced by another file since the export began: start the export again", m.Path)
	}
	if now.Place = m.Place; now != m {
		return fmt.Errorf("medium %s has changed since the export began: start the export again", m.Path)
	}
	return nil
}

// Describe describes the file of a footage or of its proxy as it is now; of an image sequence, each of its pictures.
func Describe(f *ove.Footage, path string, proxy bool) (Medium, error) {
	_, m, err := describe(f, path, proxy)
	return m, err
}

// describe is Describe; the sequence is nil for a plain file.
func describe(f *ove.Footage, path string, proxy bool) (*sequence, Medium, error) {
	m := Medium{Footage: f.ID, Proxy: proxy, Path: path}
	if !proxy && f.IsImageSequence() {
		s, err := look(path, f.StartNumber)
		if err != nil {
			return nil, Medium{}, err
		}
		m.Size, m.Modified, m.Run, m.Place = s.info.Size(), s.info.ModTime().UnixNano(), s.run, s.place.String()
		return s, m, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, Medium{}, err
	}
	if !info.Mode().IsRegular() {
		return nil, Medium{}, fmt.Errorf("%s: %s, not a media file", path, kind(info.Mode()))
	}
	at := newPlacer(path)
	at.addInfo(info)
	m.Size, m.Modified, m.Place = info.Size(), info.ModTime().UnixNano(), at.String()
	return nil, m, nil
}

func kind(m os.FileMode) string {
	switch {
	case m.IsDir():
		return "a folder"
	case m&os.ModeNamedPipe != 0:
		return "a FIFO"
	case m&os.ModeSocket != 0:
		return "a socket"
	default:
		return "a device"
	}
}
