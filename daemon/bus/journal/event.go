package journal

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"olive-distributed/daemon/farm"
)

// An event is a message in the wire format of protocol buffers, so fields that a reader does not
// know are skipped. A field's number never changes its meaning; numbers are never used again.
const (
	fieldKind protowire.Number = iota + 1
	fieldAt
	fieldJob
	fieldRange
	fieldFirst
	fieldEnd
	fieldWorker
	fieldSpec  // JSON
	fieldHello // JSON
	fieldResult
	fieldReason
	fieldFatal
	fieldPriority
	fieldStop
	fieldJoins
)

// Fields of a result.
const (
	fieldPart protowire.Number = iota + 1
	fieldFrames
	fieldSize
	fieldSHA256     // text
	fieldSHA256Data // the 32 bytes
	fieldExtradata
	fieldContent
)

// appendEvent appends the event to b.
func appendEvent(b []byte, e *farm.Event) ([]byte, error) {
	b = appendText(b, fieldKind, string(e.Kind))
	b = appendInt(b, fieldAt, e.At.UnixMilli())
	b = appendInt(b, fieldJob, int64(e.Job))
	b = appendInt(b, fieldRange, int64(e.Range))
	b = appendInt(b, fieldFirst, e.First)
	b = appendInt(b, fieldEnd, e.End)
	b = appendText(b, fieldWorker, e.Worker)
	var err error
	if e.Spec != nil {
		if b, err = appendJSON(b, fieldSpec, e.Spec); err != nil {
			return nil, err
		}
	}
	if e.Hello != nil {
		if b, err = appendJSON(b, fieldHello, e.Hello); err != nil {
			return nil, err
		}
	}
	if e.Result != nil {
		var buf [256]byte
		b = protowire.AppendTag(b, fieldResult, protowire.BytesType)
		b = protowire.AppendBytes(b, appendResult(buf[:0], e.Result))
	}
	b = appendText(b, fieldReason, e.Reason)
	b = appendBool(b, fieldFatal, e.Fatal)
	b = appendInt(b, fieldPriority, int64(e.Priority))
	for _, name := range e.Stop {
		b = protowire.AppendTag(b, fieldStop, protowire.BytesType)
		b = protowire.AppendString(b, name)
	}
	return appendBool(b, fieldJoins, e.Joins), nil
}

func appendResult(b []byte, r *farm.Result) []byte {
	b = appendText(b, fieldPart, r.Part)
	b = appendInt(b, fieldFrames, r.Frames)
	b = appendInt(b, fieldSize, r.Size)
	b = appendText(b, fieldExtradata, r.Extradata)
	b = appendText(b, fieldContent, r.Content)
	if sum, err := hex.DecodeString(r.SHA256); err == nil && len(sum) == 32 && hex.EncodeToString(sum) == r.SHA256 {
		b = protowire.AppendTag(b, fieldSHA256Data, protowire.BytesType)
		return protowire.AppendBytes(b, sum)
	}
	return appendText(b, fieldSHA256, r.SHA256)
}

func appendText(b []byte, n protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, n, protowire.BytesType), s)
}

func appendInt(b []byte, n protowire.Number, v int64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), protowire.EncodeZigZag(v))
}

func appendBool(b []byte, n protowire.Number, v bool) []byte {
	if !v {
		return b
	}
	return appendInt(b, n, 1)
}

func appendJSON(b []byte, n protowire.Number, v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("write down %T: %w", v, err)
	}
	return protowire.AppendBytes(protowire.AppendTag(b, n, protowire.BytesType), data), nil
}

var errWire = errors.New("not an event")

// A decoder reads events. Names that come again and again are kept once.
type decoder struct{ names map[string]string }

func newDecoder() *decoder { return &decoder{names: map[string]string{}} }

// name is the text of b, as one string for all its occurrences.
func (d *decoder) name(b []byte) string {
	if s, ok := d.names[string(b)]; ok {
		return s
	}
	s := string(b)
	if len(d.names) < 1<<16 {
		d.names[s] = s
	}
	return s
}

// fields calls set for each field of a message that is a number or a text; others are skipped.
func fields(b []byte, set func(n protowire.Number, v int64, text []byte) error) error {
	for len(b) > 0 {
		n, kind, size := protowire.ConsumeTag(b)
		if size < 0 {
			return errWire
		}
		b = b[size:]
		var v uint64
		var text []byte
		switch kind {
		case protowire.VarintType:
			v, size = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			text, size = protowire.ConsumeBytes(b)
		default:
			if size = protowire.ConsumeFieldValue(n, kind, b); size < 0 {
				return errWire
			}
			b = b[size:]
			continue
		}
		if size < 0 {
			return errWire
		}
		b = b[size:]
		if err := set(n, protowire.DecodeZigZag(v), text); err != nil {
			return err
		}
	}
	return nil
}

// event reads the event that is all of b. It keeps nothing of b.
func (d *decoder) event(b []byte) (farm.Event, error) {
	e := farm.Event{At: time.UnixMilli(0).UTC()}
	err := fields(b, func(n protowire.Number, v int64, text []byte) error {
		switch n {
		case fieldKind:
			e.Kind = farm.Kind(d.name(text))
		case fieldAt:
			e.At = time.UnixMilli(v).UTC()
		case fieldJob:
			e.Job = uint32(v)
		case fieldRange:
			e.Range = uint32(v)
		case fieldFirst:
			e.First = v
		case fieldEnd:
			e.End = v
		case fieldWorker:
			e.Worker = d.name(text)
		case fieldSpec:
			e.Spec = &farm.JobSpec{}
			return json.Unmarshal(text, e.Spec)
		case fieldHello:
			e.Hello = &farm.WorkerSpec{}
			return json.Unmarshal(text, e.Hello)
		case fieldResult:
			e.Result = &farm.Result{}
			return readResult(text, e.Result)
		case fieldReason:
			e.Reason = string(text)
		case fieldFatal:
			e.Fatal = v != 0
		case fieldPriority:
			e.Priority = int(v)
		case fieldStop:
			e.Stop = append(e.Stop, d.name(text))
		case fieldJoins:
			e.Joins = v != 0
		}
		return nil
	})
	if err != nil {
		return farm.Event{}, fmt.Errorf("read an event: %w", err)
	}
	return e, nil
}

func readResult(b []byte, r *farm.Result) error {
	return fields(b, func(n protowire.Number, v int64, text []byte) error {
		switch n {
		case fieldPart:
			r.Part = string(text)
		case fieldFrames:
			r.Frames = v
		case fieldSize:
			r.Size = v
		case fieldSHA256:
			r.SHA256 = string(text)
		case fieldSHA256Data:
			r.SHA256 = hex.EncodeToString(text)
		case fieldExtradata:
			r.Extradata = string(text)
		case fieldContent:
			r.Content = string(text)
		}
		return nil
	})
}
