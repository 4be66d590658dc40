package front

import (
	"olive-distributed/nfsd/internal/rpc"
)

// A Verdict says what became of a call.
type Verdict int

// The verdicts.
const (
	Done  Verdict = iota // the reply is in Out
	Lost                 // there is nobody to answer any more
	Later                // it would take the leader too long: only if Leads
)

// A Call is one call from its record to its reply. It is the program's until that has answered.
type Call struct {
	rpc.Call
	Session any    // of the connection
	Leads   bool   // who answers must not wait for a disk: it keeps the next calls of the connection waiting
	Out     []byte // the reply so far, which begins with room for its record mark

	conn   *conn
	record buffer // what Args are in
	room   buffer // of Out
}

// Identity is whose call it is.
func (k *Call) Identity() string { return k.conn.who.identity }

// Grow makes room for n bytes of reply in all, at most [RecordMax]; it may wait for memory. false: the call is lost.
func (k *Call) Grow(n int) bool {
	if n <= cap(k.Out) {
		return true
	}
	room, err := k.conn.memory.get(k.conn.ctx, n)
	if err != nil {
		return false
	}
	k.Out = append((*room.b)[:0], k.Out...)
	k.room.put()
	k.room = room
	return true
}

// Once answers a call that must not be done twice: with what do puts into Out, or with the answer that the identity got when
// the same call came before, perhaps over another connection.
func (k *Call) Once(do func() Verdict) Verdict {
	if k.Leads {
		return Later
	}
	reply := k.conn.who.replays.once(k.XID, k.Proc, k.Args.Rest(), func() []byte {
		if do() != Done {
			return nil
		}
		return k.Out
	})
	if reply == nil {
		return Lost
	}
	k.Out = append(k.Out[:0], reply...)
	return Done
}

// lead answers a call as the leader; false: it would take too long.
func (k *Call) lead() bool {
	args := k.Args
	k.Leads = true
	v := k.run(k.conn.hold)
	k.Leads = false
	if v != Later {
		return true
	}
	k.Args = args
	k.room.put()
	return false
}

// run has the call answered and sends the reply.
func (k *Call) run(send func([]byte)) Verdict {
	room, err := k.conn.memory.get(k.conn.ctx, SmallMax)
	if err != nil {
		return Lost
	}
	k.room, k.Out = room, (*room.b)[:0]
	v := k.conn.front.answer(k)
	if v == Done {
		send(rpc.Seal(k.Out))
	}
	return v
}

// reset makes k ready for the next call of the connection.
func (k *Call) reset() {
	k.record.put()
	k.room.put()
	k.Out, k.Leads = nil, false
}

// free gives k back.
func (k *Call) free() {
	k.reset()
	front := k.conn.front
	*k = Call{}
	front.calls.Put(k)
}
