package olive

import "time"

// A pacer makes up progress while the editor is silent: ever slower the longer it takes beyond
// what was expected, so that a range that is slow still moves, and never back.
type pacer struct {
	frames   int64
	expected time.Duration
	report   func(int64)
	last     int64
}

func newPacer(frames int64, expected time.Duration, report func(int64)) *pacer {
	return &pacer{frames: frames, expected: max(expected, time.Millisecond), report: report}
}

// share is how much of a range is the editor's work; the rest is making a part of it.
const share = 0.75

// tick tells how long the editor has been at work.
func (p *pacer) tick(spent time.Duration) {
	p.tell(int64(share * float64(p.frames) * float64(spent) / float64(spent+p.expected)))
}

// finish tells how many frames of the part are there.
func (p *pacer) finish(done int64) {
	p.tell(int64(share*float64(p.frames) + (1-share)*float64(done)))
}

func (p *pacer) tell(done int64) {
	if done > p.last && done < p.frames {
		p.last = done
		p.report(done)
	}
}
