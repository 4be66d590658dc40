package farm

import (
	"fmt"
	"slices"
	"time"
)

// A RangeID names a range: the job and the number of the range in it, counted from 0 in the order
// in which they were cut. Jobs count from 1, so the zero RangeID names nothing.
type RangeID struct {
	Job   uint32 `json:"job"`
	Range uint32 `json:"range"`
}

func (id RangeID) String() string { return fmt.Sprintf("%d/%d", id.Job, id.Range) }

// Content says what a range is made of.
type Content string

// Contents of ranges.
const (
	Picture Content = "picture" // frames of the picture
	Sound   Content = "sound"   // the sound of the whole job
	Whole   Content = "whole"   // picture and sound of the whole job
)

// A Result describes a part. The farm keeps it for the join and never looks into it.
type Result struct {
	Part   string `json:"part,omitempty"` // where it lies
	Frames int64  `json:"frames,omitempty"`
	Size   int64  `json:"size,omitempty"` // bytes
	SHA256 string `json:"sha256,omitempty"`

	// What the join compares, hex: the decoder's configuration, and a digest of the coded frames.
	Extradata string `json:"extradata,omitempty"`
	Content   string `json:"content,omitempty"`
}

// maxHolders is how many workers may be at one range: its worker, and one with a copy.
const maxHolders = 2

// A piece is a range with all that has happened to it. It is completed, ongoing, failed or pending.
type piece struct {
	First  int64    `json:"-"` // where the piece before ends
	End    int64    `json:"e"`
	Winner string   `json:"w,omitempty"` // worker that has completed it
	Result Result   `json:"r,omitzero"`
	Leases []lease  `json:"l,omitempty"`
	Failed []string `json:"f,omitempty"` // workers that have failed it
	Had    []string `json:"h,omitempty"` // workers that were given it, until it is completed
}

// A lease ties a worker to a piece.
type lease struct {
	Worker string `json:"w"`
	Start  int64  `json:"s,omitempty"` // Unix milliseconds; 0: not known, the lease was reclaimed

	frames int64     // reported by beats
	moved  time.Time // when the last new frame was reported
}

func (p *piece) state() State {
	switch {
	case p.Winner != "":
		return Completed
	case len(p.Leases) > 0:
		return Ongoing
	case len(p.Failed) > 0:
		return Failed
	}
	return Pending
}

func (p *piece) length() int64 { return p.End - p.First }

// lease returns the lease of the worker, nil if it has none.
func (p *piece) lease(worker string) *lease {
	for i := range p.Leases {
		if p.Leases[i].Worker == worker {
			return &p.Leases[i]
		}
	}
	return nil
}

func (p *piece) release(worker string) {
	p.Leases = slices.DeleteFunc(p.Leases, func(l lease) bool { return l.Worker == worker })
}

func (p *piece) failedBy(worker string) bool { return slices.Contains(p.Failed, worker) }

// givenTo says whether the worker was ever given the piece. Nobody else has anything to say about it.
func (p *piece) givenTo(worker string) bool {
	return slices.Contains(p.Had, worker) || p.lease(worker) != nil || p.failedBy(worker)
}

// A numberSet holds numbers of ranges in ascending order. Taking the first is cheap.
type numberSet []uint32

func (s *numberSet) add(n uint32) {
	if i, found := slices.BinarySearch(*s, n); !found {
		*s = slices.Insert(*s, i, n)
	}
}

func (s *numberSet) remove(n uint32) {
	switch i, found := slices.BinarySearch(*s, n); {
	case !found:
	case i == 0:
		*s = (*s)[1:]
	default:
		*s = slices.Delete(*s, i, i+1)
	}
}
