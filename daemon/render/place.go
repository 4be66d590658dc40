package render

import (
	"fmt"
	"hash"
	"hash/fnv"
	"iter"
	"os"
	"strings"
	"sync"
	"syscall"
)

// bootID changes whenever the kernel's numbers of devices may: they mean nothing elsewhere, nor later.
var bootID = sync.OnceValue(func() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
})

// A placer says which files they are that lie at a path on this machine: the machine and the path, of which
// only a digest is of use, then device and inode, or a digest of those where there are several files.
type placer struct {
	where uint64
	first string
	all   hash.Hash64
	files int
}

func newPlacer(path string) *placer {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s\x00%s", bootID(), path)
	return &placer{where: h.Sum64(), all: fnv.New64a()}
}

func (p *placer) add(device, inode uint64) {
	this := fmt.Sprintf("%x:%x", device, inode)
	if p.files++; p.files == 1 {
		p.first = this
	}
	fmt.Fprintln(p.all, this)
}

func (p *placer) addInfo(info os.FileInfo) {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		p.add(uint64(s.Dev), s.Ino)
	}
}

// String is the place, "" where it is not known.
func (p *placer) String() string {
	switch {
	case p.files == 0:
		return ""
	case p.files == 1:
		return fmt.Sprintf("%016x:%s", p.where, p.first)
	}
	return fmt.Sprintf("%016x:%016x", p.where, p.all.Sum64())
}

// moved says that two places at the same path of the same machine are not the same file. Of a path
// elsewhere, or one that is another worker's view of the file, nobody knows.
func moved(a, b string) bool {
	whereA, _, _ := strings.Cut(a, ":")
	whereB, _, _ := strings.Cut(b, ":")
	return whereA == whereB && a != b
}

// Judge has every file judged that was found and would be read, whether it can be used or not. Allow returns
// the device and the inode of the file that it has looked at: when that is not the one which was examined, the
// names on the way were exchanged in between, and the medium is refused.
func (r *Report) Judge(allow func(file string) (device, inode uint64, err error)) error {
	for _, use := range r.Media {
		for i := range use.media {
			if err := use.media[i].judge(allow); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *Medium) judge(allow func(file string) (device, inode uint64, err error)) error {
	at := newPlacer(m.Path)
	for file := range m.files() {
		device, inode, err := allow(file)
		if err != nil {
			return err
		}
		at.add(device, inode)
	}
	if moved(m.Place, at.String()) {
		return fmt.Errorf("medium %s was replaced while it was looked at: submit the project again when nobody writes to it", m.Path)
	}
	return nil
}

// files are those that the medium was described by.
func (m *Medium) files() iter.Seq[string] {
	return func(yield func(string) bool) {
		if m.Run.Count == 0 {
			yield(m.Path)
		}
		for n := range m.Run.Count {
			if !yield(fmt.Sprintf(m.Path, m.Run.First+n)) {
				return
			}
		}
	}
}

// first is the first of the files.
func (m *Medium) first() string {
	if m.Run.Count == 0 {
		return m.Path
	}
	return fmt.Sprintf(m.Path, m.Run.First)
}

// Unchanged says which of the plan's media is not any more what it was at submit; nil: none.
func (s *Scene) Unchanged() error {
	for _, m := range s.Plan.Media {
		if err := m.check(s.project); err != nil {
			return err
		}
	}
	return nil
}
