package nfsd_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"slices"
	"sync/atomic"
	"testing"

	"olive-distributed/nfsd"
)

func TestReadsAtTheEdges(t *testing.T) {
	shared := newWorld(t).start(roomy)
	s := shared.site()
	size := uint64(len(shared.clip))
	for name, test := range map[string]struct {
		off   uint64
		count uint32
		want  int // bytes; -1: refused
	}{
		"nothing at the start":             {0, 0, 0},
		"nothing in the middle":            {1000, 0, 0},
		"one byte":                         {77, 1, 1},
		"the last byte":                    {size - 1, 1, 1},
		"over the end":                     {size - 10, 4096, 10},
		"at the end":                       {size, 4096, 0},
		"behind the end":                   {size + 1, 4096, 0},
		"far behind the end":               {math.MaxInt64 - 4096, 4096, 0},
		"up to 2^63":                       {math.MaxInt64, 4096, -1},
		"at 2^63":                          {1 << 63, 1, -1},
		"at 2^64-1":                        {math.MaxUint64, 1, -1},
		"offset and count overflow":        {math.MaxUint64 - 10, 4096, -1},
		"nothing at 2^64-1":                {math.MaxUint64, 0, -1},
		"2^32-1 bytes":                     {0, math.MaxUint32, 1 << 20},
		"2^31 bytes":                       {5, 1 << 31, 1 << 20},
		"2^32-1 bytes over the end":        {size - 10, math.MaxUint32, 10},
		"the largest read":                 {0, 1 << 20, 1 << 20},
		"one byte more than the largest":   {0, 1<<20 + 1, 1 << 20},
		"an odd number of bytes at an odd": {3, 4099, 4099},
	} {
		t.Run(name, func(t *testing.T) {
			s := siteAt(t, shared.in(t).dial())
			data, eof, err := s.read(s.clip, test.off, test.count)
			if err != nil {
				wantStatus(t, "READ", err, statInval, statFBig)
				if test.want >= 0 {
					t.Errorf("refused: %v", err)
				}
				return
			}
			want := max(0, test.want)
			if len(data) != want || want > 0 && !bytes.Equal(data, shared.clip[test.off:test.off+uint64(want)]) {
				t.Errorf("got %d bytes, want these %d", len(data), want)
			}
			if end := test.off > size || test.off+uint64(len(data)) >= size; eof != end {
				t.Errorf("eof %v, want %v", eof, end)
			}
		})
	}
	s.alive()
}

func TestWritesAtTheEdges(t *testing.T) {
	shared := newWorld(t).start(roomy)
	for name, test := range map[string]struct {
		off  uint64
		want []status
	}{
		"at 2^63":                 {1 << 63, []status{statInval, statFBig}},
		"at 2^64-1":               {math.MaxUint64, []status{statInval, statFBig}},
		"up to 2^63":              {math.MaxInt64, []status{statInval, statFBig, statDQuot}},
		"up to 2^63-1":            {math.MaxInt64 - 4, []status{statInval, statFBig, statDQuot}},
		"at the quota":            {quota, []status{statDQuot}},
		"sparse, over the quota":  {quota - 3, []status{statDQuot}},
		"sparse, up to the quota": {quota - 4, []status{statOK}},
	} {
		t.Run(name, func(t *testing.T) {
			w := shared.in(t)
			s := w.site()
			h := must(s.create(s.parts, "edge", unchecked))(t)
			_, err := s.writeFile(h, test.off, fileSync, []byte("over"))
			wantStatus(t, "WRITE", err, test.want...)
			if err != nil {
				if a := must(s.getattr(h))(t); a.size != 0 {
					t.Errorf("the file has %d bytes now", a.size)
				}
			}
			_, err = s.nfs(procRemove, xdr{}.opaque(s.parts).str("edge"))
			wantStatus(t, "REMOVE", err, statOK)
		})
	}
}

