package ove_test

import (
	"math"
	"strings"
	"testing"

	"olive-distributed/daemon/ove"
)

// shared is a pair of clips with a dissolve of 6 frames to either side of the cut at 40: the
// second one has 20 frames before its start.
const shared = `<clip id="0" in="0" out="40" clipin="10" track="-1" media="1"><closing length="6" name="/Cross Dissolve"/></clip>
<clip id="1" in="40" out="80" clipin="20" track="-1" media="1"><opening shared="0"/></clip>`

func TestSharedTransitionsExtendClips(t *testing.T) {
	type extent struct{ in, out, clipIn ove.Frame }
	first, second := extent{0, 46, 10}, extent{34, 80, 14}
	for name, c := range map[string]struct {
		clips string
		want  [2]extent // in the order of the file
	}{
		"opening refers to the clip before": {shared, [2]extent{first, second}},
		"closing refers to the clip before": {
			`<clip id="1" in="40" out="80" clipin="20" track="-1"><opening length="6" name="/Cross Dissolve"/></clip>
			<clip id="0" in="0" out="40" clipin="10" track="-1"><closing shared="1"/></clip>`,
			[2]extent{second, first},
		},
		"disabled: the extents remain": {
			strings.Replace(shared, "length", `enabled="0" length`, 1),
			[2]extent{first, second},
		},
		"unknown name: no transition": {
			strings.Replace(shared, "/Cross Dissolve", "/Cube", 1),
			[2]extent{{0, 40, 10}, {40, 80, 20}},
		},
		"not shared: no extension": {
			`<clip in="0" out="40" clipin="10" track="-1"><closing length="6" name="/Cross Dissolve"/></clip>
			<clip in="40" out="80" clipin="20" track="-1"><opening length="6" name="/Cross Dissolve"/></clip>`,
			[2]extent{{0, 40, 10}, {40, 80, 20}},
		},
		"longer than the clip's own start: before the first frame": {
			strings.Replace(shared, `clipin="20"`, `clipin="2"`, 1),
			[2]extent{first, {34, 80, -4}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for i, clip := range clips(t, c.clips) {
				if got := (extent{clip.TimelineIn(), clip.TimelineOut(), clip.TrueClipIn()}); got != c.want[i] {
					t.Errorf("clip %d: %v, want %v", i, got, c.want[i])
				}
			}
		})
	}
}

// Values from golden/04_transitions (olive-0.1.md 6): before its own start the incoming clip shows
// its first frame while its keyframes run.
func TestFramesOfAClip(t *testing.T) {
	pair := clips(t, shared)
	for name, c := range map[string]struct {
		clip          *ove.Clip
		playhead      ove.Frame
		effect, media ove.Frame
	}{
		"first frame":                            {pair[0], 0, 10, 10},
		"in the middle":                          {pair[0], 25, 35, 35},
		"behind its end it plays on":             {pair[0], 45, 55, 55},
		"before its start the picture is frozen": {pair[1], 34, 14, 20},
		"up to its last frame before the start":  {pair[1], 39, 19, 20},
		"then both run together":                 {pair[1], 40, 20, 20},
		"and on":                                 {pair[1], 50, 30, 30},
		"before the clip, too":                   {pair[1], 0, 14, 20},
	} {
		t.Run(name, func(t *testing.T) {
			if effect, media := c.clip.EffectFrame(c.playhead), c.clip.MediaFrame(c.playhead); effect != c.effect || media != c.media {
				t.Errorf("frame %d: effect %d, media %d, want %d, %d", c.playhead, effect, media, c.effect, c.media)
			}
		})
	}
}

