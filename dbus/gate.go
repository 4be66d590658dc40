package dbus

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	godbus "github.com/godbus/dbus/v5"

	"olive-distributed/dbus/access"
)

// Actions of polkit, as in units/org.olive.policy.
const (
	actionSubmit        = "org.olive.master.submit"
	actionControlOwn    = "org.olive.master.control-own"
	actionControlAll    = "org.olive.master.control-all"
	actionEnroll        = "org.olive.master.enroll"
	actionManage        = "org.olive.master.manage"
	actionWorkerControl = "org.olive.worker.control"
)

// A gate finds the action that a call needs. The zero gate lets nobody through.
type gate struct {
	open bool // everybody may
	// action is called to find out; "" is no action, and refused.
	action func(ctx context.Context, c *call) (string, error)
}

// open is the gate of what everybody may.
var open = gate{open: true}

// needs is the gate of what needs one action, whoever calls.
func needs(action string) gate {
	return gate{action: func(context.Context, *call) (string, error) { return action, nil }}
}

// An authority says who may do what.
type authority interface {
	// check asks for the permission of the caller, who is asked for a password if that is allowed.
	check(ctx context.Context, sender, action string, interactive bool) (bool, error)
	// caller is who calls.
	caller(ctx context.Context, sender string) (access.Caller, error)
}

// pass lets a call through, or says why not. Whoever cannot be asked about is refused.
func (s *service) pass(ctx context.Context, g gate, c *call) error {
	if g.open {
		return nil
	}
	var action string
	if g.action != nil {
		var err error
		if action, err = g.action(ctx, c); err != nil {
			return err
		}
	}
	if action == "" {
		return ErrNotAuthorized.With(fmt.Errorf("%s.%s is for nobody", c.iface, c.name))
	}
	ok, err := s.auth.check(ctx, c.sender, action, c.interactive)
	switch {
	case err != nil && ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return ErrNotAuthorized.With(fmt.Errorf("%s needs %s, and polkit cannot be asked: %w", c.name, action, err))
	case !ok:
		return ErrNotAuthorized.With(fmt.Errorf("%s needs the permission %s: %s", c.name, action, remedy(action)))
	}
	return nil
}

// remedy is what whoever lacks the permission for an action can do, as units/org.olive.rules has it.
func remedy(action string) string {
	switch action {
	case actionEnroll, actionManage:
		return "it is the administrator's"
	case actionMount:
		return "only the worker of this machine and root have it; a job's files are mounted when the worker gets a range of it"
	}
	return "become a member of the group olive, or ask the administrator"
}

// polkit is the system's authority, behind a bus.
type polkit struct{ conn *godbus.Conn }

// How long polkit may take, and a person whom it asks.
const (
	checkTimeout  = 10 * time.Second
	promptTimeout = 5 * time.Minute
)

// allowInteraction is the flag of CheckAuthorization with which polkit may ask somebody.
const allowInteraction = 1

type subject struct {
	Kind    string
	Details map[string]godbus.Variant
}

type verdict struct {
	Authorized, Challenge bool
	Details               map[string]string
}

// check implements authority. The subject is the caller's name on the bus, which the bus gives to
// nobody else, and never a pid, which others may have by the time polkit looks.
func (p *polkit) check(ctx context.Context, sender, action string, interactive bool) (bool, error) {
	who := subject{"system-bus-name", map[string]godbus.Variant{"name": godbus.MakeVariant(sender)}}
	flags, patience := uint32(0), checkTimeout
	if interactive {
		flags, patience = allowInteraction, promptTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var v verdict
	err := p.conn.Object("org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority").
		CallWithContext(ctx, "org.freedesktop.PolicyKit1.Authority.CheckAuthorization", 0, who, action, map[string]string{}, flags, "").Store(&v)
	return v.Authorized, err
}

// caller implements authority.
func (p *polkit) caller(ctx context.Context, sender string) (access.Caller, error) {
	var c map[string]godbus.Variant
	if err := p.conn.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.GetConnectionCredentials", 0, sender).Store(&c); err != nil {
		return access.Caller{}, fmt.Errorf("find out who calls: %w", err)
	}
	uid, ok := c["UnixUserID"].Value().(uint32)
	if !ok {
		return access.Caller{}, errors.New("find out who calls: the bus does not know the user")
	}
	// Without groups, from a bus older than 1.13 of Linux older than 4.13, the caller has those of others.
	groups, _ := c["UnixGroupIDs"].Value().([]uint32)
	return access.Caller{UID: uid, Groups: groups}, nil
}

// closeFiles closes the descriptors that came with a call.
func closeFiles(args []any) {
	for _, a := range args {
		if fd, ok := a.(godbus.UnixFD); ok {
			syscall.Close(int(fd))
		}
	}
}
