package systemd

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
)

// NewLog returns the log of a daemon. On the journal each attribute becomes a field: "job" is
// OLIVE_JOB, so that "journalctl OLIVE_JOB=7" tells a job's story; the attribute "event" chooses the
// MESSAGE_ID of the catalog. Elsewhere lines of text go to w. Of one kind
// of entry there are at most 200 in a minute; more are counted.
func NewLog(w io.Writer) *slog.Logger {
	if onJournal() && journal.Enabled() {
		return slog.New(newQuiet(&handler{}, time.Now))
	}
	return slog.New(newQuiet(slog.NewTextHandler(w, nil), time.Now))
}

// MessageIDs are those of the journal's catalog, by event.
var MessageIDs = map[string]string{
	"submitted":    "5f3d1f0c8b6e4c6f9d0a1e7a54c2b901",
	"done":         "5f3d1f0c8b6e4c6f9d0a1e7a54c2b902",
	"failed":       "5f3d1f0c8b6e4c6f9d0a1e7a54c2b903",
	"cancelled":    "5f3d1f0c8b6e4c6f9d0a1e7a54c2b904",
	"range-failed": "5f3d1f0c8b6e4c6f9d0a1e7a54c2b905",
	"worker-new":   "5f3d1f0c8b6e4c6f9d0a1e7a54c2b906",
	"worker-lost":  "5f3d1f0c8b6e4c6f9d0a1e7a54c2b907",
	"degraded":     "5f3d1f0c8b6e4c6f9d0a1e7a54c2b908",
}

// A handler writes to the journal.
type handler struct {
	prefix string // of groups
	attrs  []slog.Attr
}

func (h *handler) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &handler{h.prefix, append(slices.Clip(h.attrs), attrs...)}
}

func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{h.prefix + name + "_", h.attrs}
}

// Handle writes one entry. What the message does not say itself stands behind it, for those who
// read without fields.
func (h *handler) Handle(_ context.Context, r slog.Record) error {
	fields := map[string]string{}
	var text strings.Builder
	text.WriteString(r.Message)
	add := func(a slog.Attr) bool {
		value := a.Value.Resolve().String()
		fields["OLIVE_"+fieldName(h.prefix+a.Key)] = value
		if a.Key == "event" {
			if id := MessageIDs[value]; id != "" {
				fields["MESSAGE_ID"] = id
			}
			return true
		}
		fmt.Fprintf(&text, " %s=%s", a.Key, value)
		return true
	}
	for _, a := range h.attrs {
		add(a)
	}
	r.Attrs(add)
	return journal.Send(text.String(), priority(r.Level), fields)
}

// fieldName makes a field's name of an attribute's: capital letters, digits and underscores.
func fieldName(key string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, key)
}

func priority(l slog.Level) journal.Priority {
	switch {
	case l >= slog.LevelError:
		return journal.PriErr
	case l >= slog.LevelWarn:
		return journal.PriWarning
	case l >= slog.LevelInfo:
		return journal.PriInfo
	}
	return journal.PriDebug
}

// deviceOf is the device and inode of a file.
func deviceOf(info fs.FileInfo) []uint64 {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	return []uint64{uint64(s.Dev), s.Ino}
}
