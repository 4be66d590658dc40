// Package media is what ffmpeg and ffprobe know and do for us: the index of a stream, exact
// decoding of any run of frames, encoding of parts, joining and verification.
//
// Both programs run as children over pipes; they die with us and the tail of what they
// said goes into the error. A call either delivers exactly the frames that were asked for or
// fails with the file and frame in the error: never fewer, never others. A call that writes
// a file leaves a complete, synced file or none.
package media

import "fmt"

// A Rational is a fraction such as a frame rate (30000/1001) or a time base (1/15360 s).
// The zero value means unknown.
type Rational struct {
	Num int64 `json:"num"`
	Den int64 `json:"den"`
}

// String gives "a/b", as ffmpeg reads and prints it.
func (r Rational) String() string { return fmt.Sprintf("%d/%d", r.Num, r.Den) }

// Float64 is the value, 0 when unknown.
func (r Rational) Float64() float64 {
	if r.Den == 0 {
		return 0
	}
	return float64(r.Num) / float64(r.Den)
}
