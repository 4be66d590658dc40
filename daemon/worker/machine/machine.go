// Package machine finds out what this computer can render: threads, memory, the presets that its
// ffmpeg encodes, and how fast.
//
// Nothing is assumed: a preset counts when a short clip was encoded, verified and decoded. A preset
// that fails is left out with the reason; only a missing ffmpeg or the end of the context fails
// the whole probe. The answer is cached, and a cache that is damaged, or of another ffmpeg or
// processor, is made anew.
package machine

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"olive-distributed/daemon/media/film"
)

// A Spec is what a computer can do.
type Spec struct {
	Threads int   `json:"threads"` // as asked for, at most what the control group allows
	Memory  int64 `json:"memory"`  // bytes, as the control group limits them

	// Presets maps the name of each preset that can be encoded to its fingerprint, a SHA-256 in
	// hex over an encoded clip and the pictures decoded from it. Computers with the same
	// fingerprint made the same bytes.
	Presets map[string]string `json:"presets"`
	// Refused maps the other presets to the reason.
	Refused map[string]string `json:"refused,omitempty"`
	// Speed is how many 1920x1080 pictures a second are decoded and encoded with preset h264;
	// 0 if that is not known.
	Speed float64 `json:"speed"`
}

// Marks name the encoders as the farm compares them, by preset: equal marks make equal bytes.
func (s Spec) Marks() map[string]string {
	marks := map[string]string{}
	for preset, print := range s.Presets {
		marks[preset] = preset + "@" + print
	}
	return marks
}

// Probe examines this computer. It works with up to threads threads, 0 for all. cacheFile
// remembers the answer, if nothing failed; "" does not. That the cache cannot be written is no error: the next start
// only takes longer.
func Probe(ctx context.Context, cacheFile string, threads int) (Spec, error) {
	all := runtime.GOMAXPROCS(0) // it knows the CPU limit of the control group
	s := Spec{Threads: min(cmp.Or(max(0, threads), all), all), Memory: memory()}
	key, err := identity(ctx, s.Threads)
	if err != nil {
		return Spec{}, fmt.Errorf("examine this computer: %w", err)
	}
	if known, ok := load(cacheFile, key); ok {
		known.Threads, known.Memory = s.Threads, s.Memory
		return known, nil
	}
	if err := s.measure(ctx); err != nil {
		return Spec{}, fmt.Errorf("examine this computer: %w", err)
	}
	if len(s.Refused) == 0 && s.Speed > 0 { // else the reason, such as a full disk, may pass
		save(cacheFile, key, s)
	}
	return s, nil
}

// measure fills what has to be tried out.
func (s *Spec) measure(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "olive-machine-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s.Presets, s.Refused = map[string]string{}, nil
	for _, p := range film.Presets() {
		print, err := within(ctx, func(ctx context.Context) (string, error) { return fingerprint(ctx, dir, p) })
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			if s.Refused == nil {
				s.Refused = map[string]string{}
			}
			s.Refused[p.Name] = err.Error()
			continue
		}
		s.Presets[p.Name] = print
	}
	if s.Presets[benchPreset] == "" {
		return nil
	}
	s.Speed, err = within(ctx, func(ctx context.Context) (float64, error) { return speed(ctx, dir, s.Threads) })
	if err != nil { // it is only an estimate, which the farm corrects with the first range
		s.Speed = 0
	}
	return context.Cause(ctx)
}

// patience is what one trial may take; a second or two are usual.
const patience = 2 * time.Minute

func within[T any](ctx context.Context, trial func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return trial(ctx)
}

// memory is the computer's memory, or what the control group leaves of it.
func memory() int64 {
	limit := groupMemory("/")
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return limit
	}
	total := int64(info.Totalram) * int64(info.Unit)
	if limit == 0 {
		return total
	}
	return min(limit, total)
}
