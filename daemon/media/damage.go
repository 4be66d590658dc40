package media

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

// A Damage is a place where a medium is damaged. Its pictures there are what the decoder makes up, as
// in Olive, and those that do not decode at all are the ones before them.
type Damage struct {
	Path  string
	Frame int     // near which it is
	Time  float64 // of that frame, in seconds of the medium
	Said  string  // the decoder's complaint
}

// String says where the damage is.
func (d Damage) String() string {
	at := time.Duration(d.Time * float64(time.Second)).Round(time.Second / 10)
	return fmt.Sprintf("%s is damaged near %v (frame %d): %s", d.Path, at, d.Frame, d.Said)
}

// errDamaged asks for the same frame once more, with care.
var errDamaged = errors.New("the decoder complains")

// A care is how frames are decoded where the medium is damaged. What a decoder makes up depends on
// the number of its threads and on all that it has decoded before. So that a frame is the same in
// every range and on every machine, one thread decodes, from a place that the index alone decides.
// The place lies one key frame before the unit: what a decoder says of a start in the middle of an
// open group of pictures comes before its first picture, and says nothing about the unit.
type care struct {
	entry, first, end int    // start of decoding, and the frames [first, end) of the unit, as in the Index
	hold              []byte // the picture before
	held              int    // how often in a row it took a missing one's place
	told              bool
}

const (
	unitLength = 48 // coded frames at least: starting ffmpeg takes as long as decoding them
	mostHeld   = 30 // frames in a row that may be missing
	delay      = 16 // frames, the most by which a decoder lags behind its complaints
)

// takeCare decodes the unit around pos with care.
func (r *Reader) takeCare() {
	r.stop()
	r.try = 0
	r.care = r.ix.careAt(r.pos)
}

// careAt finds the unit of a frame: runs that begin at key frames, all the way from the first one.
// Where a seek may land anywhere, all is one unit.
func (ix *Index) careAt(frame int) *care {
	fields := 1
	if ix.Interlaced {
		fields = 2
	}
	c := &care{end: len(ix.play.PTS)}
	var keys []int
	if ix.play.Seeks || ix.play.Count > 0 {
		keys = ix.play.Keys
	}
	before := 0
	for _, k := range keys {
		if k >= c.first+unitLength {
			if k > frame/fields {
				c.end = k
				break
			}
			c.entry, c.first = before, k
		}
		before = k
	}
	c.entry, c.first, c.end = c.entry*fields, c.first*fields, c.end*fields
	return c
}

func (r *Reader) startCareful() error {
	at := r.care.entry
	if r.ix.Interlaced {
		at /= 2
	}
	dec, err := startDecoder(r.ctx, r.ix, at, r.care.end, 1)
	if err != nil {
		return fmt.Errorf("decode %s: %w", r.ix.Path, err)
	}
	r.dec = dec
	r.care.hold, r.care.held = nil, 0
	return nil
}

// careful reads up to frame pos and leaves it in dst.
func (r *Reader) careful(dst []byte) error {
	for r.dec.next <= r.pos {
		if err := r.step(); err != nil {
			return r.missing(err)
		}
	}
	copy(dst, r.care.hold)
	return nil
}

// step leaves the decoder's next frame in hold: the picture itself, or the one before it when there is none.
func (r *Reader) step() error {
	d, c := r.dec, r.care
	for {
		fresh := !d.headed
		if err := d.peek(); err != nil {
			return err
		}
		if fresh {
			r.tell(d.complaint)
		}
		early := d.early()
		if early < 0 && c.hold != nil && c.held < mostHeld {
			r.tell(cmp.Or(d.complaint, "a frame is missing"))
			c.held++
			d.next++
			return nil
		}
		if early < 0 {
			return fmt.Errorf("time stamp %d came where %d was due", d.head.pts, d.expect[d.next]-d.offset)
		}
		if c.hold == nil {
			c.hold = make([]byte, r.ix.Width*r.ix.Height*4)
		}
		if err := d.take(c.hold); err != nil {
			return err
		}
		if early == 0 {
			c.held = 0
			d.next++
			return nil
		}
	}
}

// tell reports the first damage of a unit.
func (r *Reader) tell(said string) {
	c, at := r.care, r.dec.next
	if said == "" || c.told || at < c.first-delay || at == c.entry && at > 0 {
		return
	}
	c.told = true
	if r.opt.Damaged != nil {
		seconds := float64(r.ix.PTS[at])*r.ix.TimeBase.Float64() - r.ix.Start
		r.opt.Damaged(Damage{Path: r.ix.Path, Frame: at, Time: max(0, seconds), Said: said})
	}
}
