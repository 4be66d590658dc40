package farm

import "time"

// A rate is a speed in frames per 1000 s. Whole numbers make sums exact, so that a farm which is
// folded from its log computes what the live one did. 0 means unknown.
type rate int64

const maxRate = 1e12

// measure is the rate of so many frames in so many milliseconds.
func measure(frames, ms int64) rate {
	if frames <= 0 || ms <= 0 {
		return 0
	}
	return rate(min(max(1, float64(frames)*1e6/float64(ms)), maxRate))
}

// mixed is r with a new sample in it: exponentially weighted, a third for the newest.
func (r rate) mixed(sample rate) rate {
	if r == 0 {
		return sample
	}
	return r + (sample-r)/3
}

func (r rate) perSecond() float64 { return float64(r) / 1000 }

// frames is how many are done in d.
func (r rate) frames(d time.Duration) int64 { return int64(r.perSecond() * d.Seconds()) }

// need is how long so many frames take, in seconds; r is not 0.
func (r rate) need(frames int64) float64 { return float64(frames) / r.perSecond() }

// mean is the average speed of the workers that have been measured in the job.
func (j *job) mean() rate {
	if len(j.Speed) == 0 {
		return 0
	}
	return j.sum / rate(len(j.Speed))
}

// overall is what is known of the worker's speed without regard to a job.
func (w *worker) overall() rate {
	if w.Speed != 0 {
		return w.Speed
	}
	return rate(w.Spec.Speed * 1000)
}

// speed is what is known of the worker's speed in the job: measured there, else overall.
func (j *job) speed(w *worker) rate {
	if s := j.Speed[w.Spec.Name]; s != 0 {
		return s
	}
	return w.overall()
}

// learn takes in that the worker has rendered so many frames of the job in so many milliseconds.
func (j *job) learn(w *worker, frames, ms int64) {
	sample := measure(frames, ms)
	if sample == 0 {
		return
	}
	old := j.Speed[w.Spec.Name]
	if j.Speed == nil {
		j.Speed = map[string]rate{}
	}
	j.Speed[w.Spec.Name] = old.mixed(sample)
	j.sum += j.Speed[w.Spec.Name] - old
	w.Speed = w.Speed.mixed(sample)
}
