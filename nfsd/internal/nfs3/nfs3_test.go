package nfs3_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"olive-distributed/nfsd/internal/nfs3"
	"olive-distributed/nfsd/internal/xdr"
)

func TestNames(t *testing.T) {
	for name, want := range map[string]nfs3.Status{
		"part-0001.mp4": nfs3.OK, "ä b": nfs3.OK, "...": nfs3.OK, "..x": nfs3.OK, strings.Repeat("n", 255): nfs3.OK,
		"": nfs3.Inval, ".": nfs3.Inval, "..": nfs3.Inval, "../": nfs3.Inval, "x/../..": nfs3.Inval, "/": nfs3.Inval,
		"a\x00b": nfs3.Inval, "\xff": nfs3.Inval, strings.Repeat("n", 256): nfs3.NameTooLong,
	} {
		if got := nfs3.NameStatus([]byte(name)); got != want {
			t.Errorf("NameStatus(%q) = %d, want %d", name, got, want)
		}
	}
}

func TestStatuses(t *testing.T) {
	for _, c := range []struct {
		err  error
		want nfs3.Status
	}{
		{nil, nfs3.OK},
		{unix.ENOENT, nfs3.NoEnt},
		{os.ErrNotExist, nfs3.NoEnt},
		{fmt.Errorf("write: %w", unix.ENOSPC), nfs3.NoSpc},
		{&os.PathError{Err: unix.EDQUOT}, nfs3.DQuot},
		{unix.EMFILE, nfs3.JukeBox},
		{unix.EIO, nfs3.IO},
		{errors.New("what nobody knows"), nfs3.IO},
	} {
		if got := nfs3.StatusOf(c.err); got != c.want {
			t.Errorf("StatusOf(%v) = %d, want %d", c.err, got, c.want)
		}
	}
}

func TestSetAttr(t *testing.T) {
	omit, now := int64(unix.UTIME_OMIT), int64(unix.UTIME_NOW)
	for name, c := range map[string]struct {
		words []uint32
		want  nfs3.SetAttr
		ok    bool
	}{
		"nothing":                {[]uint32{0, 0, 0, 0, 0, 0}, nfs3.SetAttr{Times: [2]unix.Timespec{{Nsec: omit}, {Nsec: omit}}}, true},
		"mode and owner":         {[]uint32{1, 0o777, 1, 5, 1, 5, 0, 0, 0}, nfs3.SetAttr{Times: [2]unix.Timespec{{Nsec: omit}, {Nsec: omit}}}, true},
		"a size":                 {[]uint32{0, 0, 0, 1, 1, 2, 0, 0}, nfs3.SetAttr{HasSize: true, Size: 1<<32 + 2, Times: [2]unix.Timespec{{Nsec: omit}, {Nsec: omit}}}, true},
		"times":                  {[]uint32{0, 0, 0, 0, 1, 2, 9, 8}, nfs3.SetAttr{HasTime: true, Times: [2]unix.Timespec{{Nsec: now}, {Sec: 9, Nsec: 8}}}, true},
		"too many nanoseconds":   {[]uint32{0, 0, 0, 0, 0, 2, 9, 1e9}, nfs3.SetAttr{}, false},
		"a third way to set":     {[]uint32{0, 0, 0, 0, 3, 0}, nfs3.SetAttr{}, false},
		"a truth that is a lie":  {[]uint32{2, 0, 0, 0, 0, 0}, nfs3.SetAttr{}, false},
		"an end in the middle":   {[]uint32{0, 0, 0, 1, 1}, nfs3.SetAttr{}, false},
		"an end before the time": {[]uint32{0, 0, 0, 0, 2, 1}, nfs3.SetAttr{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			var b []byte
			for _, w := range c.words {
				b = xdr.Uint32(b, w)
			}
			r := xdr.NewReader(b)
			got := nfs3.ReadSetAttr(&r)
			if r.OK() != c.ok || c.ok && got != c.want {
				t.Errorf("read %+v, %t; want %+v, %t", got, r.OK(), c.want, c.ok)
			}
		})
	}
}

func TestAnAttrIsAsLongAsItSays(t *testing.T) {
	if n := len((&nfs3.Attr{}).Append(nil)); n != nfs3.AttrSize {
		t.Errorf("fattr3 takes %d bytes, AttrSize is %d", n, nfs3.AttrSize)
	}
}
