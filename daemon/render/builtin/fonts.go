package builtin

import (
	"context"

	"olive-distributed/daemon/ove"
	"olive-distributed/daemon/render/text/font"
)

// Fonts tells for every family that an effect's text asks for which font is used on this
// machine. It is empty for effects without text and for text that names no family. Time codes
// name none: Olive sets them in whatever the system has for its own choice.
func (e *Engine) Fonts(ctx context.Context, effect *ove.Effect) ([]font.Match, error) {
	var asks []font.Query
	switch effect.Name {
	case "Render/Text":
		asks = (&title{font: titleFont(effect)}).asks()
	case "Render/Rich Text":
		asks = (&richTitle{text: richText(effect)}).asks()
	}
	var list []font.Match
	for _, q := range asks[:min(len(asks), maxFonts)] {
		if q.Family == "" {
			continue
		}
		m, err := e.fonts.Match(ctx, q)
		if err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	return list, nil
}
