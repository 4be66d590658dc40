package front

import (
	"bytes"
	"hash/maphash"
	"sync"
	"time"
)

const (
	replayed    = 64              // answers that are kept for each identity
	replayedFor = 2 * time.Minute // and for how long
)

// A replayKey tells calls apart. A client sends a call again with its number and arguments unchanged.
type replayKey struct {
	xid, proc uint32
	sum       uint64 // of the arguments
	size      int    // of the arguments
}

// A replay is the answer to a call that must not be done twice.
type replay struct {
	key   replayKey
	at    time.Time
	done  chan struct{}
	reply []byte // after done; nil: it failed without one
}

// replays are the last answers that an identity got. The zero value is ready.
type replays struct {
	mu   sync.Mutex
	ring [replayed]*replay
	next int
	seed maphash.Seed
}

// once answers a call with what do returns, or with what it returned when the same call came before; then do is
// not called. A call that still runs is waited for.
func (r *replays) once(xid, proc uint32, args []byte, do func() []byte) []byte {
	p, first := r.enter(xid, proc, args)
	if !first {
		<-p.done
		return p.reply
	}
	defer r.leave(p)
	p.reply = bytes.Clone(do())
	return p.reply
}

// leave lets others have the answer. Without one the call was not done, and may come again.
func (r *replays) leave(p *replay) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.reply == nil {
		p.key = replayKey{}
	}
	close(p.done)
}

func (r *replays) enter(xid, proc uint32, args []byte) (p *replay, first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seed == (maphash.Seed{}) {
		r.seed = maphash.MakeSeed()
	}
	key := replayKey{xid, proc, maphash.Bytes(r.seed, args), len(args)}
	now := time.Now()
	for _, p := range r.ring {
		if p != nil && p.key == key && now.Sub(p.at) < replayedFor {
			return p, false
		}
	}
	p = &replay{key: key, at: now, done: make(chan struct{})}
	r.ring[r.next] = p
	r.next = (r.next + 1) % len(r.ring)
	return p, true
}
