package nfsd

import (
	"olive-distributed/nfsd/internal/disk"
	"olive-distributed/nfsd/internal/front"
	"olive-distributed/nfsd/internal/nfs3"
	"olive-distributed/nfsd/internal/parts"
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

	// run reads the arguments, and appends to k.Out what follows the status OK.
	run  func(k *call) nfs3.Status
	fail shape

	quick bool // the leader runs it: it takes no longer than handing it over would, or it answers later
	once  bool // it must not be done twice
}

// A call is what NFS needs to know of a call while it answers it.
type call struct {
	*front.Call
	server *Server
	view   View

	attr    nfs3.Attr // of the object that the call is about, for its reply
	hasAttr bool

	opened  *disk.Open    // in use until the call ends
	folders *parts.Shared // likewise
}

// release ends the use of what the call has opened.
func (k *call) release() {
	if k.opened != nil {
		k.server.files.Put(k.opened)
		k.opened = nil
	}
	if k.folders != nil {
		k.server.folders.Put(k.folders)
		k.folders = nil
	}
}

// answer answers a call of any program.
func (s *Server) answer(c *front.Call) front.Verdict {
	switch {
	case c.Denial != 0:
		c.Out = rpc.AppendDenied(c.Out, c.XID, c.Denial)
	case c.Prog != nfs3.Program && c.Prog != nfs3.MountProgram:
		c.Out = rpc.AppendReply(c.Out, c.XID, rpc.ProgUnavail)
	case c.Vers != nfs3.Version:
		c.Out = rpc.AppendMismatch(c.Out, c.XID, nfs3.Version)
	default:
		if p := procedureOf(c); p != nil {
			return s.call(c, p)
		}
		c.Out = rpc.AppendReply(c.Out, c.XID, rpc.ProcUnavail)
	}
	return front.Done
}

// procedureOf is what answers the call; nil: it is none that there is.
func procedureOf(c *front.Call) *procedure {
	table := nfsProcedures[:]
	if c.Prog == nfs3.MountProgram {
		table = mountProcedures[:]
	}
	if c.Proc >= uint32(len(table)) {
		return nil
	}
	return &table[c.Proc]
}

// call calls a procedure.
func (s *Server) call(c *front.Call, p *procedure) front.Verdict {
	if c.Leads && !p.quick {
		return front.Later
	}
	k := s.calls.Get().(*call)
	*k = call{Call: c, server: s, view: c.Session.(View)}
	defer func() {
		k.release()
		*k = call{}
		s.calls.Put(k)
	}()
	if p.once {
		return c.Once(func() front.Verdict { return k.run(p) })
	}
	return k.run(p)
}

// run runs a procedure and completes its reply.
func (k *call) run(p *procedure) front.Verdict {
	k.Out = rpc.AppendReply(k.Out[:0], k.XID, rpc.Success)
	k.Out = xdr.Uint32(k.Out, uint32(nfs3.OK))
	switch status := p.run(k); status {
	case nfs3.OK, void:
	case lost:
		return front.Lost
	case later:
		return front.Later
	case garbage:
		k.Out = rpc.AppendReply(k.Out[:0], k.XID, rpc.GarbageArgs)
	default:
		k.Out = xdr.Uint32(k.Out[:rpc.ReplyHeader], uint32(status))
		k.failed(p.fail)
	}
	return front.Done
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
		k.Out = nfs3.AppendWCC(k.Out, nil)
	}
}

// postOp appends the attributes of the object, if they are known.
func (k *call) postOp() { k.Out = nfs3.AppendPostOp(k.Out, k.known()) }

// wcc appends the attributes of the object after the call, if they are known.
func (k *call) wcc() { k.Out = nfs3.AppendWCC(k.Out, k.known()) }

func (k *call) known() *nfs3.Attr {
	if !k.hasAttr {
		return nil
	}
	return &k.attr
}

// grow makes room for n bytes of reply in all.
func (k *call) grow(n int) nfs3.Status {
	if !k.Grow(n) {
		return lost
	}
	return nfs3.OK
}
