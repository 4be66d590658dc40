package nfsd

import (
	"slices"
	"strings"

	"olive-distributed/nfsd/internal/front"
	"olive-distributed/nfsd/internal/handle"
	"olive-distributed/nfsd/internal/nfs3"
	"olive-distributed/nfsd/internal/rpc"
	"olive-distributed/nfsd/internal/xdr"
)

// mountProcedures are those of the MOUNT protocol, version 3 (RFC 1813 appendix I), by their number.
var mountProcedures = [...]procedure{
	{name: "null", run: (*call).null, quick: true},
	{name: "mount", run: (*call).mount, quick: true},
	{name: "dump", run: (*call).dump, quick: true},
	{name: "unmount", run: (*call).unmount, quick: true},
	{name: "unmount all", run: (*call).null, quick: true},
	{name: "export", run: (*call).exports, quick: true},
}

// null has nothing to do. What a client has mounted is not remembered, and so need not be forgotten.
func (k *call) null() nfs3.Status {
	k.Out = k.Out[:rpc.ReplyHeader]
	return void
}

func (k *call) unmount() nfs3.Status {
	if k.Args.Opaque(nfs3.PathMax); !k.Args.OK() {
		return garbage
	}
	return k.null()
}

// mount gives the handle of an export's root, or of a folder in it: clients that take paths apart ask
// for those (libnfs). What is not there is refused as what may not be seen.
func (k *call) mount() nfs3.Status {
	path := k.Args.Opaque(len(k.Args.Rest()))
	if !k.Args.OK() {
		return garbage
	}
	if len(path) > nfs3.PathMax {
		return nfs3.NameTooLong
	}
	h, ok := k.mountPoint(strings.Trim(string(path), "/"))
	if !ok {
		return nfs3.Acces
	}
	k.Out = xdr.Opaque(k.Out, h[:])
	for _, v := range [...]uint32{2, rpc.AuthSys, rpc.AuthNone} {
		k.Out = xdr.Uint32(k.Out, v)
	}
	return nfs3.OK
}

// mountPoint is the handle of "export" or "export/folder".
func (k *call) mountPoint(path string) (h handle.Handle, ok bool) {
	name, below, deeper := strings.Cut(path, "/")
	all := k.view.Exports()
	i := slices.IndexFunc(all, func(e *Export) bool { return e.Name() == name })
	if i < 0 {
		return h, false
	}
	e := all[i]
	if !deeper {
		return k.dirHandle(e, e.Root()), true
	}
	it := e.Root().Lookup(below)
	switch {
	case it == nil, it.File != nil:
		return h, false
	case it.Parts != nil:
		return k.folderHandle(e), true
	}
	return k.dirHandle(e, it.Dir), true
}

// dump lists who has mounted what: that is nobody's business.
func (k *call) dump() nfs3.Status {
	k.Out = xdr.Bool(k.Out[:rpc.ReplyHeader], false)
	return void
}

// exports lists what the identity can mount; as much as goes into a reply.
func (k *call) exports() nfs3.Status {
	if s := k.grow(front.MediumMax); s != nfs3.OK {
		return s
	}
	k.Out = k.Out[:rpc.ReplyHeader]
	for _, e := range k.view.Exports() {
		if len(k.Out)+nfs3.NameMax+32 > cap(k.Out) {
			break
		}
		k.Out = xdr.Opaque(xdr.Bool(k.Out, true), "/"+e.Name())
		k.Out = xdr.Bool(k.Out, false) // no groups: it is for everybody who sees it
	}
	k.Out = xdr.Bool(k.Out, false)
	return void
}
