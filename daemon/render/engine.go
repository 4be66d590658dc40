// Package render turns a range of frames of a project into a part: a piece of film, or the
// sound of the whole timeline.
//
// A [Plan] fixes at submit everything that decides about bytes: the project, the media, the
// frames, the encoding. An [Engine] renders a range of it and fails rather than write a part
// that is not what the plan says; a failed call leaves at most a file that nobody uses. The
// same range of the same plan gives the same bytes on every worker.
package render

import (
	"context"

	"olive-distributed/daemon/ove"
)

// A Span is the half-open run of frames [First, End) of a sequence.
type Span struct {
	First ove.Frame `json:"first"`
	End   ove.Frame `json:"end"`
}

// Len is the number of frames.
func (s Span) Len() ove.Frame { return s.End - s.First }

// A Font is what one style of a family is set in.
type Font struct {
	Asked       string `json:"asked"` // family, as the project names it
	Bold        bool   `json:"bold,omitempty"`
	Italic      bool   `json:"italic,omitempty"`
	Family      string `json:"family"` // that stands for it
	SHA256      string `json:"sha256"` // of the font's file, hex
	Substituted bool   `json:"substituted,omitempty"`
}

// An Engine renders ranges. Its methods may be called from several goroutines, each for a
// range of its own.
type Engine interface {
	// Name is what plans and workers call the engine.
	Name() string
	// Supports reports whether the engine can do the effect of that name, a picture's or a
	// sound's.
	Supports(effect string) bool
	// Fonts lists the fonts of this machine that stand for the families which the effect asks for.
	Fonts(ctx context.Context, e *ove.Effect) ([]Font, error)
	// Video renders the frames of span into a new file and calls progress after each frame
	// with the number of frames done. The notes are for the user, about what is in the part
	// and might not be expected there, such as pictures of a damaged medium; they are some at most,
	// and the same on every worker.
	Video(ctx context.Context, s *Scene, span Span, out string, progress func(done int64)) (notes []string, err error)
	// Sound renders the sound of span into a new WAV file; progress gets frames too.
	Sound(ctx context.Context, s *Scene, span Span, out string, progress func(done int64)) (notes []string, err error)
}