func TestSizesThatAreSet(t *testing.T) {
	shared := newWorld(t).start(roomy)
	for name, test := range map[string]struct {
		size uint64
		want []status
	}{
		"2^63":               {1 << 63, []status{statInval, statFBig}},
		"2^64-1":             {math.MaxUint64, []status{statInval, statFBig}},
		"2^63-1":             {math.MaxInt64, []status{statInval, statFBig, statDQuot}},
		"one over the quota": {quota + 1, []status{statDQuot}},
		"the quota":          {quota, []status{statOK}},
		"shorter":            {2, []status{statOK}},
		"nothing":            {0, []status{statOK}},
	} {
		t.Run(name, func(t *testing.T) {
			s := shared.in(t).site()
			h := s.newFile("sized", []byte("sized"))
			_, err := s.nfs(procSetattr, xdr{}.opaque(h).sized(test.size).u32(0))
			wantStatus(t, "SETATTR", err, test.want...)
			want := uint64(5)
			if err == nil {
				want = test.size
			}
			if a := must(s.getattr(h))(t); a.size != want {
				t.Errorf("the file has %d bytes, want %d", a.size, want)
			}
			_, err = s.create(s.parts, "born-"+name, unchecked)
			wantStatus(t, "CREATE", err, statOK)
			for _, n := range []string{"sized", "born-" + name} {
				_, err = s.nfs(procRemove, xdr{}.opaque(s.parts).str(n))
				wantStatus(t, "REMOVE", err, statOK)
			}
		})
	}
}

func TestCreateOfASizeKeepsTheQuota(t *testing.T) {
	s := newWorld(t).start(roomy).site()
	for size, want := range map[uint64][]status{
		quota + 1: {statDQuot}, 1<<63 - 1: {statDQuot, statFBig, statInval}, 1 << 63: {statFBig, statInval}, 1<<64 - 1: {statFBig, statInval},
	} {
		_, err := s.nfs(procCreate, xdr{}.opaque(s.parts).str("big").u32(unchecked).sized(size))
		wantStatus(t, fmt.Sprintf("CREATE of %d bytes", size), err, want...)
		if free := s.free(); free != quota {
			t.Errorf("%d bytes are free after CREATE of %d", free, size)
		}
	}
}

// free is what FSSTAT says of the folder of parts.
func (s *site) free() uint64 {
	s.t.Helper()
	r := must(s.nfs(procFsstat, xdr{}.opaque(s.parts)))(s.t)
	r.postAttr()
	r.u64() // in all
	return r.u64()
}

func TestQuotaIsGivenBack(t *testing.T) {
	s := newWorld(t).start(roomy).site()
	full := make([]byte, 1<<20)
	fill := func() (files [][]byte) {
		for i := 0; ; i++ {
			h := must(s.create(s.parts, fmt.Sprint("f", i), unchecked))(t)
			if _, err := s.writeFile(h, 0, fileSync, full); err != nil {
				wantStatus(t, "WRITE", err, statDQuot)
				return append(files, h)
			}
			files = append(files, h)
		}
	}
	files := fill()
	if len(files) != quota>>20+1 {
		t.Fatalf("%d files of 1 MiB fit", len(files)-1)
	}
	if got := s.free(); got != 0 {
		t.Errorf("FSSTAT says that %d bytes are free", got)
	}
	last := files[len(files)-1]
	for what, giveBack := range map[string]call{
		"a shorter file":     {proc: procSetattr, args: xdr{}.opaque(files[1]).sattr(-1, 0).u32(0)},
		"a removed file":     {proc: procRemove, args: xdr{}.opaque(s.parts).str("f2")},
		"an overwritten one": {proc: procRename, args: xdr{}.opaque(s.parts).str("f3").opaque(s.parts).str("f4")},
		"a file cut by CREATE": {
			proc: procCreate, args: xdr{}.opaque(s.parts).str("f5").u32(unchecked).sattr(-1, 0),
		},
	} {
		t.Run(what, func(t *testing.T) {
			_, err := s.nfs(giveBack.proc, giveBack.args)
			wantStatus(t, "giving back", err, statOK)
			_, err = s.writeFile(last, 0, fileSync, full)
			wantStatus(t, "WRITE into what is free now", err, statOK)
			_, err = s.writeFile(last, 1<<20, fileSync, full[:1])
			wantStatus(t, "WRITE of one byte more", err, statDQuot)
			_, err = s.nfs(procSetattr, xdr{}.opaque(last).sattr(-1, 0).u32(0))
			wantStatus(t, "SETATTR", err, statOK)
			_, err = s.writeFile(files[0], 1<<20, fileSync, full)
			wantStatus(t, "WRITE behind another", err, statOK)
			// what was free is used up again by this
			_, err = s.nfs(procSetattr, xdr{}.opaque(files[0]).sattr(-1, 1<<20).u32(0))
			wantStatus(t, "SETATTR", err, statOK)
			h := must(s.create(s.parts, "instead of "+what, unchecked))(t)
			_, err = s.writeFile(h, 0, fileSync, full)
			wantStatus(t, "WRITE", err, statOK)
		})
	}
}

