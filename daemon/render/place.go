package render

import (
	"fmt"
	"hash/fnv"
	"os"
	"strings"
	"sync"
	"syscall"

	"olive-distributed/daemon/ove"
)

// bootID changes whenever the kernel's numbers of devices may: they mean nothing elsewhere, nor later.
var bootID = sync.OnceValue(func() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
})

// place says which file it is that lies at a path on this machine: the machine and the path, of which only
// a digest is of use, then device and inode.
func place(path string, device, inode uint64) string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s\x00%s", bootID(), path)
	return fmt.Sprintf("%016x:%x:%x", h.Sum64(), device, inode)
}

func placeOf(path string, info os.FileInfo) string {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return place(path, uint64(s.Dev), s.Ino)
	}
	return ""
}

// moved says that two places at the same path of the same machine are not the same file. Of a path
// elsewhere, or one that is another worker's view of the file, nobody knows.
func moved(a, b string) bool {
	whereA, _, _ := strings.Cut(a, ":")
	whereB, _, _ := strings.Cut(b, ":")
	return whereA == whereB && a != b
}

// file is the file that a medium was described by: of an image sequence, its first picture.
func (m *Medium) file(f *ove.Footage) string {
	if m.Proxy {
		return m.Path
	}
	return firstFile(f, m.Path)
}

// Judge has every file judged that was found and would be read, whether it can be used or not. Allow returns
// the device and the inode of the file that it has looked at: when that is not the one which was examined, the
// names on the way were exchanged in between, and the medium is refused. Of an image sequence only the
// first picture is compared.
func (r *Report) Judge(allow func(file string) (device, inode uint64, err error)) error {
	for _, use := range r.Media {
		examined := map[string]Medium{}
		for _, m := range use.media {
			examined[m.file(use.footage)] = m
		}
		for _, file := range use.files {
			device, inode, err := allow(file)
			if err != nil {
				return err
			}
			if m, ok := examined[file]; ok && moved(m.Place, place(m.Path, device, inode)) {
				return fmt.Errorf("medium %s was replaced while it was looked at: submit the project again when nobody writes to it", file)
			}
		}
	}
	return nil
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
