package bus

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

func TestOps(t *testing.T) {
	big := strings.Repeat("x", 3*maxLine)
	for name, c := range map[string]struct {
		said string
		want op
		err  error
	}{
		"an introduction":                    {"CONNECT {\"a\":1}\r\n", op{verb: opConnect}, nil},
		"an introduction that is no JSON":    {"CONNECT x\r\n", op{}, errLine},
		"a message":                          {"PUB a.b 3\r\nxyz\r\n", op{verb: opPub, subject: "a.b", payload: []byte("xyz")}, nil},
		"a request":                          {"pub a.b r.s 0\r\n\r\n", op{verb: opPub, subject: "a.b", reply: "r.s"}, nil},
		"more than the buffer holds":         {fmt.Sprintf("PUB a %d\r\n%s\r\n", len(big), big), op{verb: opPub, subject: "a", payload: []byte(big)}, nil},
		"a message that is longer than said": {"PUB a 1\r\nxyz\r\n", op{}, errLine},
		"a message that is cut off":          {"PUB a 10\r\nxyz", op{}, io.EOF},
		"a long message that is cut off":     {"PUB a 10000\r\nxyz", op{}, io.EOF},
		"more than a message may have":       {fmt.Sprintf("PUB a %d\r\n", maxPayload+1), op{}, errPayload},
		"a length that is no number":         {"PUB a -1\r\n", op{}, errLine},
		"a length beyond all bounds":         {"PUB a 99999999999999999999\r\n", op{}, errLine},
		"headers":                            {"HPUB a 12 12\r\nNATS/1.0\r\n\r\n\r\n", op{}, errLine},
		"a subscription":                     {"SUB a.* 7\r\n", op{verb: opSub, subject: "a.*", sid: "7"}, nil},
		"one of a group":                     {"SUB a.* group 7\r\n", op{}, errLine},
		"its end":                            {"UNSUB 7\r\n", op{verb: opUnsub, sid: "7"}, nil},
		"an endless line":                    {"SUB " + big, op{}, errLong},
		"nothing":                            {"\r\n", op{}, errLine},
	} {
		got, err := readOp(bufio.NewReaderSize(strings.NewReader(c.said), maxLine))
		if !errors.Is(err, c.err) || got.verb != c.want.verb || got.subject != c.want.subject || got.reply != c.want.reply ||
			got.sid != c.want.sid || !bytes.Equal(got.payload, c.want.payload) {
			t.Errorf("%s: %+v, %v, want %+v, %v", name, got, err, c.want, c.err)
		}
	}
}

// Whatever a client says is read within bounds, and what it publishes is what it has sent.
func FuzzOps(f *testing.F) {
	for _, s := range []string{"CONNECT {}\r\nPING\r\nPUB a b 3\r\nxyz\r\nSUB a.> 1\r\nUNSUB 1 2\r\n", "PUB a 9\r\nxyz", "\n\n", "SUB"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bufio.NewReaderSize(bytes.NewReader(data), maxLine)
		for range data {
			o, err := readOp(r)
			if err != nil {
				return
			}
			if o.verb == 0 || len(o.payload) > maxPayload || !bytes.Contains(data, o.payload) || strings.ContainsAny(o.subject+o.reply+o.sid, " \r\n") {
				t.Fatalf("%q is read as %+v", data, o)
			}
		}
	})
}

func TestRoutes(t *testing.T) {
	r := routes{by: map[string][]*interest{}}
	w := &session{interests: map[string]*interest{}}
	all := map[string]*interest{}
	for _, subject := range []string{"a.b", "a.*", "a.>", "a.b.c", "a.b.>", "b.>"} {
		i, ok := newInterest(w, subject, subject)
		if !ok {
			t.Fatalf("%s is no subject", subject)
		}
		all[subject] = i
		r.add(i)
	}
	for _, subject := range []string{"", ".", "a.", ".a", "a..b", "*.a", "a.*.b", ">.a", "a.>.b"} {
		if _, ok := newInterest(w, subject, "1"); ok {
			t.Errorf("%q is a subject", subject)
		}
	}
	reached := func(subject string) (got []string) {
		r.each(subject, func(i *interest) { got = append(got, i.sid) })
		slices.Sort(got)
		return got
	}
	for subject, want := range map[string][]string{
		"a": nil, "a.b": {"a.*", "a.>", "a.b"}, "a.c": {"a.*", "a.>"}, "a.b.c": {"a.>", "a.b.>", "a.b.c"},
		"a.b.c.d": {"a.>", "a.b.>"}, "b": nil, "b.x.y.z": {"b.>"}, "c.b": nil, "a.*": {"a.*", "a.>"},
	} {
		if got := reached(subject); !slices.Equal(got, want) {
			t.Errorf("%s reaches %v, want %v", subject, got, want)
		}
	}
	for _, i := range all {
		r.remove(i)
	}
	if got := reached("a.b"); got != nil || len(r.by) != 0 {
		t.Errorf("after all have gone: %v, %v", got, r.by)
	}
}
