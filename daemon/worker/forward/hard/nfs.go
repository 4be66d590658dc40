package hard

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
)

// A Status is an NFS error (RFC 1813, 2.6).
type Status uint32

// Statuses that tests look for.
const (
	NoEntry  Status = 2
	IO       Status = 5
	Access   Status = 13
	Exists   Status = 17
	NoSpace  Status = 28
	ReadOnly Status = 30
	Quota    Status = 69
	Stale    Status = 70
)

func (s Status) Error() string { return fmt.Sprintf("NFS status %d", uint32(s)) }

const (
	programNFS   = 100003
	programMount = 100005
)

// A Handle names a file.
type Handle []byte

var errShort = errors.New("the answer is too short")

// reader takes an answer apart.
type reader struct {
	b   []byte
	err error
}

func (r *reader) word() uint32 {
	if len(r.b) < 4 {
		r.err, r.b = errShort, nil
		return 0
	}
	n := binary.BigEndian.Uint32(r.b)
	r.b = r.b[4:]
	return n
}

func (r *reader) skip(n int) {
	if len(r.b) < n {
		r.err, r.b = errShort, nil
		return
	}
	r.b = r.b[n:]
}

func (r *reader) opaque() []byte {
	n := int(r.word())
	if n > len(r.b) {
		r.err, r.b = errShort, nil
		return nil
	}
	data := r.b[:n]
	r.skip(min(len(r.b), n+(-n&3)))
	return data
}

const attributesSize = 84

// attributes returns the size in bytes of a file whose attributes may follow, -1 when they do not.
func (r *reader) attributes() int64 {
	if r.word() == 0 {
		return -1
	}
	size := int64(-1)
	if len(r.b) >= attributesSize {
		size = int64(binary.BigEndian.Uint64(r.b[20:]))
	}
	r.skip(attributesSize)
	return size
}

// nfs calls an NFS procedure and takes the status off.
func (c *Client) nfs(ctx context.Context, procedure uint32, args []byte) (*reader, error) {
	answer, err := c.Call(ctx, programNFS, 3, procedure, args)
	if err != nil {
		return nil, err
	}
	r := &reader{b: answer}
	if s := Status(r.word()); s != 0 {
		return nil, s
	}
	return r, r.err
}

// Mount returns the root of an export.
func (c *Client) Mount(ctx context.Context, path string) (Handle, error) {
	answer, err := c.Call(ctx, programMount, 3, 1, opaque(nil, []byte(path)))
	if err != nil {
		return nil, err
	}
	r := &reader{b: answer}
	if s := Status(r.word()); s != 0 {
		return nil, s
	}
	return r.opaque(), r.err
}

// Lookup finds a name in a folder.
func (c *Client) Lookup(ctx context.Context, dir Handle, name string) (Handle, error) {
	r, err := c.nfs(ctx, 3, opaque(opaque(nil, dir), []byte(name)))
	if err != nil {
		return nil, err
	}
	return r.opaque(), r.err
}

// Size asks how large a file is.
func (c *Client) Size(ctx context.Context, file Handle) (int64, error) {
	r, err := c.nfs(ctx, 1, opaque(nil, file))
	if err != nil {
		return 0, err
	}
	if len(r.b) < attributesSize {
		return 0, errShort
	}
	return int64(binary.BigEndian.Uint64(r.b[20:])), nil
}

// Read reads n bytes at most.
func (c *Client) Read(ctx context.Context, file Handle, offset int64, n int) (data []byte, end bool, err error) {
	args := binary.BigEndian.AppendUint64(opaque(nil, file), uint64(offset))
	r, err := c.nfs(ctx, 6, binary.BigEndian.AppendUint32(args, uint32(n)))
	if err != nil {
		return nil, false, err
	}
	r.attributes()
	r.word() // the count, once more
	end = r.word() != 0
	return r.opaque(), end, r.err
}

// Create makes a file, or opens the one that is there.
func (c *Client) Create(ctx context.Context, dir Handle, name string) (Handle, error) {
	args := opaque(opaque(nil, dir), []byte(name))
	args = append(args, words(0, 1, 0o600, 0, 0, 0, 0, 0)...) // unchecked; only the mode is set
	r, err := c.nfs(ctx, 8, args)
	if err != nil {
		return nil, err
	}
	if r.word() == 0 {
		return c.Lookup(ctx, dir, name)
	}
	return r.opaque(), r.err
}

// Write writes all of the data; it is durable when Write returns.
func (c *Client) Write(ctx context.Context, file Handle, offset int64, data []byte) error {
	for {
		args := binary.BigEndian.AppendUint64(opaque(nil, file), uint64(offset))
		args = append(args, words(uint32(len(data)), 2)...) // FILE_SYNC
		r, err := c.nfs(ctx, 7, opaque(args, data))
		if err != nil {
			return err
		}
		if r.word() != 0 {
			r.skip(24) // what the file was before
		}
		r.attributes()
		n := int(r.word())
		if r.err == nil && n > len(data) {
			r.err = errors.New("more was written than there is")
		}
		if r.err != nil || n == len(data) {
			return r.err
		}
		offset, data = offset+int64(n), data[n:]
	}
}

// Remove removes a file.
func (c *Client) Remove(ctx context.Context, dir Handle, name string) error {
	_, err := c.nfs(ctx, 12, opaque(opaque(nil, dir), []byte(name)))
	return err
}

// Rename gives a file another name in the same folder.
func (c *Client) Rename(ctx context.Context, dir Handle, from, to string) error {
	args := opaque(opaque(nil, dir), []byte(from))
	_, err := c.nfs(ctx, 14, opaque(opaque(args, dir), []byte(to)))
	return err
}

// List returns the names in a folder, without "." and "..".
func (c *Client) List(ctx context.Context, dir Handle) ([]string, error) {
	args := append(opaque(nil, dir), make([]byte, 16)...) // from the beginning
	r, err := c.nfs(ctx, 16, append(args, words(64<<10)...))
	if err != nil {
		return nil, err
	}
	r.attributes()
	r.skip(8)
	var names []string
	for r.word() != 0 {
		r.skip(8)
		name := string(r.opaque())
		r.skip(8)
		if name != "." && name != ".." {
			names = append(names, name)
		}
	}
	return names, r.err
}