func TestMediaLength(t *testing.T) {
	footage := &ove.Footage{Speed: 1}
	at := func(fps float64) *ove.Sequence { return &ove.Sequence{FPS: fps} }
	inner := &ove.Sequence{FPS: 25, Clips: []*ove.Clip{{Out: 33}}}
	for name, c := range map[string]struct {
		clip     ove.Clip
		duration float64
		want     ove.Frame
	}{
		"four seconds":                      {ove.Clip{Kind: ove.Media, Speed: 1, Footage: footage, Parent: at(30)}, 4, 120},
		"rounded down":                      {ove.Clip{Kind: ove.Media, Speed: 1, Footage: footage, Parent: at(30)}, 4.033, 120},
		"double speed lasts half as long":   {ove.Clip{Kind: ove.Media, Speed: 2, Footage: footage, Parent: at(30)}, 4, 60},
		"footage has a speed of its own":    {ove.Clip{Kind: ove.Media, Speed: 2, Footage: &ove.Footage{Speed: 0.5}, Parent: at(30)}, 4, 120},
		"fractional rate":                   {ove.Clip{Kind: ove.Media, Speed: 1, Footage: footage, Parent: at(29.97)}, 10.027, 300},
		"a still never ends":                {ove.Clip{Kind: ove.Media, Speed: 1, Footage: footage, Parent: at(30)}, math.Inf(1), math.MaxInt64},
		"unknown duration":                  {ove.Clip{Kind: ove.Media, Speed: 1, Footage: footage, Parent: at(30)}, math.NaN(), 0},
		"negative duration":                 {ove.Clip{Kind: ove.Media, Speed: 1, Footage: footage, Parent: at(30)}, -1, 0},
		"footage that is not there":         {ove.Clip{Kind: ove.Media, Speed: 1, Parent: at(30)}, 4, 0},
		"nothing never ends":                {ove.Clip{Kind: ove.Null, Speed: 1, Parent: at(30)}, 0, math.MaxInt64},
		"nested, another rate: 39.6 frames": {ove.Clip{Kind: ove.Nested, Speed: 1, Nested: inner, Parent: at(30)}, 0, 40},
		"nested at double speed":            {ove.Clip{Kind: ove.Nested, Speed: 2, Nested: inner, Parent: at(30)}, 0, 20},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.clip.MediaLength(c.duration); got != c.want {
				t.Errorf("MediaLength = %d, want %d", got, c.want)
			}
		})
	}
}

func TestMediaSeconds(t *testing.T) {
	seq := &ove.Sequence{FPS: 20}
	for name, c := range map[string]struct {
		clip     ove.Clip
		playhead ove.Frame
		length   ove.Frame
		want     float64
	}{
		"normal speed":                              {ove.Clip{In: 5, ClipIn: 10, Speed: 1}, 25, 100, 1.5},
		"clipin is multiplied by the speed":         {ove.Clip{ClipIn: 10, Speed: 2}, 0, 100, 1},
		"half speed":                                {ove.Clip{Speed: 0.5}, 20, 100, 0.5},
		"footage speed":                             {ove.Clip{Speed: 2, Footage: &ove.Footage{Speed: 3}}, 20, 100, 6},
		"reverse starts a frame before the end":     {ove.Clip{Speed: 1, Reverse: true}, 0, 100, 4.95},
		"reverse at double speed":                   {ove.Clip{Speed: 2, Reverse: true, ClipIn: 4}, 5, 50, 4},
		"reverse behind the start of the media":     {ove.Clip{Speed: 1, Reverse: true}, 120, 100, -1.05},
		"reversed still: far away, no overflow":     {ove.Clip{Speed: 1, Reverse: true, ClipIn: -5}, 0, math.MaxInt64, math.MaxInt64 / 20.0},
		"before the clip: the first frame's second": {ove.Clip{In: 50, ClipIn: 20, Speed: 1}, 0, 100, 1},
	} {
		t.Run(name, func(t *testing.T) {
			c.clip.Parent = seq
			if got := c.clip.MediaSeconds(c.playhead, c.length); !(math.Abs(got-c.want) <= 1e-9) {
				t.Errorf("MediaSeconds = %v, want %v", got, c.want)
			}
		})
	}
}

func TestNestedFrame(t *testing.T) {
	for name, c := range map[string]struct {
		outer, inner       float64
		in, clipIn, speed  float64
		playhead, expected ove.Frame
	}{
		"same rate":                       {30, 30, 10, 5, 1, 12, 7},
		"slower nest, rounded":            {30, 25, 0, 3, 1, 0, 3},   // 2.5
		"slower nest, rounded down":       {30, 25, 0, 0, 1, 5, 4},   // 4.17
		"faster nest":                     {25, 50, 0, 0, 1, 3, 6},   // 6
		"halves go up":                    {50, 25, 0, 0, 1, 3, 2},   // 1.5
		"divided first, so a bit less":    {50, 25, 0, 0, 1, 29, 14}, // 14.499999999999998
		"halves go up below zero, as Qt5": {50, 25, 0, -3, 1, 0, -1}, // -1.5
		"below zero, less than a half":    {30, 25, 0, -2, 1, 0, -2}, // -1.67
		"speed is ignored":                {30, 30, 0, 0, 4, 7, 7},
	} {
		t.Run(name, func(t *testing.T) {
			clip := ove.Clip{
				Kind: ove.Nested, In: ove.Frame(c.in), ClipIn: ove.Frame(c.clipIn), Speed: c.speed,
				Parent: &ove.Sequence{FPS: c.outer}, Nested: &ove.Sequence{FPS: c.inner},
			}
			if got := clip.NestedFrame(c.playhead); got != c.expected {
				t.Errorf("NestedFrame = %d, want %d", got, c.expected)
			}
		})
	}
}

