package bus

import (
	"errors"
	"fmt"
)

var (
	// ErrInterrupted means that the connection was lost while a request was under way: nobody
	// knows whether the other side has handled it.
	ErrInterrupted = errors.New("the connection was lost before the answer came")
	// ErrAway means that the worker has no connection now.
	ErrAway = errors.New("the worker is not connected")
	// ErrTwice means that another process works under the worker's name.
	ErrTwice = errors.New("another process works with this machine's identity; if it is on another machine, that is a copy of this one: " +
		"give each a name of its own, by `olivectl worker add NAME` on the master and here the line that it prints")
	// ErrBusy means that the worker has too many requests under way.
	ErrBusy = errors.New("too many requests under way")
	// ErrStopping means that the master takes no more requests: ask again after a while.
	ErrStopping = errors.New("the master is stopping")
	// ErrNoHandler means that the other side does not know the kind of message.
	ErrNoHandler = errors.New("unknown kind of message")
	// ErrBadMessage means that a message is not what its kind asks for.
	ErrBadMessage = errors.New("malformed message")
	// ErrClosed means that the client is closed.
	ErrClosed = errors.New("the connection is closed")
)

// A Code names an error on the wire, so that [errors.Is] finds it on the other side. Both sides
// need the same codes. Match, if set, decides instead of errors.Is which errors have the code:
// for errors that are a type.
type Code struct {
	Name  string // "no-worker", never changed once it is in use
	Err   error  // what the client's error wraps
	Match func(error) bool
}

// ownCodes are those of this package.
var ownCodes = []Code{
	{Name: "busy", Err: ErrBusy},
	{Name: "stopping", Err: ErrStopping},
	{Name: "no-handler", Err: ErrNoHandler},
	{Name: "bad-message", Err: ErrBadMessage},
}

// A RemoteError is the other side's refusal of a request. It wraps the error of its code.
type RemoteError struct {
	Kind string // of the request
	Code string // "internal" if the error has no code
	Text string

	err error
}

func (e *RemoteError) Error() string { return fmt.Sprintf("%s: %s", e.Kind, e.Text) }

func (e *RemoteError) Unwrap() error { return e.err }

// A VersionError refuses a message in a version of the protocol that this program does not speak.
type VersionError struct {
	Kind      string
	Got, Want int
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("message %q has protocol version %d, this program speaks version %d: update the older side", e.Kind, e.Got, e.Want)
}

// codeOf finds the code of an error that a handler has returned.
func codeOf(codes []Code, err error) string {
	for _, list := range [][]Code{codes, ownCodes} {
		for _, c := range list {
			if c.Match != nil && c.Match(err) || c.Match == nil && errors.Is(err, c.Err) {
				return c.Name
			}
		}
	}
	return "internal"
}

// errorOf finds the error of a code.
func errorOf(codes []Code, name string) error {
	for _, list := range [][]Code{codes, ownCodes} {
		for _, c := range list {
			if c.Name == name {
				return c.Err
			}
		}
	}
	return nil
}
