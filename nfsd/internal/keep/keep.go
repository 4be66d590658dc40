// Package keep holds on to things that are used again and again and must be closed in the end, such as open files.
//
// What somebody uses is never closed under him: what is dropped meanwhile is closed by the last who uses it. What
// nobody has used for a while is dropped. Nothing here fails.
package keep

import (
	"container/list"
	"sync"
	"time"
)

// A Thing can be kept. It is a pointer to a struct that embeds a [Hold].
type Thing interface {
	comparable
	Close() error // called once, when nobody uses it any more
	Held() *Hold
}

// A Hold is what a [Keeper] knows of a thing. The zero value is right for a new one.
type Hold struct {
	place *list.Element // nil: it is not kept any more
	users int
	fresh bool // used since the last sweep
}

// Held is the hold itself.
func (h *Hold) Held() *Hold { return h }

// A Keeper keeps things by their keys. It is safe for concurrent use, and ready when its fields are set.
type Keeper[K comparable, T Thing] struct {
	Most int           // things that it keeps; 0: any number
	Idle time.Duration // after which what nobody uses is dropped, at twice this time at the latest

	mu     sync.Mutex
	things map[K]T
	order  list.List // of keys, the last used in front
	sweep  *time.Timer
}

// Get is the thing of that key. The caller must [Keeper.Put] it back.
func (k *Keeper[K, T]) Get(key K) (T, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	t, ok := k.things[key]
	if ok {
		k.use(t)
	}
	return t, ok
}

func (k *Keeper[K, T]) use(t T) {
	h := t.Held()
	h.users++
	h.fresh = true
	k.order.MoveToFront(h.place)
}

// Add takes over a thing. When another of its key came first and is the same, t is closed and that one
// returned; when it is not, it is dropped. The caller must [Keeper.Put] the result back.
func (k *Keeper[K, T]) Add(key K, t T, same func(a, b T) bool) T {
	k.mu.Lock()
	defer k.mu.Unlock()
	if other, ok := k.things[key]; ok {
		if same(other, t) {
			_ = t.Close()
			k.use(other)
			return other
		}
		k.drop(key, other)
	}
	if k.things == nil {
		k.things = map[K]T{}
	}
	*t.Held() = Hold{place: k.order.PushFront(key), users: 1, fresh: true}
	k.things[key] = t
	for e := k.order.Back(); e != nil && k.Most > 0 && len(k.things) > k.Most; e = k.order.Back() {
		last := e.Value.(K)
		k.drop(last, k.things[last])
	}
	if k.sweep == nil {
		k.sweep = time.AfterFunc(k.Idle, k.sweepIdle)
	}
	return t
}

// Put ends the use of a thing.
func (k *Keeper[K, T]) Put(t T) {
	k.mu.Lock()
	defer k.mu.Unlock()
	t.Held().users--
	closeUnused(t)
}

// Drop closes the thing of that key as soon as nobody uses it.
func (k *Keeper[K, T]) Drop(key K) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if t, ok := k.things[key]; ok {
		k.drop(key, t)
	}
}

func (k *Keeper[K, T]) drop(key K, t T) {
	h := t.Held()
	delete(k.things, key)
	k.order.Remove(h.place)
	h.place = nil
	closeUnused(t)
}

func closeUnused[T Thing](t T) {
	if h := t.Held(); h.place == nil && h.users == 0 {
		_ = t.Close()
	}
}

// sweepIdle drops what was not used since the last sweep, and comes again as long as something is left.
func (k *Keeper[K, T]) sweepIdle() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for key, t := range k.things {
		h := t.Held()
		if !h.fresh && h.users == 0 {
			k.drop(key, t)
		}
		h.fresh = false
	}
	k.sweep = nil
	if len(k.things) > 0 {
		k.sweep = time.AfterFunc(k.Idle, k.sweepIdle)
	}
}

// Clear drops everything.
func (k *Keeper[K, T]) Clear() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for key, t := range k.things {
		k.drop(key, t)
	}
	if k.sweep != nil {
		k.sweep.Stop()
		k.sweep = nil
	}
}
