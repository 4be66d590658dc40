package handle_test

import (
	"testing"

	"olive-distributed/nfsd/internal/handle"
)

var key = []byte("a key that the tests share")

func TestAHandleMeansTheSameAfterARestart(t *testing.T) {
	id := handle.ID{Export: 1<<32 - 2, Kind: handle.Part, Generation: 0xabcdef, Object: 1<<63 + 5}
	first, second := handle.NewMint(key).Make(id), handle.NewMint(key).Make(id)
	if first != second {
		t.Fatalf("the same ID has the handles %x and %x", first, second)
	}
	got, back, ok := handle.Read(first[:])
	if !ok || back != id || !handle.NewMint(key).Genuine(&got) {
		t.Fatalf("Read(%x) = %+v, %t, want %+v and genuine", first, back, ok, id)
	}
}

func TestNoBitOfAHandleCanBeChanged(t *testing.T) {
	m := handle.NewMint(key)
	made := m.Make(handle.ID{Export: 7, Kind: handle.File, Generation: 3, Object: 99})
	for bit := range handle.Size * 8 {
		forged := made
		forged[bit/8] ^= 1 << (bit % 8)
		if h, _, ok := handle.Read(forged[:]); ok && m.Genuine(&h) {
			t.Errorf("with bit %d turned it is still genuine", bit)
		}
	}
	if handle.NewMint([]byte("another key altogether")).Genuine(&made) {
		t.Error("it is genuine under another key")
	}
}

func FuzzRead(f *testing.F) {
	m := handle.NewMint(key)
	made := m.Make(handle.ID{Export: 7, Kind: handle.File, Object: 99})
	f.Add(made[:])
	f.Add(make([]byte, 64))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, id, ok := handle.Read(b)
		if ok && m.Genuine(&h) && m.Make(id) != h {
			t.Fatalf("%x is genuine, but %+v makes another handle", b, id)
		}
	})
}

func BenchmarkGenuine(b *testing.B) {
	m := handle.NewMint(key)
	h := m.Make(handle.ID{Export: 7})
	b.ReportAllocs()
	for b.Loop() {
		if !m.Genuine(&h) {
			b.Fatal("it is not")
		}
	}
}
