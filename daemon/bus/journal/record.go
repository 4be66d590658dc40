package journal

import (
	"encoding/binary"
	"hash/crc32"
)

// A record is one message of the log: the events of one commit.
//
//	magic "OLJ" and the version (1 byte)
//	checksum of the record before (4 bytes), 0 in the first
//	sequence number in the stream (8 bytes)
//	number of the last event before this record (8 bytes)
//	count of events (4 bytes)
//	each event: its length as a varint, its fields
//	CRC-32C of all of the above (4 bytes)
//
// Numbers are little-endian. A record thus proves where it stands and what stood before it.
const (
	recordMagic   = "OLJ"
	recordVersion = 1
	recordHead    = 28
	recordMin     = recordHead + 4

	groupBytes = 512 << 10 // a commit takes what waits, up to this
	maxRecord  = 7 << 20   // one call's events are never torn apart, but bounded
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A chain is a place in the log: behind the record with this sequence number.
type chain struct {
	Seq    uint64 `json:"seq"`
	Events uint64 `json:"events"` // events up to here, from the beginning of the farm
	Sum    uint32 `json:"sum"`    // checksum of the record
}

// seal makes the record that comes next, and returns the place behind it.
func (c chain) seal(bodies [][]byte, events int) ([]byte, chain) {
	size := recordMin
	for _, b := range bodies {
		size += len(b)
	}
	r := make([]byte, recordHead, size)
	copy(r, recordMagic)
	r[3] = recordVersion
	binary.LittleEndian.PutUint32(r[4:], c.Sum)
	binary.LittleEndian.PutUint64(r[8:], c.Seq+1)
	binary.LittleEndian.PutUint64(r[16:], c.Events)
	binary.LittleEndian.PutUint32(r[24:], uint32(events))
	for _, b := range bodies {
		r = append(r, b...)
	}
	sum := crc32.Checksum(r, castagnoli)
	return binary.LittleEndian.AppendUint32(r, sum), chain{c.Seq + 1, c.Events + uint64(events), sum}
}

// open checks a record in itself. It returns the place before it, the place behind it, and its events.
func open(r []byte) (before, after chain, body []byte, err error) {
	if len(r) < recordMin || string(r[:3]) != recordMagic {
		return chain{}, chain{}, nil, errRecord("it is not a record")
	}
	if r[3] != recordVersion {
		return chain{}, chain{}, nil, &VersionError{What: "the log", Got: int(r[3]), Want: recordVersion}
	}
	sum := binary.LittleEndian.Uint32(r[len(r)-4:])
	if crc32.Checksum(r[:len(r)-4], castagnoli) != sum {
		return chain{}, chain{}, nil, errRecord("wrong checksum of a record")
	}
	before = chain{
		Seq:    binary.LittleEndian.Uint64(r[8:]) - 1,
		Events: binary.LittleEndian.Uint64(r[16:]),
		Sum:    binary.LittleEndian.Uint32(r[4:]),
	}
	after = chain{before.Seq + 1, before.Events + uint64(binary.LittleEndian.Uint32(r[24:])), sum}
	return before, after, r[recordHead : len(r)-4], nil
}

type errRecord string

func (e errRecord) Error() string { return string(e) }

// each calls f for the bytes of each of the n events in a record's body.
func each(body []byte, n uint64, f func(event []byte) error) error {
	for ; n > 0; n-- {
		size, k := binary.Uvarint(body)
		if k <= 0 || size > uint64(len(body)-k) {
			return errRecord("the events of a record are cut off")
		}
		if err := f(body[k : k+int(size)]); err != nil {
			return err
		}
		body = body[k+int(size):]
	}
	if len(body) != 0 {
		return errRecord("a record holds more events than it counts")
	}
	return nil
}
