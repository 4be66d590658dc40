package dbus

import (
	"context"
	"errors"
	"io/fs"

	godbus "github.com/godbus/dbus/v5"

	"olive-distributed/daemon/farm"
	"olive-distributed/dbus/access"
)

// An Error is a refusal that callers can tell from others. Compare with [errors.Is]: two are the
// same that have the same name.
type Error struct {
	Name string // the last word of org.olive.Error.NAME
	Text string
}

func (e *Error) Error() string { return e.Text }

// Is lets errors.Is compare names, and find the sentinels of the farm on both sides of the bus.
func (e *Error) Is(target error) bool {
	if t, ok := target.(*Error); ok {
		return t.Name == e.Name
	}
	return target == farm.ErrNoJob && e.Name == ErrNoSuchJob.Name || target == farm.ErrNoWorker && e.Name == ErrNoSuchWorker.Name
}

// With returns an error of the same name that tells more.
func (e *Error) With(err error) *Error { return &Error{e.Name, err.Error()} }

// Errors, as the XML tells them.
var (
	ErrNotAuthorized  = &Error{"NotAuthorized", "not authorized"}
	ErrAccessDenied   = &Error{"AccessDenied", "access denied"}
	ErrNoSuchJob      = &Error{"NoSuchJob", "no such job"}
	ErrNoSuchWorker   = &Error{"NoSuchWorker", "no such worker"}
	ErrBadProject     = &Error{"BadProject", "the project cannot be exported"}
	ErrMissingMedia   = &Error{"MissingMedia", "media are missing"}
	ErrWrongState     = &Error{"WrongState", "the state does not allow it"}
	ErrUnavailable    = &Error{"Unavailable", "nothing is taken at the moment"}
	ErrLimitsExceeded = &Error{"LimitsExceeded", "too many calls at the same time: wait for the answers"}
	ErrFailed         = &Error{"Failed", "failed"}
)

// Error names of others.
const (
	errorPrefix = "org.olive.Error."

	errBusPolicy        = "org.freedesktop.DBus.Error.AccessDenied"
	errInvalidArgs      = "org.freedesktop.DBus.Error.InvalidArgs"
	errUnknownObject    = "org.freedesktop.DBus.Error.UnknownObject"
	errUnknownInterface = "org.freedesktop.DBus.Error.UnknownInterface"
	errUnknownMethod    = "org.freedesktop.DBus.Error.UnknownMethod"
	errUnknownProperty  = "org.freedesktop.DBus.Error.UnknownProperty"
	errReadOnly         = "org.freedesktop.DBus.Error.PropertyReadOnly"
)

// standard makes an error that D-Bus itself has a name for.
func standard(name, text string) error { return godbus.NewError(name, []any{text}) }

// toWire gives every error its name on the bus. There is no other place that does.
func toWire(err error) *godbus.Error {
	var ours *Error
	var theirs *godbus.Error
	var refused *access.Error
	var state *farm.StateError
	name := ErrFailed.Name
	switch {
	case errors.As(err, &theirs):
		return theirs
	case errors.As(err, &ours):
		name = ours.Name
	case errors.Is(err, farm.ErrNoJob):
		name = ErrNoSuchJob.Name
	case errors.Is(err, farm.ErrNoWorker):
		name = ErrNoSuchWorker.Name
	case errors.As(err, &state):
		name = ErrWrongState.Name
	case errors.As(err, &refused):
		name = ErrAccessDenied.Name
		if errors.Is(err, fs.ErrNotExist) {
			name = ErrBadProject.Name
		}
	case errors.Is(err, context.Canceled):
		name, err = ErrUnavailable.Name, errors.New("the daemon is stopping")
	}
	return godbus.NewError(errorPrefix+name, []any{err.Error()})
}
