package rpc_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"

	"olive-distributed/nfsd/internal/rpc"
)

// words are big-endian numbers.
func words(v ...uint32) []byte {
	var b []byte
	for _, w := range v {
		b = binary.BigEndian.AppendUint32(b, w)
	}
	return b
}

func TestParse(t *testing.T) {
	for name, c := range map[string]struct {
		record []byte
		want   rpc.Call // without Args
		args   string
		err    error
	}{
		"nothing":                   {nil, rpc.Call{}, "", rpc.ErrNoCall},
		"a reply":                   {words(7, 1, 0, 0, 0, 0, 0, 0, 0, 0), rpc.Call{}, "", rpc.ErrNoCall},
		"a call that ends early":    {words(7, 0, 2, 100003, 3, 1, 0, 0, 0), rpc.Call{}, "", rpc.ErrNoCall},
		"a call without arguments":  {words(7, 0, 2, 100003, 3, 1, 0, 0, 0, 0), rpc.Call{XID: 7, Prog: 100003, Vers: 3, Proc: 1}, "", nil},
		"a call":                    {append(words(7, 0, 2, 100003, 3, 1, 1, 4, 99, 0, 0), "args"...), rpc.Call{XID: 7, Prog: 100003, Vers: 3, Proc: 1}, "args", nil},
		"RPC version 1":             {words(7, 0, 1, 100003, 3, 1, 0, 0, 0, 0), rpc.Call{XID: 7, Denial: rpc.RPCMismatch}, "", nil},
		"Kerberos":                  {words(7, 0, 2, 100003, 3, 1, 6, 0, 0, 0), rpc.Call{XID: 7, Prog: 100003, Vers: 3, Proc: 1, Denial: rpc.AuthBadCred}, "", nil},
		"a credential of 2^32-1":    {words(7, 0, 2, 100003, 3, 1, 1, 1<<32-1, 0, 0), rpc.Call{XID: 7, Prog: 100003, Vers: 3, Proc: 1, Denial: rpc.AuthBadCred}, "", nil},
		"a verifier that is absent": {words(7, 0, 2, 100003, 3, 1, 0, 0, 0, 4), rpc.Call{XID: 7, Prog: 100003, Vers: 3, Proc: 1, Denial: rpc.AuthBadCred}, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := rpc.Parse(c.record)
			args := string(got.Args.Rest())
			got.Args = rpc.Call{}.Args
			if !errors.Is(err, c.err) || args != c.args || got.XID != c.want.XID || got.Prog != c.want.Prog ||
				got.Vers != c.want.Vers || got.Proc != c.want.Proc || got.Denial != c.want.Denial {
				t.Errorf("Parse = %+v, args %q, %v; want %+v, args %q, %v", got, args, err, c.want, c.args, c.err)
			}
		})
	}
}

func TestReplies(t *testing.T) {
	for name, c := range map[string]struct{ got, want []byte }{
		"accepted":          {rpc.AppendReply(nil, 7, rpc.GarbageArgs), words(1<<31|24, 7, 1, 0, 0, 0, 4)},
		"another version":   {rpc.AppendMismatch(nil, 7, 3), words(1<<31|32, 7, 1, 0, 0, 0, 2, 3, 3)},
		"another RPC":       {rpc.AppendDenied(nil, 7, rpc.RPCMismatch), words(1<<31|24, 7, 1, 1, 0, 2, 2)},
		"a foreign flavour": {rpc.AppendDenied(nil, 7, rpc.AuthBadCred), words(1<<31|20, 7, 1, 1, 1, 1)},
	} {
		if got := rpc.Seal(c.got); !bytes.Equal(got, c.want) {
			t.Errorf("%s: %x, want %x", name, got, c.want)
		}
	}
	if n := len(rpc.AppendReply(nil, 7, rpc.Success)); n != rpc.ReplyHeader {
		t.Errorf("a reply begins with %d bytes, ReplyHeader is %d", n, rpc.ReplyHeader)
	}
}

const most = 64

// records reads everything from stream, and fails the test when more memory is asked for than allowed.
func records(t testing.TB, stream []byte) (got []string, err error) {
	r := rpc.Records{
		From: bufio.NewReaderSize(bytes.NewReader(stream), 16), Most: most,
		Begin: func(bool, int) {},
		Room: func(have []byte, n int) ([]byte, error) {
			if n > most || n < len(have) {
				t.Fatalf("room for %d bytes is asked for, with %d there and a limit of %d", n, len(have), most)
			}
			return append(make([]byte, 0, n), have...), nil
		},
	}
	for {
		b, err := r.Next()
		if err != nil {
			return got, err
		}
		got = append(got, string(b))
	}
}

func fragment(last uint32, s string) string { return string(words(last<<31|uint32(len(s)))) + s }

func TestRecords(t *testing.T) {
	for name, c := range map[string]struct {
		stream string
		want   string // the records, each with a bar behind
		err    error
	}{
		"nothing":                      {"", "", io.EOF},
		"two records":                  {fragment(1, "one") + fragment(1, "two"), "one|two|", io.EOF},
		"one in three fragments":       {fragment(0, "a") + fragment(0, "") + fragment(1, "b"), "ab|", io.EOF},
		"the largest":                  {fragment(1, strings.Repeat("x", most)), strings.Repeat("x", most) + "|", io.EOF},
		"one byte more":                {fragment(1, strings.Repeat("x", most+1)), "", rpc.ErrRecord},
		"one byte more in a fragment":  {fragment(0, strings.Repeat("x", most)) + fragment(1, "y"), "", rpc.ErrRecord},
		"2^31-1 bytes":                 {"\xff\xff\xff\xff", "", rpc.ErrRecord},
		"fragments without end":        {strings.Repeat(fragment(0, ""), 5000), "", rpc.ErrRecord},
		"an end within the mark":       {"\x80\x00", "", io.ErrUnexpectedEOF},
		"an end within the record":     {fragment(1, "whole")[:6], "", io.ErrUnexpectedEOF},
		"an end between two fragments": {fragment(0, "half"), "", io.EOF},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := records(t, []byte(c.stream))
			var all string
			for _, r := range got {
				all += r + "|"
			}
			if all != c.want || !errors.Is(err, c.err) {
				t.Errorf("read %q, %v; want %q, %v", all, err, c.want, c.err)
			}
		})
	}
}

// FuzzRecords: records are what is between the marks, nothing is added or lost, and none is longer than allowed.
func FuzzRecords(f *testing.F) {
	f.Add([]byte(fragment(0, "a") + fragment(1, "b")))
	f.Add([]byte("\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		got, err := records(t, stream)
		if err == nil {
			t.Fatal("a stream without end")
		}
		for _, r := range got {
			if len(r) > most {
				t.Fatalf("a record of %d bytes", len(r))
			}
			var b []byte
			for last := false; !last; {
				mark := binary.BigEndian.Uint32(stream)
				last = mark>>31 == 1
				n := mark &^ (1 << 31)
				b = append(b, stream[4:4+n]...)
				stream = stream[4+n:]
			}
			if string(b) != r {
				t.Fatalf("read %q, want %q", r, b)
			}
			_, _ = rpc.Parse([]byte(r))
		}
	})
}
