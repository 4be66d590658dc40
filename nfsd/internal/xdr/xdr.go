// Package xdr reads and writes the external data representation (RFC 4506) that RPC and NFS use.
//
// A [Reader] never takes memory and never goes beyond its bytes: what it returns are parts of them. After the first
// thing that is not there, everything reads as zero and [Reader.OK] is false, so that a
// structure can be read to its end and checked once.
package xdr

import "encoding/binary"

// A Reader takes values from the front of bytes that it was made from. The zero Reader is at its end.
type Reader struct {
	rest []byte
	bad  bool
}

// NewReader reads b.
func NewReader(b []byte) Reader { return Reader{rest: b} }

// OK is false when something that was read was not there.
func (r *Reader) OK() bool { return !r.bad }

// Fail says that what was read is not what it should be.
func (r *Reader) Fail() { r.bad, r.rest = true, nil }

// Rest is what has not been read yet.
func (r *Reader) Rest() []byte { return r.rest }

// Fixed reads n bytes (§4.9) and their padding; nil when they are not there.
func (r *Reader) Fixed(n int) []byte {
	padded := n + pad(n)
	if n < 0 || padded < n || r.bad || padded > len(r.rest) {
		r.Fail()
		return nil
	}
	v := r.rest[:n:n]
	r.rest = r.rest[padded:]
	return v
}

// Uint32 reads an unsigned integer (§4.2).
func (r *Reader) Uint32() uint32 {
	b := r.Fixed(4)
	if b == nil {
		return 0
	}
	return binary.BigEndian.Uint32(b)
}

// Uint64 reads an unsigned hyper integer (§4.5).
func (r *Reader) Uint64() uint64 {
	b := r.Fixed(8)
	if b == nil {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

// Bool reads a boolean (§4.4); a number other than 0 and 1 is not one.
func (r *Reader) Bool() bool {
	n := r.Uint32()
	if n > 1 {
		r.Fail()
	}
	return n == 1
}

// Opaque reads variable-length data or a string (§4.10, §4.11); longer than most is as if it were not there.
func (r *Reader) Opaque(most int) []byte {
	n := r.Uint32()
	if uint64(n) > uint64(most) {
		r.Fail()
		return nil
	}
	return r.Fixed(int(n))
}

// Uint32 appends an unsigned integer.
func Uint32(b []byte, v uint32) []byte { return binary.BigEndian.AppendUint32(b, v) }

// Uint64 appends an unsigned hyper integer.
func Uint64(b []byte, v uint64) []byte { return binary.BigEndian.AppendUint64(b, v) }

// Bool appends a boolean.
func Bool(b []byte, v bool) []byte {
	if v {
		return Uint32(b, 1)
	}
	return Uint32(b, 0)
}

// Opaque appends variable-length data.
func Opaque[T ~[]byte | ~string](b []byte, v T) []byte {
	b = append(Uint32(b, uint32(len(v))), v...)
	return Pad(b, len(v))
}

// Pad appends the zeros that follow n bytes of data.
func Pad(b []byte, n int) []byte { return append(b, "\x00\x00\x00"[:pad(n)]...) }

func pad(n int) int { return -n & 3 }