// TestQuotaRaces lets many connections write until nothing fits any more: never more than the quota may lie on the disk.
func TestQuotaRaces(t *testing.T) {
	w := newWorld(t).start(nfsd.Limits{})
	sites := make([]*site, 8)
	for i := range sites {
		sites[i] = w.site()
	}
	shared := sites[0].newFile("shared", nil)
	var taken atomic.Int64 // bytes in files of their own
	together(len(sites), func(i int) {
		s := sites[i]
		piece := make([]byte, 100_000+i*1000)
		for n := range 40 {
			h, err := s.create(s.parts, fmt.Sprintf("own-%d-%d", i, n), guarded)
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := s.writeFile(h, 0, unstable, piece); err == nil {
				taken.Add(int64(len(piece)))
			} else if err != statDQuot {
				t.Error(err)
			}
			if _, err := s.writeFile(shared, uint64(n*len(piece)), unstable, piece[:1000]); err != nil && err != statDQuot {
				t.Error(err)
			}
			if n%5 == 0 {
				if _, err := s.nfs(procSetattr, xdr{}.opaque(shared).sattr(-1, int64(n*10_000)).u32(0)); err != nil && err != statDQuot {
					t.Error(err)
				}
			}
		}
	})
	var own, all int64
	entries, err := os.ReadDir(w.path("parts"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		all += info.Size()
		if e.Name() != "shared" {
			own += info.Size()
		}
	}
	if all > quota || own != taken.Load() {
		t.Errorf("%d bytes lie there under a quota of %d; files of their own have %d, acknowledged were %d", all, quota, own, taken.Load())
	}
	if all < quota*3/4 {
		t.Errorf("only %d bytes of %d were used", all, quota)
	}
	if free := sites[0].free(); free != uint64(quota-all) {
		t.Errorf("FSSTAT says that %d bytes are free, want %d", free, quota-all)
	}
}

func TestHowManyFilesAFolderHolds(t *testing.T) {
	w := newWorld(t)
	folder := w.folder()
	folder.Files = 5
	w.views["worker"] = show(w.newExport(1, "job-1", folder))
	w.start(nfsd.Limits{})
	sites := []*site{w.site(), w.site(), w.site(), w.site()}
	var made atomic.Int64
	together(len(sites), func(i int) {
		for n := range 5 {
			if _, err := sites[i].create(sites[i].parts, fmt.Sprint(i, "-", n), guarded); err == nil {
				made.Add(1)
			} else if err != statNoSpc && err != statDQuot {
				t.Error(err)
			}
		}
	})
	if made.Load() != 5 {
		t.Errorf("%d files were made, want 5", made.Load())
	}
}

func TestListings(t *testing.T) {
	w := newWorld(t).start(roomy)
	s := w.site()
	want := map[string]bool{}
	for i := range 300 {
		name := fmt.Sprintf("a file with a rather long name, number %04d", i)
		w.put("parts/"+name, nil)
		want[name] = true
	}
	for _, count := range []uint32{1000, 8192, 1 << 20, math.MaxUint32} {
		entries, calls, err := s.list(s.parts, count, count)
		if err != nil {
			t.Fatalf("count %d: %v", count, err)
		}
		got := map[string]bool{}
		for _, e := range entries {
			if want[e.name] && got[e.name] {
				t.Errorf("count %d: %s is listed twice", count, e.name)
			}
			got[e.name] = true
			if want[e.name] && (e.attr == nil || e.attr.fileid != e.fileid || e.handle == nil) {
				t.Errorf("count %d: %s has attributes %+v, file number %d, handle % x", count, e.name, e.attr, e.fileid, e.handle)
			}
		}
		for name := range want {
			if !got[name] {
				t.Errorf("count %d: %s is missing", count, name)
			}
		}
		if calls > 150 {
			t.Errorf("count %d: %d calls", count, calls)
		}
	}
}

func TestListingsWithBadArguments(t *testing.T) {
	shared := newWorld(t).start(roomy)
	for i := range 100 {
		shared.put(fmt.Sprintf("parts/file-%03d", i), nil)
	}
	for name, test := range map[string]struct {
		cookie, verifier uint64
		count            uint32
		want             []status
	}{
		"room for nothing":        {count: 0, want: []status{statTooSmall}},
		"room for no entry":       {count: 100, want: []status{statTooSmall}},
		"a cookie of nobody":      {cookie: 1 << 40, count: 8192, want: []status{statBadCook, statOK}},
		"a cookie of 2^64-1":      {cookie: math.MaxUint64, count: 8192, want: []status{statBadCook, statOK, statInval}},
		"a cookie of 2^63":        {cookie: 1 << 63, count: 8192, want: []status{statBadCook, statOK, statInval}},
		"a verifier of nobody":    {cookie: 3, verifier: 0xdead, count: 8192, want: []status{statBadCook}},
		"a verifier at the start": {verifier: 0xdead, count: 8192, want: []status{statBadCook, statOK}},
	} {
		t.Run(name, func(t *testing.T) {
			s := shared.in(t).site()
			for _, dir := range [][]byte{s.root, s.media, s.parts} {
				p, err := s.readdirplus(dir, test.cookie, test.verifier, test.count, test.count)
				wantStatus(t, "READDIRPLUS", err, test.want...)
				if p.bytes > 1<<20 || p.bytes > int(test.count) && err == nil {
					t.Errorf("READDIRPLUS gives %d bytes, asked for %d", p.bytes, test.count)
				}
				p, err = s.readdir(dir, test.cookie, test.verifier, test.count)
				wantStatus(t, "READDIR", err, test.want...)
				if p.bytes > int(test.count) && err == nil {
					t.Errorf("READDIR gives %d bytes, asked for %d", p.bytes, test.count)
				}
			}
			for _, h := range [][]byte{s.clip} {
				_, err := s.readdirplus(h, test.cookie, test.verifier, 8192, 8192)
				wantStatus(t, "READDIRPLUS of a file", err, statNotDir)
			}
			s.alive()
		})
	}
}

// TestAFolderThatChangesInMidListing: what is there all the time is listed exactly once.
func TestAFolderThatChangesInMidListing(t *testing.T) {
	w := newWorld(t).start(roomy)
	s, other := w.site(), w.site()
	for i := range 200 {
		w.put(fmt.Sprintf("parts/stays-%03d", i), nil)
	}
	stop := make(chan struct{})
	changing := make(chan error, 1)
	go func() {
		changing <- func() error {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return nil
				default:
				}
				name := fmt.Sprintf("comes-and-goes-%03d", i%70)
				if _, err := other.create(other.parts, name, unchecked); err != nil {
					return err
				}
				if i%3 != 0 {
					continue
				}
				if _, err := other.nfs(procRemove, xdr{}.opaque(other.parts).str(name)); err != nil {
					return err
				}
			}
		}()
	}()
	for range 5 {
		entries, _, err := s.list(s.parts, 1500, 1500)
		if err != nil && !errors.Is(err, statBadCook) { // the client begins again then
			t.Error(err)
		}
		seen := map[string]int{}
		for _, e := range entries {
			seen[e.name]++
		}
		for i := range 200 {
			name := fmt.Sprintf("stays-%03d", i)
			if err == nil && seen[name] != 1 {
				t.Errorf("%s is listed %d times", name, seen[name])
			}
		}
	}
	close(stop)
	if err := <-changing; err != nil {
		t.Fatal(err)
	}
}

