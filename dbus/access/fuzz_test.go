package access_test

import (
	"testing"

	"olive-distributed/dbus/access"
)

func FuzzParseACL(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{2, 0, 0, 0})
	f.Add([]byte("\x02\x00\x00\x00\x01\x00\x07\x00\xff\xff\xff\xff\x04\x00\x05\x00\xff\xff\xff\xff\x20\x00\x04\x00\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := access.ParseACL(b)
		if err == nil && n*8+4 != len(b) {
			t.Errorf("%d entries of %d bytes", n, len(b))
		}
	})
}
