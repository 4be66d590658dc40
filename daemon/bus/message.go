package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// protocolVersion is raised only when old programs would misunderstand new messages. New fields
// do not need that: they are ignored where they are not known.
const protocolVersion = 1

// What a message may have: one from a worker, and one from the master, which sends plans.
const (
	maxMessage = 1 << 20 // bytes
	maxAnswer  = 4 << 20
)

// An envelope is what travels: a body, or the refusal of a request. Its kind is in the subject.
type envelope struct {
	Version int             `json:"v"`
	Body    json.RawMessage `json:"body,omitempty"`
	Error   *wireError      `json:"error,omitempty"`
}

type wireError struct {
	Code string `json:"code"`
	Text string `json:"text"`
	Want int    `json:"want,omitempty"` // the version that is spoken, if that is what it is about
}

func seal(body any, most int) ([]byte, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("write a message: %w", err)
	}
	// An envelope, but for reading the body once more.
	data := fmt.Appendf(make([]byte, 0, len(text)+24), `{"v":%d,"body":%s}`, protocolVersion, text)
	if len(data) > most {
		return nil, fmt.Errorf("write a message: %w: %d bytes are too many", ErrBadMessage, len(data))
	}
	return data, nil
}

// unseal opens a message of the kind. Of one in another version nothing but that is looked at.
func unseal(kind string, data []byte) (envelope, error) {
	var e envelope
	broken := json.Unmarshal(data, &e)
	if broken == nil && e.Version == protocolVersion {
		return e, nil
	}
	var version struct {
		Version int `json:"v"`
	}
	if err := json.Unmarshal(data, &version); err != nil {
		return envelope{}, fmt.Errorf("%s: %w: %w", kind, ErrBadMessage, err)
	}
	if version.Version != protocolVersion {
		return envelope{}, &VersionError{Kind: kind, Got: version.Version, Want: protocolVersion}
	}
	return envelope{}, fmt.Errorf("%s: %w: %w", kind, ErrBadMessage, broken)
}

func sealError(codes []Code, err error) []byte {
	w := wireError{Code: codeOf(codes, err), Text: strings.ToValidUTF8(clip(err.Error()), "\uFFFD")}
	if v := (*VersionError)(nil); errors.As(err, &v) {
		w.Code, w.Want = "version", v.Want
	}
	data, _ := json.Marshal(envelope{Version: protocolVersion, Error: &w}) // cannot fail
	return data
}

// clip bounds the text of an error.
func clip(s string) string { return s[:min(len(s), 16_000)] }

// err is the error that a reply brings, if it does.
func (e *envelope) err(codes []Code, kind string) error {
	switch w := e.Error; {
	case w == nil:
		return nil
	case w.Code == "version":
		return &VersionError{Kind: kind, Got: protocolVersion, Want: w.Want}
	default:
		return &RemoteError{Kind: kind, Code: w.Code, Text: w.Text, err: errorOf(codes, w.Code)}
	}
}

func (e *envelope) into(kind string, body any) error {
	if len(e.Body) == 0 {
		return fmt.Errorf("%s: %w: it is empty", kind, ErrBadMessage)
	}
	if err := json.Unmarshal(e.Body, body); err != nil {
		return fmt.Errorf("%s: %w: %w", kind, ErrBadMessage, err)
	}
	return nil
}

// Names of workers and kinds are single words of a subject.
var word = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// ValidName says whether a worker may have this name: 1 to 64 letters, digits, "-" and "_".
func ValidName(name string) bool { return word.MatchString(name) }

// A Handler answers one kind of request from workers. Make one with [OnRequest].
type Handler struct {
	kind    string
	request func(ctx context.Context, worker string, e *envelope) (any, error)
}

// OnRequest handles requests of the kind, each on its own goroutine, so it may take its time; ctx
// ends when the worker's last connection does, or the server closes. An error goes back to the worker, with its code
// and its text. Nothing goes back to a worker that wants no answer.
func OnRequest[Q, R any](kind string, f func(ctx context.Context, worker string, request Q) (R, error)) Handler {
	return Handler{kind: kind, request: func(ctx context.Context, worker string, e *envelope) (any, error) {
		var q Q
		if err := e.into(kind, &q); err != nil {
			return nil, err
		}
		return f(ctx, worker, q)
	}}
}

// A Notice handles one kind of message from the master. Make one with [OnNotice].
type Notice struct {
	kind   string
	handle func(e *envelope) error
}

// OnNotice handles notices of the kind, one after the other in their order with all other
// notices, so f must be quick.
func OnNotice[M any](kind string, f func(message M)) Notice {
	return Notice{kind: kind, handle: func(e *envelope) error {
		var m M
		if err := e.into(kind, &m); err != nil {
			return err
		}
		f(m)
		return nil
	}}
}
