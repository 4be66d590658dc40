package systemd

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode"
)

// What the log takes of one kind of entry. Whoever can cause entries at will, as strangers at an open
// port can, so neither fills the disk nor buries the others.
const (
	quietWindow = time.Minute
	quietMost   = 200
	kindSize    = 48 // bytes of the message that tell its kind
)

// quiet passes on entries, of each kind so many in a window, and then says how many it has held back.
type quiet struct {
	slog.Handler
	*counts
}

type counts struct {
	clock func() time.Time

	mu    sync.Mutex
	begun time.Time
	seen  map[string]int
}

func newQuiet(h slog.Handler, clock func() time.Time) quiet {
	return quiet{h, &counts{clock: clock, seen: map[string]int{}}}
}

func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler {
	return quiet{q.Handler.WithAttrs(attrs), q.counts}
}

func (q quiet) WithGroup(name string) slog.Handler { return quiet{q.Handler.WithGroup(name), q.counts} }

// Handle implements [slog.Handler].
func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	now := q.clock()
	for kind, held := range q.turn(now) {
		_ = q.Handler.Handle(ctx, slog.NewRecord(now, slog.LevelWarn, fmt.Sprintf("%d entries like %q were held back, there were too many", held, kind), 0))
	}
	if q.count(kindOf(r.Message)) > quietMost {
		return nil
	}
	return q.Handler.Handle(ctx, r)
}

// turn begins a new window when one is over, and returns what was held back in it.
func (c *counts) turn(now time.Time) map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if age := now.Sub(c.begun); age >= 0 && age < quietWindow {
		return nil
	}
	held := map[string]int{}
	for kind, n := range c.seen {
		if n > quietMost {
			held[kind] = n - quietMost
		}
	}
	clear(c.seen)
	c.begun = now
	return held
}

func (c *counts) count(kind string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[kind]++
	return c.seen[kind]
}

// kindOf is the beginning of a message, without the numbers in it.
func kindOf(message string) string {
	return strings.ToValidUTF8(strings.Map(func(r rune) rune {
		if unicode.IsDigit(r) {
			return -1
		}
		return r
	}, message[:min(len(message), kindSize)]), "")
}
