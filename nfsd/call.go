package nfsd

import (
	"olive-distributed/nfsd/internal/disk"
	"olive-distributed/nfsd/internal/nfs3"
	"olive-distributed/nfsd/internal/rpc"
	"olive-distributed/nfsd/internal/xdr"
)

// Answers of procedures that are not statuses of the protocol.
const (
	garbage nfs3.Status = 1<<32 - 1 - iota // the arguments cannot be read
	lost                                   // there is nobody to answer any more
	later                                  // it would take the leader too long
	void                                   // the results have no status
)

// A shape is what follows a status that is not OK (the resfail of each procedure, RFC 1813).
type shape int

const (
	bare    shape = iota
	postOp        // post_op_attr
	wcc           // wcc_data
	wccTwo        // wcc_data of two folders
	linkWCC       // post_op_attr of the file, wcc_data of the folder
)

// A procedure is how one kind of call is answered.
type procedure struct {
	name string

	// run reads the arguments, and appends to k.out what follows the status OK.
	run  func(k *call) nfs3.Status
	fail shape

	quick bool // the leader runs it: it takes no longer than handing it over would, or it answers later
	once  bool // it must not be done twice
}

// A call is one call from its record to its reply. Calls are used again: [call.reset].
type call struct {
	*conn
	rpc.Call
	record buffer // what Args are in
	leads  bool   // the leader runs it

	out     []byte // the reply so far
	outRoom buffer

	attr    nfs3.Attr // of the object that the call is about, for its reply
	hasAttr bool

	opened  *disk.Open  // in use until the call ends
	folders *openFolder // likewise
}

func newCall() any { return &call{} }

// reset makes k ready for the next call.
func (k *call) reset() {
	k.record.put()
	k.outRoom.put()
	k.out, k.hasAttr = nil, false
	k.release()
}

// release ends the use of what the call has opened.
func (k *call) release() {
	if k.opened != nil {
		k.server.files.Put(k.opened)
		k.opened = nil
	}
	if k.folders != nil {
		k.server.folders.put(k.folders)
		k.folders = nil
	}
}

// free gives k back.
func (k *call) free() {
	k.reset()
	server := k.server
	*k = call{}
	server.calls.Put(k)
}

// procedure is what answers the call; nil: it is none that there is.
func (k *call) procedure() *procedure {
	table := nfsProcedures[:]
	if k.Prog == nfs3.MountProgram {
		table = mountProcedures[:]
	}
	if k.Proc >= uint32(len(table)) {
		return nil
	}
	return &table[k.Proc]
}

func (k *call) name() string {
	if p := k.procedure(); p != nil {
		return p.name
	}
	return "unknown"
}

// quick says whether the leader answers the call itself.
func (k *call) quick() bool {
	if k.Denial != 0 || k.Vers != nfs3.Version {
		return true
	}
	p := k.procedure()
	return p == nil || p.quick
}

// lead answers a call as the leader; false: it would take too long.
func (k *call) lead() bool {
	args := k.Args
	k.leads = true
	defer func() { k.leads = false }()
	if k.answer(k.hold) != later {
		return true
	}
	k.Args = args
	k.outRoom.put()
	k.release()
	return false
}

// answer makes the reply and sends it. It returns OK, lost or later.
func (k *call) answer(send func([]byte)) nfs3.Status {
	room, err := k.memory.get(k.ctx, smallSize)
	if err != nil {
		return lost
	}
	k.outRoom, k.out = room, (*room.b)[:0]
	s := k.reply()
	if s == nfs3.OK {
		send(rpc.Seal(k.out))
	}
	return s
}

// reply makes the reply in k.out. It returns OK, lost or later.
func (k *call) reply() nfs3.Status {
	switch {
	case k.Denial != 0:
		k.out = rpc.AppendDenied(k.out, k.XID, k.Denial)
		return nfs3.OK
	case k.Prog != nfs3.Program && k.Prog != nfs3.MountProgram:
		k.out = rpc.AppendReply(k.out, k.XID, rpc.ProgUnavail)
		return nfs3.OK
	case k.Vers != nfs3.Version:
		k.out = rpc.AppendMismatch(k.out, k.XID, nfs3.Version)
		return nfs3.OK
	}
	p := k.procedure()
	if p == nil {
		k.out = rpc.AppendReply(k.out, k.XID, rpc.ProcUnavail)
		return nfs3.OK
	}
	if !p.once {
		return k.run(p)
	}
	reply := k.who.replays.once(k.XID, k.Proc, k.Args.Rest(), func() []byte {
		if k.run(p) != nfs3.OK {
			return nil
		}
		return k.out
	})
	if reply == nil {
		return lost
	}
	k.out = append(k.out[:0], reply...)
	return nfs3.OK
}

// run runs a procedure and completes its reply.
func (k *call) run(p *procedure) nfs3.Status {
	k.out = rpc.AppendReply(k.out[:0], k.XID, rpc.Success)
	k.out = xdr.Uint32(k.out, uint32(nfs3.OK))
	switch status := p.run(k); status {
	case nfs3.OK, void:
	case lost, later:
		return status
	case garbage:
		k.out = rpc.AppendReply(k.out[:0], k.XID, rpc.GarbageArgs)
	default:
		k.out = xdr.Uint32(k.out[:rpc.ReplyHeader], uint32(status))
		k.failed(p.fail)
	}
	return nfs3.OK
}

// failed appends what follows a status that is not OK.
func (k *call) failed(s shape) {
	switch s {
	case bare:
	case postOp:
		k.postOp()
	case wcc:
		k.wcc()
	case wccTwo:
		k.wcc()
		k.wcc()
	case linkWCC:
		k.postOp()
		k.out = nfs3.AppendWCC(k.out, nil)
	}
}

// postOp appends the attributes of the object, if they are known.
func (k *call) postOp() { k.out = nfs3.AppendPostOp(k.out, k.known()) }

// wcc appends the attributes of the object after the call, if they are known.
func (k *call) wcc() { k.out = nfs3.AppendWCC(k.out, k.known()) }

func (k *call) known() *nfs3.Attr {
	if !k.hasAttr {
		return nil
	}
	return &k.attr
}

// grow makes room for n bytes of reply in all.
func (k *call) grow(n int) nfs3.Status {
	if n <= cap(k.out) {
		return nfs3.OK
	}
	room, err := k.memory.get(k.ctx, n)
	if err != nil {
		return lost
	}
	k.out = append((*room.b)[:0], k.out...)
	k.outRoom.put()
	k.outRoom = room
	return nfs3.OK
}
