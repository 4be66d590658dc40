package rpc

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	markSize     = 4
	lastFragment = 1 << 31
	fragments    = 1024 // of one record
)

// ErrRecord means that the other end does not keep to the limits of records.
var ErrRecord = errors.New("the record breaks the limits")

// Records takes records from a stream. Most, Begin and Room are required.
type Records struct {
	From *bufio.Reader
	Most int // bytes of a record

	// Begin is called when the first byte of a record is about to be waited for, and again when the
	// mark of a fragment has come, with the number of bytes that are still on their way: time for deadlines.
	Begin func(marked bool, missing int)

	// Room returns a buffer with at least n bytes; have, which it may be, is a part of the record already and
	// must be its beginning. n is Most at most.
	Room func(have []byte, n int) ([]byte, error)
}

// Next reads one record: reassembled, without its marks. At the end of the stream it is [io.EOF].
func (r *Records) Next() ([]byte, error) {
	var record []byte
	r.Begin(false, markSize-r.From.Buffered())
	for range fragments {
		mark, err := r.mark()
		if err != nil {
			return nil, end(err, record)
		}
		n := int(mark &^ lastFragment)
		if n > r.Most-len(record) {
			return nil, fmt.Errorf("%w: it is longer than %d bytes", ErrRecord, r.Most)
		}
		have := len(record)
		if record, err = r.Room(record, have+n); err != nil {
			return nil, err
		}
		r.Begin(true, n-r.From.Buffered())
		record = record[:have+n]
		if _, err := io.ReadFull(r.From, record[have:]); err != nil {
			return nil, fmt.Errorf("in the middle of a record: %w", err)
		}
		if mark&lastFragment != 0 {
			return record, nil
		}
	}
	return nil, fmt.Errorf("%w: it has more than %d fragments", ErrRecord, fragments)
}

// mark reads the mark of a fragment without taking memory for it.
func (r *Records) mark() (uint32, error) {
	b, err := r.From.Peek(markSize)
	if err != nil {
		if len(b) > 0 && errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return 0, err
	}
	mark := binary.BigEndian.Uint32(b)
	_, err = r.From.Discard(markSize)
	return mark, err
}

// end says where the stream ended: only before a record is it its end.
func end(err error, record []byte) error {
	if record == nil {
		return err
	}
	return fmt.Errorf("between the fragments of a record: %w", err)
}
