package journal

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"strings"

	"olive-distributed/daemon/farm"
)

func streamDir(dir, stream string) string {
	return filepath.Join(dir, "jetstream", "$G", "streams", stream)
}

// A head is the newest complete snapshot: what it covers and where its pieces are.
type head struct {
	Version int                `json:"version"`
	Store   string             `json:"store"`
	Through chain              `json:"through"`
	Pieces  map[uint32]pieceAt `json:"pieces"` // by job; 0 is the farm's own head
}

// A piece is one part of a [farm.Snapshot], cut into messages on subjects "snap.JOB.GENERATION.N".
type pieceAt struct {
	Generation uint64 `json:"gen"` // events covered when it was written
	Chunks     int    `json:"chunks"`
	Size       int    `json:"size"`
	Sum        uint32 `json:"sum"` // CRC-32C of the piece
}

const (
	headSubject     = "snap.head"
	snapshotVersion = 1
	snapshotMagic   = "OLS\x01"
)

func chunkSubject(job uint32, generation uint64, n int) string {
	return fmt.Sprintf("snap.%d.%d.%d", job, generation, n)
}

// wrap adds a checksum to a message of the snapshot stream, unwrap checks it.
func wrap(data []byte) []byte {
	b := append([]byte(snapshotMagic), data...)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func unwrap(b []byte) ([]byte, error) {
	if len(b) < 8 || string(b[:4]) != snapshotMagic {
		return nil, errRecord("it is not a piece of a snapshot")
	}
	if crc32.Checksum(b[:len(b)-4], castagnoli) != binary.LittleEndian.Uint32(b[len(b)-4:]) {
		return nil, errRecord("wrong checksum of a piece of a snapshot")
	}
	return b[4 : len(b)-4], nil
}

// snapshotOf reads the newest snapshot from the files of SNAP. A store that has none yet has a
// zero head. Torn is an end that cannot be read; it is harmless, as nothing refers to it.
func snapshotOf(dir string, m marker) (h head, s farm.Snapshot, torn, err error) {
	newest := map[string]stored{}
	where := streamDir(dir, snapStream)
	torn, err = scanStream(where, snapStream, func(m *stored) error {
		if old, ok := newest[m.subject]; !ok || m.seq > old.seq {
			newest[m.subject] = *m
		}
		return nil
	})
	top, found := newest[headSubject]
	if err != nil || !found {
		return head{}, farm.Snapshot{}, torn, err
	}
	data, err := unwrap(top.data)
	if err == nil {
		err = json.Unmarshal(data, &h)
	}
	switch {
	case err != nil:
		return h, s, torn, top.damage("%v", err)
	case h.Version != snapshotVersion:
		return h, s, torn, &VersionError{What: "the snapshot", Got: h.Version, Want: snapshotVersion}
	case h.Store != m.Store:
		return h, s, torn, top.damage("it belongs to another store")
	}
	s.Jobs = map[uint32]json.RawMessage{}
	for job, p := range h.Pieces {
		data, err := p.assemble(job, newest)
		if err != nil {
			return h, s, torn, &DamageError{Path: where, Offset: -1, Reason: err.Error()}
		}
		if job == 0 {
			s.Head = data
		} else {
			s.Jobs[job] = data
		}
	}
	return h, s, torn, nil
}

func (p pieceAt) assemble(job uint32, newest map[string]stored) ([]byte, error) {
	var data []byte
	for n := range p.Chunks {
		m, ok := newest[chunkSubject(job, p.Generation, n)]
		if !ok {
			return nil, fmt.Errorf("the snapshot of job %d has lost part %d of %d", job, n+1, p.Chunks)
		}
		chunk, err := unwrap(m.data)
		if err != nil {
			return nil, m.damage("%v", err)
		}
		data = append(data, chunk...)
	}
	if len(data) != p.Size || crc32.Checksum(data, castagnoli) != p.Sum {
		return nil, fmt.Errorf("the snapshot of job %d is not the one that was written", job)
	}
	return data, nil
}

// A logReader follows the records of the log, from the one that the snapshot covers last.
type logReader struct {
	anchor  chain // where the events that are wanted begin
	at      chain // behind the record read last
	started bool
	records int
	bytes   int64 // of the records behind the anchor
	keep    bool  // the records are wanted
	kept    []kept
	last    stored
}

// kept is a verified record that the snapshot does not cover.
type kept struct {
	stored
	body   []byte
	events uint64
}

// logOf follows the log in the files. It must begin at or before the anchor and reach acked.
func logOf(dir string, anchor, acked chain, keep bool) (r *logReader, torn, err error) {
	r = &logReader{anchor: anchor, keep: keep}
	where := streamDir(dir, logStream)
	torn, err = scanStream(where, logStream, r.visit)
	switch {
	case err != nil:
		return nil, nil, err
	case !r.started:
		err = fmt.Errorf("the log has lost record %d, up to which the snapshot reaches", anchor.Seq)
	case r.at.Seq < acked.Seq:
		err = fmt.Errorf("the log ends with record %d, but record %d was acknowledged", r.at.Seq, acked.Seq)
	}
	if err == nil {
		return r, torn, nil
	}
	if d := (*DamageError)(nil); errors.As(torn, &d) {
		return nil, nil, &DamageError{Path: d.Path, Offset: d.Offset, Reason: d.Reason + "; " + err.Error()}
	}
	return nil, nil, &DamageError{Path: where, Offset: -1, Reason: err.Error()}
}

func (r *logReader) visit(m *stored) error {
	before, after, body, err := open(m.data)
	if version := (*VersionError)(nil); errors.As(err, &version) {
		return err
	}
	switch {
	case err != nil:
		return m.damage("%v", err)
	case after.Seq != m.seq:
		return m.damage("record %d stands in the place of record %d", after.Seq, m.seq)
	case m.seq < r.anchor.Seq: // the snapshot covers it; a purge was interrupted
		return nil
	case !r.started && (m.seq != max(1, r.anchor.Seq) || r.anchor.Seq > 0 && after != r.anchor || r.anchor.Seq == 0 && before != chain{}):
		return m.damage("the log begins with record %d instead of %d", m.seq, max(1, r.anchor.Seq))
	case r.started && before != r.at:
		return m.damage("record %d does not follow record %d", m.seq, r.at.Seq)
	}
	covered := m.seq == r.anchor.Seq
	r.started, r.at, r.last = true, after, *m
	r.last.data = append([]byte(nil), m.data...)
	if covered {
		return nil
	}
	r.records++
	r.bytes += int64(len(m.data))
	if r.keep {
		r.kept = append(r.kept, kept{*m, body, after.Events - before.Events})
	}
	return nil
}

// fold applies the events of the records that were kept, and lets go of these.
func (r *logReader) fold(f *farm.Farm) (events uint64, err error) {
	names := newDecoder()
	for _, k := range r.kept {
		err := each(k.body, k.events, func(b []byte) error {
			e, err := names.event(b)
			if err != nil {
				return err
			}
			events++
			return f.Apply(e)
		})
		if err != nil {
			return events, k.damage("%v", err)
		}
	}
	r.kept = nil
	return events, nil
}

// A content is all that a store holds.
type content struct {
	dir      string
	marker   marker
	head     head
	snapshot farm.Snapshot
	farm     *farm.Farm // nil until it is folded
	log      *logReader
	acked    chain
	torn     []error
	replay   uint64 // events behind the snapshot
	jobSize  int64  // bytes of the snapshot
}

// readStore reads and verifies everything, and changes nothing. The farm is still to be folded.
func readStore(dir string, m marker) (*content, error) {
	a, err := openAcked(dir, false)
	if err != nil {
		return nil, err
	}
	defer func() { _ = a.f.Close() }()
	c := &content{marker: m, dir: dir}
	if c.acked, err = a.read(); err != nil {
		return nil, err
	}
	var snapTorn, logTorn error
	if c.head, c.snapshot, snapTorn, err = snapshotOf(dir, m); err != nil {
		return nil, err
	}
	for _, p := range c.head.Pieces {
		c.jobSize += int64(p.Size)
	}
	if c.log, logTorn, err = logOf(dir, c.head.Through, c.acked, true); err != nil {
		return nil, err
	}
	c.torn = []error{snapTorn, logTorn}
	return c, nil
}

// fold makes the farm.
func (c *content) fold(policy farm.Policy) error {
	var err error
	if c.farm, err = farm.Restore(policy, c.snapshot); err != nil {
		return &DamageError{Path: streamDir(c.dir, snapStream), Offset: -1, Reason: strings.TrimSpace(err.Error())}
	}
	c.snapshot = farm.Snapshot{}
	c.replay, err = c.log.fold(c.farm)
	return err
}
