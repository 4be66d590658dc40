// Package rpc reads calls and writes replies of ONC RPC version 2 (RFC 5531) over a stream.
//
// Lengths from the wire are checked against a limit before memory is taken for them. What cannot be answered is an
// error, after which the stream is of no use any more; what can be, is answered with the
// rejection that the protocol has for it.
package rpc

import (
	"encoding/binary"
	"errors"

	"olive-distributed/nfsd/internal/xdr"
)

const (
	version  = 2
	call     = 0
	reply    = 1
	accepted = 0
	denied   = 1

	callHeader = 40  // the shortest call: ten numbers
	credMax    = 400 // bytes of a credential or verifier (§8.2)
)

// The flavors of credentials that are let in (§8.1): what they say is not looked at.
const (
	AuthNone = 0
	AuthSys  = 1
)

// Stat says what became of a call (accept_stat, §9).
type Stat uint32

// The answers to calls that were accepted.
const (
	Success      Stat = 0
	ProgUnavail  Stat = 1
	ProgMismatch Stat = 2
	ProcUnavail  Stat = 3
	GarbageArgs  Stat = 4
	SystemErr    Stat = 5
)

// A Denial says why a call was not even accepted.
type Denial int

// The reasons for [AppendDenied]. Not denied is the zero.
const (
	RPCMismatch Denial = iota + 1
	AuthBadCred
)

// ErrNoCall means that a record is not a call: there is nothing to answer.
var ErrNoCall = errors.New("the record is not an RPC call")

// A Call is the header of a call, and its arguments.
type Call struct {
	XID, Prog, Vers, Proc uint32
	Denial                Denial // not 0: it must be denied, and has no arguments
	Args                  xdr.Reader
}

// Parse reads a record; the call's arguments are a part of it. The error is [ErrNoCall].
func Parse(record []byte) (Call, error) {
	r := xdr.NewReader(record)
	c := Call{XID: r.Uint32()}
	if kind := r.Uint32(); kind != call || len(record) < callHeader {
		return Call{}, ErrNoCall
	}
	if r.Uint32() != version {
		c.Denial = RPCMismatch
		return c, nil
	}
	c.Prog, c.Vers, c.Proc = r.Uint32(), r.Uint32(), r.Uint32()
	flavor := r.Uint32()
	r.Opaque(credMax)
	r.Uint32() // the verifier's flavor
	r.Opaque(credMax)
	if !r.OK() || flavor != AuthNone && flavor != AuthSys {
		c.Denial = AuthBadCred
		return c, nil
	}
	c.Args = r
	return c, nil
}

// AppendReply begins the reply to an accepted call, after room for the mark of its record. The results follow.
func AppendReply(b []byte, xid uint32, s Stat) []byte {
	b = append(b, 0, 0, 0, 0)
	b = xdr.Uint32(xdr.Uint32(xdr.Uint32(b, xid), reply), accepted)
	b = xdr.Uint64(b, 0) // verifier: AUTH_NONE, nothing
	return xdr.Uint32(b, uint32(s))
}

// ReplyHeader is how many bytes [AppendReply] appends.
const ReplyHeader = 28

// AppendMismatch is the whole reply to a call of another version of a program that has only one.
func AppendMismatch(b []byte, xid, has uint32) []byte {
	return xdr.Uint32(xdr.Uint32(AppendReply(b, xid, ProgMismatch), has), has)
}

// AppendDenied is the whole reply to a call that is not accepted.
func AppendDenied(b []byte, xid uint32, why Denial) []byte {
	b = append(b, 0, 0, 0, 0)
	b = xdr.Uint32(xdr.Uint32(xdr.Uint32(b, xid), reply), denied)
	if why == RPCMismatch {
		return xdr.Uint32(xdr.Uint32(xdr.Uint32(b, 0), version), version)
	}
	return xdr.Uint32(xdr.Uint32(b, 1), 1) // AUTH_ERROR, AUTH_BADCRED
}

// Seal makes b, which begins with room for it, one record of one fragment (§11).
func Seal(b []byte) []byte {
	binary.BigEndian.PutUint32(b, uint32(len(b)-markSize)|lastFragment)
	return b
}
