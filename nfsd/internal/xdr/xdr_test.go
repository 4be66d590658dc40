package xdr_test

import (
	"bytes"
	"math"
	"testing"

	"olive-distributed/nfsd/internal/xdr"
)

func TestWhatIsNotThereReadsAsZero(t *testing.T) {
	for name, c := range map[string]struct {
		bytes string
		read  func(r *xdr.Reader) any
	}{
		"a number of three bytes":            {"\x00\x00\x01", func(r *xdr.Reader) any { return r.Uint32() == 0 }},
		"a long number of seven bytes":       {"\x00\x00\x01\x00\x00\x00\x01", func(r *xdr.Reader) any { return r.Uint64() == 0 }},
		"two is no truth":                    {"\x00\x00\x00\x02", func(r *xdr.Reader) any { return !r.Bool() }},
		"data without its last byte":         {"\x00\x00\x00\x04abc", func(r *xdr.Reader) any { return r.Opaque(9) == nil }},
		"data without its padding":           {"\x00\x00\x00\x03abc", func(r *xdr.Reader) any { return r.Opaque(9) == nil }},
		"data of four thousand million":      {"\xff\xff\xff\xffabcd", func(r *xdr.Reader) any { return r.Opaque(math.MaxInt) == nil }},
		"data longer than it may be":         {"\x00\x00\x00\x04abcd", func(r *xdr.Reader) any { return r.Opaque(3) == nil }},
		"fewer than no bytes":                {"abcd", func(r *xdr.Reader) any { return r.Fixed(-1) == nil }},
		"more bytes than an int can pad":     {"abcd", func(r *xdr.Reader) any { return r.Fixed(math.MaxInt) == nil }},
		"nothing is good after what was bad": {"\x00\x00\x00\x09abcd", func(r *xdr.Reader) any { return r.Opaque(9) == nil && r.Uint32() == 0 }},
	} {
		t.Run(name, func(t *testing.T) {
			r := xdr.NewReader([]byte(c.bytes))
			if c.read(&r) != true || r.OK() {
				t.Errorf("it read %q, OK = %t", c.bytes, r.OK())
			}
		})
	}
}

// What was written reads back the same, and what reads well writes back the bytes that it was read from.
func FuzzReader(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x03abc\x00"))
	f.Add([]byte("\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\x7f\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, in []byte) {
		r := xdr.NewReader(in)
		yes, long, data := r.Bool(), r.Uint64(), r.Opaque(64)
		if !r.OK() {
			return
		}
		out := xdr.Opaque(xdr.Uint64(xdr.Bool(nil, yes), long), data)
		used := in[:len(in)-len(r.Rest())]
		if len(out) != len(used) || !bytes.Equal(out[:16], used[:16]) || !bytes.HasPrefix(out[16:], data) {
			t.Fatalf("%x reads well, and writes %x", used, out)
		}
		again := xdr.NewReader(out)
		if again.Bool() != yes || again.Uint64() != long || !bytes.Equal(again.Opaque(64), data) || !again.OK() {
			t.Fatalf("%x does not read back", out)
		}
	})
}
