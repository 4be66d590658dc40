package probe

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