// TestCallsSentAgain sends a call again, with its number, on a new connection, as clients do that
// have lost the first before its reply came.
func TestCallsSentAgain(t *testing.T) {
	w := newWorld(t).start(roomy)
	s := w.site()
	of := func(n string) xdr { return xdr{}.opaque(s.parts).str(n) }
	for name, test := range map[string]struct {
		have []string
		call call
		want status
		tree []string
	}{
		"REMOVE":                        {[]string{"a"}, call{proc: procRemove, args: of("a")}, statOK, nil},
		"REMOVE of nothing":             {nil, call{proc: procRemove, args: of("a")}, statNoEnt, nil},
		"RENAME":                        {[]string{"a"}, call{proc: procRename, args: of("a").raw(of("b")...)}, statOK, []string{"b"}},
		"RENAME over a file":            {[]string{"a", "b"}, call{proc: procRename, args: of("a").raw(of("b")...)}, statOK, []string{"b"}},
		"guarded CREATE":                {nil, call{proc: procCreate, args: of("a").u32(guarded).sattr(0o644, -1)}, statOK, []string{"a"}},
		"exclusive CREATE":              {nil, call{proc: procCreate, args: of("a").u32(exclusive).u64(99)}, statOK, []string{"a"}},
		"guarded CREATE of what exists": {[]string{"a"}, call{proc: procCreate, args: of("a").u32(guarded).sattr(0o644, -1)}, statExist, []string{"a"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := w.in(t)
			for _, f := range test.have {
				s.newFile(f, []byte(f))
			}
			test.call.xid = uint32(len(name)) * 1_000_003
			var answers []status
			for range 3 {
				c := w.dial()
				if err := c.write(record(test.call.message())); err != nil {
					t.Fatal(err)
				}
				p, err := c.receive()
				if err != nil || p.accept != acceptOK {
					t.Fatalf("%+v, %v", p, err)
				}
				answers = append(answers, p.body.status())
				c.conn.(*net.TCPConn).SetLinger(0)
				c.conn.Close()
			}
			if want := []status{test.want, test.want, test.want}; !slices.Equal(answers, want) {
				t.Errorf("answers %d, want %d", answers, want)
			}
			var tree []string
			for _, e := range must(os.ReadDir(w.path("parts")))(t) {
				tree = append(tree, e.Name())
				w.remove("parts/" + e.Name())
			}
			if !slices.Equal(tree, test.tree) {
				t.Errorf("the folder holds %q, want %q", tree, test.tree)
			}
		})
	}
}

