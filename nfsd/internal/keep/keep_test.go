package keep_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"olive-distributed/nfsd/internal/keep"
)

// A door says how often it was closed.
type door struct {
	keep.Hold
	mu     sync.Mutex
	closed int
}

func (d *door) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed++
	return nil
}

func (d *door) times() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.closed
}

type keeper = keep.Keeper[string, *door]

func never(*door, *door) bool  { return false }
func always(*door, *door) bool { return true }

func want(t *testing.T, what string, d *door, closed int) {
	t.Helper()
	if got := d.times(); got != closed {
		t.Errorf("%s: closed %d times, want %d", what, got, closed)
	}
}

func TestWhatNobodyUsesIsDroppedAfterAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keeper{Idle: time.Minute}
		idle, used, often := &door{}, &door{}, &door{}
		k.Put(k.Add("idle", idle, never))
		k.Add("used", used, never)
		k.Put(k.Add("often", often, never))
		for range 5 {
			time.Sleep(50 * time.Second)
			if d, ok := k.Get("often"); !ok || d != often {
				t.Fatal("what is used every minute is not kept")
			}
			k.Put(often)
		}
		synctest.Wait()
		want(t, "idle", idle, 1)
		want(t, "in use", used, 0)
		if _, ok := k.Get("idle"); ok {
			t.Error("the idle one is still there")
		}
		k.Put(used)
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		want(t, "put back long ago", used, 1)
		want(t, "not used any more", often, 1)
	})
}

func TestWhatIsInUseIsClosedByItsLastUser(t *testing.T) {
	for name, drop := range map[string]func(k *keeper){
		"dropped":              func(k *keeper) { k.Drop("a") },
		"cleared":              func(k *keeper) { k.Clear() },
		"pushed out by others": func(k *keeper) { k.Put(k.Add("b", &door{}, never)); k.Put(k.Add("c", &door{}, never)) },
		"replaced":             func(k *keeper) { k.Put(k.Add("a", &door{}, never)) },
	} {
		t.Run(name, func(t *testing.T) {
			k := keeper{Most: 2, Idle: time.Hour}
			defer k.Clear()
			a := &door{}
			k.Add("a", a, never)
			k.Get("a")
			drop(&k)
			if d, ok := k.Get("a"); ok && d == a {
				t.Error("it is still kept")
			}
			k.Put(a)
			want(t, "with a user left", a, 0)
			k.Put(a)
			want(t, "after the last user", a, 1)
		})
	}
}

func TestTheFirstOfTheSameIsKept(t *testing.T) {
	k := keeper{Idle: time.Hour}
	first, second := &door{}, &door{}
	k.Add("a", first, always)
	if got := k.Add("a", second, always); got != first {
		t.Error("the second is kept")
	}
	want(t, "second", second, 1)
	k.Put(first)
	k.Put(first)
	want(t, "first", first, 0)
	k.Clear()
	want(t, "first, cleared", first, 1)
}

func TestManyUseManyThings(t *testing.T) {
	k := keeper{Most: 3, Idle: time.Millisecond}
	var all sync.WaitGroup
	var mu sync.Mutex
	var made []*door
	for w := range 8 {
		all.Go(func() {
			for i := range 2000 {
				key := fmt.Sprint((w + i) % 7)
				d, ok := k.Get(key)
				if !ok {
					d = &door{}
					mu.Lock()
					made = append(made, d)
					mu.Unlock()
					d = k.Add(key, d, always)
				}
				if d.times() > 0 {
					t.Error("it was closed under its user")
				}
				if i%50 == 0 {
					k.Drop(key)
				}
				k.Put(d)
			}
		})
	}
	all.Wait()
	k.Clear()
	for _, d := range made {
		want(t, "in the end", d, 1)
	}
}
