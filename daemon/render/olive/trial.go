package olive

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"olive-distributed/daemon/media/film"
	"olive-distributed/daemon/media/probe"
	"olive-distributed/daemon/ove"
	"olive-distributed/daemon/render"
)

// A Trial is what an editor was found to do.
type Trial struct {
	Display Display // where it draws
	// Mark names the editor and its encoder as the farm compares them: parts of editors with equal
	// marks can be joined.
	Mark string
	// Late means that pictures came one frame late, which is Olive 0.1's own defect: it draws and
	// exports in two threads that do not wait for each other.
	Late bool
}

// ErrNoEditor means that the editor's program is not there.
var ErrNoEditor = errors.New("the patched Olive editor is not installed")

// Try has the editor export a few frames of a small project, unless it has done so well before. It
// draws on the first display on which the right pictures come out.
func (e *Engine) Try(ctx context.Context) (*Trial, error) {
	select {
	case e.trying <- struct{}{}:
		defer func() { <-e.trying }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if e.known != nil {
		return e.known, nil
	}
	program, err := e.program()
	if err != nil {
		return nil, err
	}
	var all error
	for _, d := range []Display{Offscreen, Virtual} {
		t, err := e.try(ctx, program, d)
		if err == nil {
			e.known = t
			return t, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		all = errors.Join(all, fmt.Errorf("try %s on display %s: %w", e.opt.Editor, d, err))
	}
	return nil, all
}

// The trial's film: each frame of the medium has a grey of its own.
const (
	trialWidth, trialHeight = 160, 90
	trialFrames             = 24
)

func trialGrey(frame ove.Frame) int { return 20 + 9*int(frame) }

var (
	trialSpan     = render.Span{First: 5, End: 15}
	trialEncoding = film.Encoding{
		Width: trialWidth, Height: trialHeight, Rate: probe.Rational{Num: 25, Den: 1}, Preset: "h264", Colour: film.ColourOlive,
	}
)

// try exports a piece out of the middle and looks at it.
func (e *Engine) try(ctx context.Context, program string, d Display) (*Trial, error) {
	f, err := newFolder(e.opt.Folder)
	if err != nil {
		return nil, err
	}
	defer f.remove()
	if err := writeTrial(ctx, f); err != nil {
		return nil, fmt.Errorf("make a project to try: %w", err)
	}
	t := &Trial{Display: d}
	x := &export{engine: e, trial: t, folder: f, encoding: trialEncoding, span: trialSpan}
	out := filepath.Join(f.dir, "trial.mp4")
	if err := x.run(ctx, out, func(int64) {}); err != nil {
		return nil, err
	}
	if t.Late, err = judge(ctx, out); err != nil {
		return nil, err
	}
	part, err := film.VerifyPart(ctx, out, trialEncoding, trialSpan.Len())
	if err != nil {
		return nil, err
	}
	t.Mark, err = mark(program, part)
	return t, err
}

// mark is made of the program and of what its encoder tells a decoder. The coded frames do not
// count: the editor's encoder has as many threads as the machine has cores, and other bytes for it.
func mark(program string, part film.Part) (string, error) {
	f, err := os.Open(program)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	_, _ = io.WriteString(sum, part.Extradata)
	return Name + "@" + hex.EncodeToString(sum.Sum(nil)), nil
}

// judge compares the greys with those that are due.
func judge(ctx context.Context, path string) (late bool, err error) {
	const near = 4 // CRF 36 is off by so much, and the next frame by more
	f, err := openFilm(ctx, path)
	if err != nil {
		return false, err
	}
	defer f.close()
	err = f.decode(ctx, trialSpan.Len(), 1, func(n int64, frame []byte) error {
		got := int(frame[4*(trialWidth*trialHeight/2+trialWidth/2)])
		switch want := trialGrey(trialSpan.First + n); {
		case abs(got-want) <= near:
		case abs(got-trialGrey(trialSpan.First+n-1)) <= near:
			late = true
		default:
			return fmt.Errorf("its picture %d has grey %d where %d is due: it does not draw, or shows other frames than those asked for", n, got, want)
		}
		return nil
	})
	return late, err
}

func abs(n int) int { return max(n, -n) }

// writeTrial writes the project and its medium.
func writeTrial(ctx context.Context, f *folder) error {
	medium := filepath.Join(f.dir, "trial-medium.mp4")
	w, err := film.NewWriter(ctx, trialEncoding, medium, 1)
	if err != nil {
		return err
	}
	defer w.Abort()
	for n := range ove.Frame(trialFrames) {
		frame := make([]byte, 4*trialWidth*trialHeight)
		for i := range frame {
			frame[i] = byte(trialGrey(n))
		}
		if err := w.Write(frame); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	var url strings.Builder
	if err := xml.EscapeText(&url, []byte(medium)); err != nil {
		return err
	}
	project := fmt.Sprintf(trialProject, url.String(), trialWidth, trialHeight, trialFrames)
	return os.WriteFile(f.project(), []byte(project), 0o600)
}

const trialProject = `<?xml version="1.0" encoding="UTF-8"?>
<project>
    <version>190219</version>
    <folders/>
    <media>
        <footage id="1" folder="0" name="medium" url="%[1]s" duration="960000" using_inout="0" in="0" out="0" speed="1" alphapremul="0" startnumber="0" proxy="0" proxypath="">
            <video id="0" width="%[2]d" height="%[3]d" framerate="25.0000000000" infinite="0"/>
        </footage>
    </media>
    <sequences>
        <sequence id="1" folder="0" name="Trial" width="%[2]d" height="%[3]d" framerate="25.0000000000" afreq="48000" alayout="3" open="1" workarea="0" workareaIn="0" workareaOut="0">
            <clip id="0" enabled="1" name="medium" clipin="0" in="0" out="%[4]d" track="-1" r="128" g="128" b="192" autoscale="0" speed="1.0000000000" maintainpitch="0" reverse="0" type="0" media="1" stream="0">
                <linked/>
            </clip>
        </sequence>
    </sequences>
</project>
`
