package render

import (
	"context"
	"fmt"

	"olive-distributed/daemon/ove"
)

// A FontUse is a font with the clips that are set in it.
type FontUse struct {
	Font
	Uses []Use `json:"uses"`
}

// PlanFonts lists the fonts of a plan.
func (r *Report) PlanFonts() []Font {
	var fonts []Font
	for _, f := range r.Fonts {
		fonts = append(fonts, f.Font)
	}
	return fonts
}

type textUse struct {
	effect *ove.Effect
	use    Use
}

// fonts asks the engine for the fonts of every effect.
func (x *examination) fonts(ctx context.Context) ([]FontUse, error) {
	type key struct {
		asked        string
		bold, italic bool
	}
	at := map[key]int{}
	var list []FontUse
	for _, t := range x.texts {
		fonts, err := x.engine.Fonts(ctx, t.effect)
		if err != nil {
			return nil, fmt.Errorf("fonts of %s: %w", t.use, err)
		}
		for _, f := range fonts {
			k := key{f.Asked, f.Bold, f.Italic}
			i, known := at[k]
			if !known {
				i = len(list)
				at[k] = i
				list = append(list, FontUse{Font: f})
			}
			list[i].Uses = append(list[i].Uses, t.use)
		}
	}
	return list, nil
}
