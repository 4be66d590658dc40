package journal_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"

	"olive-distributed/daemon/bus/journal"
	"olive-distributed/daemon/farm"
)

func encode(t rapid.TB, e farm.Event) []byte {
	t.Helper()
	b, err := journal.AppendEvent(nil, &e)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func text(t rapid.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestEventsComeBackAsTheyWere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		str := rapid.String()
		e := farm.Event{
			Kind: farm.Kind(str.Draw(t, "kind")), At: time.UnixMilli(rapid.Int64Range(-1<<45, 1<<45).Draw(t, "at")).UTC(),
			Job: rapid.Uint32().Draw(t, "job"), Range: rapid.Uint32().Draw(t, "range"),
			First: rapid.Int64().Draw(t, "first"), End: rapid.Int64().Draw(t, "end"), Worker: str.Draw(t, "worker"),
			Reason: str.Draw(t, "reason"), Fatal: rapid.Bool().Draw(t, "fatal"), Priority: rapid.Int().Draw(t, "priority"),
			Stop: rapid.SliceOfN(str, 0, 3).Draw(t, "stop"), Joins: rapid.Bool().Draw(t, "joins"),
		}
		if rapid.Bool().Draw(t, "has spec") {
			e.Spec = &farm.JobSpec{Name: str.Draw(t, "name"), End: rapid.Int64().Draw(t, "length"), FPS: 25, Cuts: []int64{1, 2}, Data: json.RawMessage(`{"a":[1]}`)}
		}
		if rapid.Bool().Draw(t, "has hello") {
			e.Hello = &farm.WorkerSpec{Name: str.Draw(t, "name"), Engines: []string{"builtin"}, Speed: 1.5}
		}
		if rapid.Bool().Draw(t, "has result") {
			e.Result = &farm.Result{
				Part: str.Draw(t, "part"), Frames: rapid.Int64().Draw(t, "frames"), Size: rapid.Int64().Draw(t, "size"),
				SHA256: rapid.OneOf(str, rapid.StringMatching(`[0-9a-f]{64}`), rapid.StringMatching(`[0-9A-F]{64}`)).Draw(t, "sum"),
			}
		}
		got, err := journal.DecodeEvent(encode(t, e))
		if err != nil || text(t, got) != text(t, e) {
			t.Fatalf("got  %s, %v\nwant %s", text(t, got), err, text(t, e))
		}
	})
}

func TestFieldsOfANewerProgramAreSkipped(t *testing.T) {
	e := farm.Event{Kind: farm.JobPaused, At: epoch, Job: 7}
	b := protowire.AppendTag(nil, 900, protowire.BytesType)
	b = append(protowire.AppendString(b, "new"), encode(t, e)...)
	b = protowire.AppendFixed64(protowire.AppendTag(b, 901, protowire.Fixed64Type), 5)
	got, err := journal.DecodeEvent(b)
	if err != nil || text(t, got) != text(t, e) {
		t.Errorf("got %s, %v, want %s", text(t, got), err, text(t, e))
	}
}

// What can be read as an event can be written, and then reads the same.
func FuzzEvent(f *testing.F) {
	f.Add(encode(f, farm.Event{Kind: farm.RangeCompleted, At: epoch, Job: 1, Range: 2, Worker: "ada", Result: &farm.Result{Part: "p", SHA256: strings.Repeat("0a", 32)}}))
	f.Add(encode(f, farm.Event{Kind: farm.JobSubmitted, At: epoch, Job: 1, Spec: &farm.JobSpec{Name: "film", End: 5, FPS: 25}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := journal.DecodeEvent(b)
		if err != nil {
			return
		}
		e := got.(farm.Event)
		if y := e.At.Year(); y < 0 || y > 9999 {
			return // JSON has no such times
		}
		again, err := journal.DecodeEvent(encode(t, e))
		if err != nil || text(t, again) != text(t, e) {
			t.Fatalf("got  %s, %v\nwant %s", text(t, again), err, text(t, e))
		}
	})
}

// Whatever stands in a block file: it is read or refused, and never changed or trusted blindly.
func FuzzBlock(f *testing.F) {
	dir := filepath.Join(f.TempDir(), "store")
	w := open(f, journal.Config{Dir: dir, Reserve: 1 << 20})
	w.begin()
	w.turns(3)
	w.close()
	path := filepath.Join(dir, logBlock, "1.blk")
	good, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := journal.Check(dir)
		if err == nil && r.Events != 8 {
			t.Errorf("%d events, want 8 or an error", r.Events)
		}
	})
}
