// Package handle makes the file handles of NFS and reads them back.
//
// A handle is 32 bytes: version and kind (1), export (4), generation (3), object (8), and the first 16 bytes of the
// HMAC-SHA-256 of these. So nobody can make one who does not have the key, and it means the same for as
// long as the key does. Whether there is something behind a handle, and who may have it, is not
// known here.
package handle

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"sync"
)

// Size is the length of a handle in bytes, a multiple of 4: Linux cannot read others.
const Size = 32

const (
	version  = 1
	bodySize = 16
)

// GenerationMask are the bits of a generation that a handle holds.
const GenerationMask = 1<<24 - 1

// A Kind says what a handle is of.
type Kind uint8

// The kinds of objects.
const (
	Root   Kind = iota // of an export
	Dir                // a read-only folder
	File               // a read-only file
	Folder             // the folder to write to
	Part               // a file in it
	kinds
)

// An ID is what a handle says.
type ID struct {
	Export     uint32
	Kind       Kind
	Generation uint32 // tells objects of the same number apart, [GenerationMask]
	Object     uint64 // number of the object in the export
}

// A Handle is an ID that only the holder of the key can have made.
type Handle [Size]byte

// A Mint makes handles. It is safe for concurrent use.
type Mint struct{ macs sync.Pool }

// A mac works in memory of its own, so that handles need not be on the heap.
type mac struct {
	hash.Hash
	body [bodySize]byte
	sum  [sha256.Size]byte
}

// NewMint makes handles under a key.
func NewMint(key []byte) *Mint {
	key = append([]byte(nil), key...)
	return &Mint{macs: sync.Pool{New: func() any { return &mac{Hash: hmac.New(sha256.New, key)} }}}
}

// Make returns the handle of id.
func (m *Mint) Make(id ID) Handle {
	var h Handle
	h[0] = version<<4 | byte(id.Kind)
	binary.BigEndian.PutUint32(h[1:], id.Export)
	h[5], h[6], h[7] = byte(id.Generation>>16), byte(id.Generation>>8), byte(id.Generation)
	binary.BigEndian.PutUint64(h[8:], id.Object)
	m.sign(h[:bodySize], h[bodySize:])
	return h
}

// Genuine says whether h was made with the key.
func (m *Mint) Genuine(h *Handle) bool {
	var want [Size - bodySize]byte
	m.sign(h[:bodySize], want[:])
	return hmac.Equal(want[:], h[bodySize:])
}

func (m *Mint) sign(body, out []byte) {
	a := m.macs.Get().(*mac)
	defer m.macs.Put(a)
	a.Reset()
	copy(a.body[:], body)
	a.Write(a.body[:])
	copy(out, a.Sum(a.sum[:0]))
}

// Read says what the bytes of a handle mean, which anybody may have made up as long as [Mint.Genuine] has not been
// asked. ok is false when they cannot be a handle.
func Read(b []byte) (h Handle, id ID, ok bool) {
	if len(b) != Size || b[0]>>4 != version || b[0]&15 >= byte(kinds) {
		return Handle{}, ID{}, false
	}
	copy(h[:], b)
	return h, ID{
		Kind:       Kind(b[0] & 15),
		Export:     binary.BigEndian.Uint32(b[1:]),
		Generation: uint32(b[5])<<16 | uint32(b[6])<<8 | uint32(b[7]),
		Object:     binary.BigEndian.Uint64(b[8:]),
	}, true
}
