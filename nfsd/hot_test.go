package nfsd

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"olive-distributed/nfsd/internal/handle"
	"olive-distributed/nfsd/internal/nfs3"
	"olive-distributed/nfsd/internal/parts"
	"olive-distributed/nfsd/internal/xdr"
)

type shown []*Export

func (s shown) Exports() []*Export { return s }

// A wire is a connection whose other end is the test: what it sends is there at once, what it is sent is counted.
type wire struct {
	net.Conn
	calls   io.Reader
	replies int
}

func (w *wire) Read(b []byte) (int, error) { return w.calls.Read(b) }

func (w *wire) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; w.replies++ {
		rest = rest[4+binary.BigEndian.Uint32(rest)&^(1<<31):]
	}
	return len(b), nil
}

func (w *wire) Close() error                     { return nil }
func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

// repeat gives the same bytes n times.
type repeat struct {
	b    []byte
	n, i int
}

func (r *repeat) Read(b []byte) (int, error) {
	if r.n == 0 {
		return 0, io.EOF
	}
	n := copy(b, r.b[r.i:])
	if r.i += n; r.i == len(r.b) {
		r.i, r.n = 0, r.n-1
	}
	return n, nil
}

func record(proc uint32, args []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(40+len(args))|1<<31)
	for _, v := range []uint32{1, 0, 2, nfs3.Program, nfs3.Version, proc, 0, 0, 0, 0} {
		b = xdr.Uint32(b, v)
	}
	return append(b, args...)
}

// BenchmarkHotCalls is about allocations: the calls come from memory, and their replies go nowhere.
func BenchmarkHotCalls(b *testing.B) {
	dir := b.TempDir()
	clip := filepath.Join(dir, "clip.mov")
	if err := os.WriteFile(clip, bytes.Repeat([]byte("clip"), 1<<18), 0o600); err != nil {
		b.Fatal(err)
	}
	out := filepath.Join(dir, "parts")
	if err := os.Mkdir(out, 0o700); err != nil {
		b.Fatal(err)
	}
	e, err := NewExport(1, "job", []File{{Name: "clip.mov", Path: clip}}, &Folder{Name: "parts", Path: out})
	if err != nil {
		b.Fatal(err)
	}
	s, err := New(Config{Views: func(string) View { return shown{e} }, Key: make([]byte, 32)})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	media, part := hotHandles(b, s, e)
	root := s.mint.Make(handle.ID{Export: 1, Kind: handle.Root})
	io := func(h handle.Handle, n int) []byte {
		return xdr.Uint32(xdr.Uint64(xdr.Opaque(nil, h[:]), 0), uint32(n))
	}
	for _, c := range []struct {
		name string
		proc uint32
		args []byte
	}{
		{"NULL", 0, nil},
		{"GETATTR", 1, xdr.Opaque(nil, media[:])},
		{"LOOKUP", 3, xdr.Opaque(xdr.Opaque(nil, root[:]), "clip.mov")},
		{"ACCESS", 4, xdr.Uint32(xdr.Opaque(nil, media[:]), 63)},
		{"READ 64K", 6, io(media, 64<<10)},
		{"READ 1M", 6, io(media, 1<<20)},
		{"WRITE 64K", 7, xdr.Opaque(xdr.Uint32(io(part, 64<<10), 0), make([]byte, 64<<10))},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			w := &wire{calls: &repeat{b: record(c.proc, c.args), n: b.N}}
			if err := s.ServeConn(context.Background(), w, "worker"); err != nil {
				b.Fatal(err)
			}
			if w.replies != b.N {
				b.Fatalf("%d replies to %d calls", w.replies, b.N)
			}
		})
	}
}

// hotHandles are the handles of the read-only file and of a new part.
func hotHandles(b *testing.B, s *Server, e *Export) (media, part handle.Handle) {
	b.Helper()
	k := &call{server: s}
	media, _, err := k.fileHandle(e, e.Root().Lookup("clip.mov").File)
	if err != nil {
		b.Fatal(err)
	}
	f, err := s.folders.Get(e.Parts().Path, e.Parts().Quota, e.Parts().MostFiles())
	if err != nil {
		b.Fatal(err)
	}
	defer s.folders.Put(f)
	p, _, err := f.Create("part", parts.How{New: true})
	if err != nil {
		b.Fatal(err)
	}
	return media, k.partHandle(e, p)
}