func TestVisible(t *testing.T) {
	pair := clips(t, shared)
	for name, c := range map[string]struct {
		clip             *ove.Clip
		playhead, length ove.Frame
		want             bool
	}{
		"the last frame of the media":         {pair[0], 9, 20, true},
		"one more":                            {pair[0], 10, 20, false},
		"counted from the extended start":     {pair[1], 39, 20, true},
		"and ended from the extended start":   {pair[1], 40, 20, false},
		"a still":                             {pair[1], 79, math.MaxInt64, true},
		"media that does not last to clip in": {pair[1], 34, 14, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.clip.Visible(c.playhead, c.length); got != c.want {
				t.Errorf("Visible = %v, want %v", got, c.want)
			}
		})
	}
}

func TestIsVideo(t *testing.T) {
	for track, want := range map[int]bool{-1: true, -7: true, 0: false, 3: false} {
		if got := (&ove.Clip{Track: track}).IsVideo(); got != want {
			t.Errorf("track %d: IsVideo = %v, want %v", track, got, want)
		}
	}
}

func TestDissolve(t *testing.T) {
	fades := func(track, name string) string {
		return `<clip in="100" out="130" track="` + track + `"><opening length="10" name="` + name + `"/><closing length="5" name="` + name + `"/></clip>`
	}
	dissolve := clips(t, fades("-1", "/Cross Dissolve"))[0]
	overlap := clips(t, `<clip in="0" out="10" track="-1"><opening length="8" name="/Cross Dissolve"/><closing length="5" name="/Cross Dissolve"/></clip>`)[0]
	off := clips(t, `<clip in="0" out="10" track="-1"><opening length="8" name="/Cross Dissolve" enabled="0"/></clip>`)[0]
	none := clips(t, `<clip in="0" out="10" track="-1"><opening length="0" name="/Cross Dissolve"/></clip>`)[0]
	thirty := clips(t, `<clip in="0" out="90" track="-1"><opening name="Cross Dissolve"/></clip>`)[0]
	pair := clips(t, shared)
	for name, c := range map[string]struct {
		clip     *ove.Clip
		playhead ove.Frame
		want     float64
	}{
		"the first frame is invisible":            {dissolve, 100, 0},
		"on the way in":                           {dissolve, 103, 0.3},
		"the last frame of the way in":            {dissolve, 109, 0.9},
		"fully there":                             {dissolve, 110, 1},
		"the way out starts at 1":                 {dissolve, 125, 1},
		"on the way out":                          {dissolve, 126, 0.8},
		"the last frame":                          {dissolve, 129, 0.2},
		"in and out at once multiply":             {overlap, 6, 6.0 / 8 * (1 - 1.0/5)},
		"audio fades leave pictures alone":        {clips(t, fades("-1", "/Linear Fade"))[0], 103, 1},
		"dissolves leave sound alone":             {clips(t, fades("0", "/Cross Dissolve"))[0], 103, 1},
		"switched off":                            {off, 3, 1},
		"of no length":                            {none, 0, 1},
		"30 frames unless said, name unprefixed":  {thirty, 3, 0.1},
		"shared: the outgoing clip stays":         {pair[0], 45, 1},
		"shared: the incoming one starts early":   {pair[1], 34, 0},
		"shared: it takes twice the length":       {pair[1], 40, 0.5},
		"shared: the last frame of the way in":    {pair[1], 45, 11.0 / 12},
		"shared: then it is there":                {pair[1], 46, 1},
		"before the clip there is nothing to say": {dissolve, 90, 1},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.clip.Dissolve(c.playhead); !(math.Abs(got-c.want) <= 1e-12) {
				t.Errorf("Dissolve(%d) = %v, want %v", c.playhead, got, c.want)
			}
		})
	}
}

func TestSpans(t *testing.T) {
	pair := clips(t, shared)
	single := clips(t, `<clip in="0" out="90" track="0"><opening length="7" name="/Linear Fade" enabled="0"/></clip>`)[0]
	for name, c := range map[string]struct {
		span func() (ove.Frame, bool)
		want ove.Frame // 0: none
	}{
		"none":                        {pair[0].OpeningSpan, 0},
		"shared closing":              {pair[0].ClosingSpan, 12},
		"shared opening":              {pair[1].OpeningSpan, 12},
		"single, enabled or not":      {single.OpeningSpan, 7},
		"the other end of the single": {single.ClosingSpan, 0},
	} {
		t.Run(name, func(t *testing.T) {
			if got, ok := c.span(); got != c.want || ok != (c.want > 0) {
				t.Errorf("span = %d, %v, want %d", got, ok, c.want)
			}
		})
	}
}
