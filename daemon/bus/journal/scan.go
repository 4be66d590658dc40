package journal

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/minio/highwayhash"
)

// nats-server mends a stream silently: what it cannot read it cuts off or skips. So its block
// files are read here, and never changed, before it may see them. The format is that of its file
// store without compression and encryption, as of v2.15 (server/filestore.go, writeMsgRecordLocked):
//
//	total length (4, its top bit set if there are headers), sequence (8), timestamp (8), length of
//	the subject (2), subject, [length of the headers (4), headers,] message, hash (8)
//
// The hash is HighwayHash-64 of all but the lengths, keyed with the SHA-256 of "STREAM-BLOCK".
const (
	blockHead      = 22
	blockHash      = 8
	headersBit     = 1 << 31
	tombstoneBit   = 1 << 62
	erasedBit      = 1 << 63
	maxBlockRecord = 32 << 20
	maxBlockFile   = 256 << 20 // nats-server's own blocks are 8 MiB and one record
)

// A stored message, and where it stands.
type stored struct {
	path    string
	offset  int64
	seq     uint64
	subject string
	data    []byte
}

func (m *stored) damage(format string, args ...any) error {
	return &DamageError{Path: m.path, Offset: m.offset, Reason: fmt.Sprintf(format, args...)}
}

// scanStream calls visit for each message in the stream's files, in their order. An end that
// cannot be read, as a power cut may leave it, is returned as torn; what cannot be read anywhere
// else is an error, and so is a missing folder.
func scanStream(dir, stream string, visit func(m *stored) error) (torn, err error) {
	blocks, err := listBlocks(filepath.Join(dir, "msgs"))
	if err != nil {
		return nil, err
	}
	for i, b := range blocks {
		bad, err := scanBlock(b, stream, visit)
		if err != nil {
			return nil, err
		}
		if bad != nil && i < len(blocks)-1 {
			return nil, bad
		}
		torn = bad
	}
	return torn, nil
}

type block struct {
	path   string
	number int
}

func listBlocks(dir string) ([]block, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &DamageError{Path: dir, Offset: -1, Reason: "it is missing"}
	}
	if err != nil {
		return nil, fmt.Errorf("read the store: %w", err)
	}
	var blocks []block
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".blk")
		n, err := strconv.Atoi(name)
		if ok && err == nil {
			blocks = append(blocks, block{filepath.Join(dir, e.Name()), n})
		}
	}
	slices.SortFunc(blocks, func(a, b block) int { return a.number - b.number })
	return blocks, nil
}

// scanBlock visits the messages of one file. Bad is the first thing that cannot be read.
func scanBlock(b block, stream string, visit func(m *stored) error) (bad, err error) {
	if info, err := os.Stat(b.path); err != nil {
		return nil, fmt.Errorf("read the store: %w", err)
	} else if info.Size() > maxBlockFile {
		return &DamageError{Path: b.path, Offset: -1, Reason: "it is too large"}, nil
	}
	data, err := os.ReadFile(b.path)
	if err != nil {
		return nil, fmt.Errorf("read the store: %w", err)
	}
	key := sha256.Sum256(fmt.Appendf(nil, "%s-%d", stream, b.number))
	digest, err := highwayhash.NewDigest64(key[:])
	if err != nil {
		return nil, fmt.Errorf("read the store: %w", err)
	}
	for offset := 0; offset < len(data); {
		m := stored{path: b.path, offset: int64(offset)}
		size, reason := m.read(data[offset:], digest)
		if reason != "" {
			return m.damage("%s", reason), nil
		}
		offset += size
		if m.seq == 0 || m.seq&(tombstoneBit|erasedBit) != 0 {
			continue // a message that was deleted
		}
		if err := visit(&m); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// read takes the message at the beginning of b and returns its length, or why there is none.
func (m *stored) read(b []byte, digest hash.Hash) (size int, reason string) {
	if len(b) < blockHead {
		return 0, "a message is cut off"
	}
	length := binary.LittleEndian.Uint32(b)
	size = int(length &^ headersBit)
	if size < blockHead+blockHash || size > maxBlockRecord || size > len(b) {
		return 0, "a message is cut off"
	}
	subject := int(binary.LittleEndian.Uint16(b[20:]))
	body := b[blockHead : size-blockHash]
	if subject > len(body) {
		return 0, "a message is cut off"
	}
	payload := body[subject:]
	if length&headersBit != 0 {
		if len(payload) < 4 {
			return 0, "a message is cut off"
		}
		payload = payload[4:]
	}
	digest.Reset()
	digest.Write(b[4:20])
	digest.Write(body[:subject])
	digest.Write(payload)
	if !bytes.Equal(digest.Sum(nil), b[size-blockHash:size]) {
		return 0, "wrong checksum of a message"
	}
	if length&headersBit != 0 {
		headers := binary.LittleEndian.Uint32(body[subject:])
		if uint64(headers) > uint64(len(payload)) {
			return 0, "a message is cut off"
		}
		payload = payload[headers:]
	}
	m.seq = binary.LittleEndian.Uint64(b[4:])
	m.subject, m.data = string(body[:subject]), payload
	return size, ""
}