// TestAnotherCallOfTheSameNumberIsDone: clients that start anew use numbers again.
func TestAnotherCallOfTheSameNumberIsDone(t *testing.T) {
	w := newWorld(t).start(roomy)
	s := w.site()
	s.newFile("a", nil)
	s.newFile("b", nil)
	for _, name := range []string{"a", "b"} {
		c := w.dial()
		if err := c.write(record(call{xid: 5, proc: procRemove, args: xdr{}.opaque(s.parts).str(name)}.message())); err != nil {
			t.Fatal(err)
		}
		if p, err := c.receive(); err != nil || p.body.status() != statOK {
			t.Errorf("REMOVE %s: %+v, %v", name, p, err)
		}
		if _, err := s.lookup(s.parts, name); err != statNoEnt {
			t.Errorf("LOOKUP %s: %v", name, err)
		}
	}
}

// TestMkdirSentAgain: folders are made for nobody, however often they ask.
func TestMkdirSentAgain(t *testing.T) {
	w := newWorld(t).start(roomy)
	s := w.site()
	before := w.tree()
	for range 3 {
		_, err := s.nfs(procMkdir, xdr{}.opaque(s.parts).str("folder").sattr(0o755, -1))
		wantStatus(t, "MKDIR", err, statNotSupp, statROFS, statAcces, statPerm)
		_, err = s.nfs(procRmdir, xdr{}.opaque(s.root).str("parts"))
		wantStatus(t, "RMDIR", err, statNotSupp, statROFS, statAcces, statPerm)
	}
	if after := w.tree(); after != before {
		t.Errorf("the files changed from\n%s\nto\n%s", before, after)
	}
}

