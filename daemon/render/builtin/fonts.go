package builtin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"sync"

	"olive-distributed/daemon/ove"
	"olive-distributed/daemon/render"
	"olive-distributed/daemon/render/text/font"
)

// Fonts implements [render.Engine]. It is empty for effects without text and for text that names no
// family. Time codes name none: Olive sets them in whatever the system has for its own choice.
func (e *Engine) Fonts(ctx context.Context, effect *ove.Effect) ([]render.Font, error) {
	var asks []font.Query
	switch effect.Name {
	case "Render/Text":
		asks = (&title{font: titleFont(effect)}).asks()
	case "Render/Rich Text":
		asks = (&richTitle{text: richText(effect)}).asks()
	}
	var list []render.Font
	for _, q := range asks[:min(len(asks), maxFonts)] {
		if q.Family == "" {
			continue
		}
		f, err := e.fontFor(ctx, q)
		if err != nil {
			return nil, err
		}
		list = append(list, f)
	}
	return list, nil
}

// fontFor finds what a style of a family is set in here.
func (e *Engine) fontFor(ctx context.Context, q font.Query) (render.Font, error) {
	m, err := e.fonts.Match(ctx, q)
	if err != nil {
		return render.Font{}, err
	}
	sum, err := e.digests.of(m.File)
	if err != nil {
		return render.Font{}, fmt.Errorf("font %q: %w", q.Family, err)
	}
	return render.Font{Asked: m.Asked, Bold: q.Bold, Italic: q.Italic, Family: m.Family, SHA256: sum, Substituted: m.Substituted}, nil
}

// CheckFonts refuses to set a text in other letters than the rest of the film has.
func (e *Engine) CheckFonts(ctx context.Context, want []render.Font) error {
	for _, w := range want {
		have, err := e.fontFor(ctx, font.Query{Family: w.Asked, Bold: w.Bold, Italic: w.Italic})
		if err != nil {
			return err
		}
		if have.SHA256 != w.SHA256 {
			return fmt.Errorf("font %q is %s on the master, and on this machine another file (%s): install the same fonts on all machines", w.Asked, w.Family, have.Family)
		}
	}
	return nil
}

// digests remembers the checksums of font files.
type digests struct {
	mu   sync.Mutex
	sums map[string]string
}

func (d *digests) of(path string) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if sum, ok := d.sums[path]; ok {
		return sum, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		return "", err
	}
	if d.sums == nil {
		d.sums = map[string]string{}
	}
	d.sums[path] = hex.EncodeToString(hash.Sum(nil))
	return d.sums[path], nil
}