func TestCreateNeverTruncates(t *testing.T) {
	w := newWorld(t).start(nfsd.Limits{})
	content := bytes.Repeat([]byte("content"), 10_000)
	w.site().newFile("part", content)
	sites := make([]*site, 8)
	for i := range sites {
		sites[i] = w.site()
	}
	together(len(sites), func(i int) {
		s := sites[i]
		for range 20 {
			if _, err := s.create(s.parts, "part", unchecked); err != nil {
				t.Errorf("unchecked: %v", err)
			}
			if _, err := s.create(s.parts, "part", guarded); err != statExist {
				t.Errorf("guarded: %v", err)
			}
			if _, err := s.create(s.parts, "part", exclusive); err != statExist {
				t.Errorf("exclusive: %v", err)
			}
		}
	})
	if got := w.content("parts/part"); !bytes.Equal(got, content) {
		t.Errorf("the file has %d bytes, want %d", len(got), len(content))
	}
}

func TestOneOfManyMakesTheFile(t *testing.T) {
	w := newWorld(t).start(nfsd.Limits{})
	sites := make([]*site, 8)
	for i := range sites {
		sites[i] = w.site()
	}
	for what, how := range map[string]uint32{"guarded": guarded, "exclusive": exclusive} {
		var made atomic.Int64
		together(len(sites), func(i int) {
			x := xdr{}.opaque(sites[i].parts).str(what).u32(how)
			if how == exclusive {
				x = x.u64(uint64(i + 1))
			} else {
				x = x.sattr(0o644, -1)
			}
			switch _, err := sites[i].nfs(procCreate, x); err {
			case nil:
				made.Add(1)
			case statExist:
			default:
				t.Errorf("%s: %v", what, err)
			}
		})
		if made.Load() != 1 {
			t.Errorf("%s: %d of 8 have made the file", what, made.Load())
		}
	}
}

func TestRenameOverAnOpenFile(t *testing.T) {
	s := newWorld(t).start(roomy).site()
	old, fresh := s.newFile("part", []byte("old")), s.newFile("part.tmp", []byte("fresh"))
	_, err := s.nfs(procRename, xdr{}.opaque(s.parts).str("part.tmp").opaque(s.parts).str("part"))
	wantStatus(t, "RENAME", err, statOK)
	if data, _, err := s.read(fresh, 0, 100); err != nil || string(data) != "fresh" {
		t.Errorf("the renamed file's handle gives %q, %v", data, err)
	}
	if data, _, err := s.read(old, 0, 100); err != statStale && string(data) != "old" {
		t.Errorf("the overwritten file's handle gives %q, %v", data, err)
	}
	if _, err := s.writeFile(fresh, 5, fileSync, []byte("er")); err != nil {
		t.Errorf("WRITE with the renamed file's handle: %v", err)
	}
	h := must(s.lookup(s.parts, "part"))(t)
	if !bytes.Equal(h, fresh) {
		t.Error("the handle has changed with the name")
	}
	if data, _, err := s.read(h, 0, 100); err != nil || string(data) != "fresher" {
		t.Errorf("the new name gives %q, %v", data, err)
	}
}

// TestRemoveWhileOpen does what the Linux client does with a file that is removed while a program has it open.
func TestRemoveWhileOpen(t *testing.T) {
	w := newWorld(t)
	folder := w.folder()
	folder.Allow = func(name string) bool { return name == "part" }
	w.views["worker"] = show(w.newExport(1, "job-1", folder))
	s := w.start(roomy).site()
	h := s.newFile("part", []byte("open"))
	const silly = ".nfs000000000000000b00000001"
	_, err := s.nfs(procRename, xdr{}.opaque(s.parts).str("part").opaque(s.parts).str(silly))
	wantStatus(t, "RENAME", err, statOK)
	if data, _, err := s.read(h, 0, 100); err != nil || string(data) != "open" {
		t.Errorf("READ gives %q, %v", data, err)
	}
	_, err = s.writeFile(h, 4, fileSync, []byte(" still"))
	wantStatus(t, "WRITE", err, statOK)
	_, err = s.nfs(procRemove, xdr{}.opaque(s.parts).str(silly))
	wantStatus(t, "REMOVE", err, statOK)
	if left := must(os.ReadDir(w.path("parts")))(t); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}
