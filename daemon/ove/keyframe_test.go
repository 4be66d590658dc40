package ove_test

import (
	"image/color"
	"math"
	"testing"

	"olive-distributed/daemon/ove"

	"pgregory.net/rapid"
)

// keyed is an effect with one field "f" that has these keys.
func keyed(keys ...ove.Key) *ove.Effect {
	return &ove.Effect{Rows: []ove.Row{{Fields: []ove.Field{{ID: "f", Value: "77", Keys: keys}}}}}
}

func linear(frame ove.Frame, value string) ove.Key { return ove.Key{Frame: frame, Value: value} }

func hold(frame ove.Frame, value string) ove.Key {
	return ove.Key{Frame: frame, Value: value, Type: ove.Hold}
}

// bezier is a key whose handles lie flat, preX frames before and postX frames behind it.
func bezier(frame ove.Frame, value string, preX, postX float64) ove.Key {
	return ove.Key{Frame: frame, Value: value, Type: ove.Bezier, PreX: preX, PostX: postX}
}

// The values are worked out by hand from olive-0.1.md 5. The curves are at t=1/2 in the frame that
// is asked: x = (a+2b+c)/4 or (a+3b+3c+d)/8, and the value from the y of the same points.
func TestCurve(t *testing.T) {
	tall := bezier(0, "0", 0, 8)
	tall.PostY = 40
	low := bezier(32, "64", -24, 0)
	low.PreY = -24
	holdWithHandle := hold(32, "64")
	holdWithHandle.PreX, holdWithHandle.PreY = -24, -24
	third, thirdFrom := bezier(0, "0", 0, 10), bezier(30, "90", -10, 0)
	middle := bezier(0, "0", 0, 16)
	middle.PostY = 40
	for name, c := range map[string]struct {
		keys  []ove.Key
		frame float64
		want  float64
	}{
		"before the first key":           {[]ove.Key{linear(10, "5"), linear(20, "9")}, 3, 5},
		"behind the last key":            {[]ove.Key{linear(10, "5"), linear(20, "9")}, 33, 9},
		"on a key":                       {[]ove.Key{linear(10, "5"), linear(20, "9")}, 20, 9},
		"one key":                        {[]ove.Key{bezier(10, "5", -40, 40)}, 0, 5},
		"linear":                         {[]ove.Key{linear(0, "100"), linear(30, "540")}, 15, 320},
		"linear at a negative frame":     {[]ove.Key{linear(-10, "0"), linear(10, "20")}, -5, 5},
		"linear between frames":          {[]ove.Key{linear(0, "100"), linear(30, "540")}, 7.25, 100 + 440*7.25/30},
		"within half a frame of a key":   {[]ove.Key{linear(0, "100"), linear(30, "540")}, 29.6, 540},
		"half a frame before a key":      {[]ove.Key{linear(0, "100"), linear(30, "540")}, 29.5, 540},
		"almost half a frame behind it":  {[]ove.Key{linear(0, "100"), linear(30, "540")}, 0.49, 100},
		"hold":                           {[]ove.Key{hold(0, "100"), linear(20, "260")}, 19, 100},
		"hold before a bezier":           {[]ove.Key{hold(0, "100"), bezier(20, "260", -40, 40)}, 19, 100},
		"linear before a hold":           {[]ove.Key{linear(0, "100"), hold(20, "260")}, 10, 180},
		"unsorted in the file":           {[]ove.Key{linear(30, "60"), linear(0, "0"), linear(10, "20")}, 20, 40},
		"two on one frame: the first":    {[]ove.Key{linear(10, "1"), linear(10, "2")}, 10, 1},
		"texts that are no numbers":      {[]ove.Key{linear(0, "x"), linear(10, "20")}, 5, 10},
		"cubic in its middle":            {[]ove.Key{bezier(0, "0", 0, 15), bezier(30, "90", -15, 0)}, 15, 45},
		"cubic at a third, x is linear":  {[]ove.Key{third, thirdFrom}, 10, 90 * (3*2./3/9 + 1./27)},
		"cubic: handles that meet":       {[]ove.Key{bezier(0, "0", 0, 24), bezier(32, "64", -16, 0)}, 19, 32},
		"cubic: overlap and clamp":       {[]ove.Key{bezier(0, "0", 0, 40), bezier(32, "64", -8, 0)}, 28, 32},
		"bezier, then linear":            {[]ove.Key{tall, linear(32, "64")}, 12, 36},
		"bezier by the rounded frame":    {[]ove.Key{tall, linear(32, "64")}, 11.6, 36},
		"handle beyond the next key":     {[]ove.Key{bezier(0, "0", 0, 100), linear(32, "64")}, 24, 16},
		"handle to the wrong side":       {[]ove.Key{bezier(0, "0", 0, -5), linear(32, "64")}, 8, 16},
		"linear, then bezier":            {[]ove.Key{linear(0, "0"), low}, 12, 36},
		"pre handle beyond the key":      {[]ove.Key{linear(0, "0"), bezier(32, "64", -100, 0)}, 8, 48},
		"pre handle to the wrong side":   {[]ove.Key{linear(0, "0"), bezier(32, "64", 5, 0)}, 24, 48},
		"bezier, then hold: its handle":  {[]ove.Key{bezier(0, "0", 0, 4), holdWithHandle}, 12, 36},
		"hold's handle meets a bezier's": {[]ove.Key{bezier(0, "0", 0, 24), holdWithHandle}, 16, 36}, // (-24-8)/2: b=16, the middle: t=1/2
		"control point in the middle":    {[]ove.Key{middle, linear(32, "64")}, 8, 2*.75*.25*40 + .0625*64},
		"middle of three":                {[]ove.Key{linear(0, "0"), tallAt(10), linear(42, "64")}, 22, 36},
	} {
		t.Run(name, func(t *testing.T) {
			curve := keyed(c.keys...).Curve(0, "f", 0)
			if got := curve.At(c.frame); !(math.Abs(got-c.want) <= 1e-3) {
				t.Errorf("At(%v) = %v, want %v", c.frame, got, c.want)
			}
		})
	}
}

func tallAt(frame ove.Frame) ove.Key {
	k := bezier(frame, "0", 0, 8)
	k.PostY = 40
	return k
}

func TestFieldsAreFound(t *testing.T) {
	e := &ove.Effect{Rows: []ove.Row{
		{Fields: []ove.Field{{ID: "a", Value: "1.5"}, {ID: "b", Value: "2"}, {ID: "b", Value: "3"}}},
		{},
		{Fields: []ove.Field{{ID: "a", Value: "9"}, {ID: "k", Value: "8", Keys: []ove.Key{linear(0, "4")}}}},
	}}
	for name, c := range map[string]struct {
		row  int
		id   string
		want float64
	}{
		"by row and id":                      {0, "a", 1.5},
		"the same id in another row":         {2, "a", 9},
		"the last of several":                {0, "b", 3},
		"keys win over the value":            {2, "k", 4},
		"no key in a keyframed row: value":   {2, "a", 9},
		"unknown id: the default":            {0, "c", -1},
		"empty row: the default":             {1, "a", -1},
		"missing row: the default":           {3, "a", -1},
		"a row before the first: no panic":   {-1, "a", -1},
		"id of a field in another row: none": {1, "k", -1},
	} {
		t.Run(name, func(t *testing.T) {
			if got := e.Curve(c.row, c.id, -1).At(0); got != c.want {
				t.Errorf("At(0) = %v, want %v", got, c.want)
			}
		})
	}
}

func TestNumbersAreReadAsQtDoes(t *testing.T) {
	for text, want := range map[string]float64{
		"12.5": 12.5, "1.23457e+06": 1234570, "-3": -3, " 7 ": 7, ".5": .5, "5.": 5, "+2": 2,
		"": 0, "x": 0, "1,5": 0, "0x10": 0, "1_000": 0, "nan": 0, "inf": 0, "1e999": 0, "100%": 0,
	} {
		e := &ove.Effect{Rows: []ove.Row{{Fields: []ove.Field{{ID: "f", Value: text}}}}}
		if got := e.Curve(0, "f", -1).At(0); got != want {
			t.Errorf("%q = %v, want %v", text, got, want)
		}
	}
}

func TestSteps(t *testing.T) {
	e := keyed(linear(20, "1"), linear(10, "Bahnschrift"), ove.Key{Frame: 30, Value: " 2 ", Type: ove.Bezier}, linear(40, "1.0"))
	steps := e.Steps(0, "f", "")
	for frame, want := range map[float64]struct {
		text string
		num  int
		bool bool
	}{
		0:    {"Bahnschrift", 0, false},
		19:   {"Bahnschrift", 0, false},
		19.5: {"1", 1, true},
		20:   {"1", 1, true},
		29:   {"1", 1, true},
		30:   {" 2 ", 2, false},
		99:   {"1.0", 0, false},
	} {
		if text, num, truth := steps.At(frame), steps.Int(frame), steps.Bool(frame); text != want.text || num != want.num || truth != want.bool {
			t.Errorf("at %v: %q, %d, %v, want %v", frame, text, num, truth, want)
		}
	}
	if got := keyed().Steps(0, "f", "5"); got.Int(0) != 77 {
		t.Errorf("without keys: %d, want 77", got.Int(0))
	}
	if got := keyed().Steps(0, "g", "5"); got.Int(9) != 5 {
		t.Errorf("missing field: %d, want the default 5", got.Int(9))
	}
}

func TestColors(t *testing.T) {
	black := color.NRGBA{A: 255}
	for text, want := range map[string]color.NRGBA{
		"#20c040": {0x20, 0xc0, 0x40, 255}, "#FFF": {255, 255, 255, 255}, "#1a9": {0x11, 0xaa, 0x99, 255},
		"#80102030": {0x10, 0x20, 0x30, 0x80}, "#123456789": {0x12, 0x45, 0x78, 255}, "#123456789abc": {0x12, 0x56, 0x9a, 255},
		"red": {255, 0, 0, 255}, "Light Sky Blue": {0x87, 0xce, 0xfa, 255}, "transparent": {},
		"": black, "#": black, "#12": black, "#12345": black, "#xyz": black, "#gg102030": black, "#1020+3": black, "reddish": black,
	} {
		e := &ove.Effect{Rows: []ove.Row{{Fields: []ove.Field{{ID: "f", Value: text}}}}}
		if got := e.ColorCurve(0, "f", color.NRGBA{1, 2, 3, 4}).At(5); got != want {
			t.Errorf("%q = %v, want %v", text, got, want)
		}
	}
	if got, def := keyed().ColorCurve(0, "g", color.NRGBA{1, 2, 3, 4}), (color.NRGBA{1, 2, 3, 4}); got.At(0) != def {
		t.Errorf("missing field: %v, want the default %v", got.At(0), def)
	}
}

func TestColorCurve(t *testing.T) {
	curve := keyed(hold(0, "#000000"), bezier(10, "#ff8001", -4, 4), hold(20, "#40ff8001"), linear(30, "black")).ColorCurve(0, "f", color.NRGBA{})
	for frame, want := range map[float64]color.NRGBA{
		-3:  {0, 0, 0, 255},
		5:   {128, 64, 1, 255}, // 127.5, 64, 0.5: halves go up, and hold does not hold
		7.2: {184, 92, 1, 255}, // 183.6, 92.16, 0.72
		10:  {255, 128, 1, 255},
		15:  {255, 128, 1, 255}, // opaque between keys
		20:  {255, 128, 1, 0x40},
		25:  {128, 64, 1, 255},
		30:  {0, 0, 0, 255},
	} {
		if got := curve.At(frame); got != want {
			t.Errorf("At(%v) = %v, want %v", frame, got, want)
		}
	}
}

func TestConstant(t *testing.T) {
	bulge := bezier(10, "5", -4, 4)
	bulge.PostY = 3
	for name, c := range map[string]struct {
		keys []ove.Key
		want bool
	}{
		"no keys":                        {nil, true},
		"one key":                        {[]ove.Key{bulge}, true},
		"equal values":                   {[]ove.Key{linear(0, "5"), hold(10, "5.0"), bezier(20, "5", -4, 4), bezier(30, "5", -4, 4)}, true},
		"another value":                  {[]ove.Key{linear(0, "5"), linear(10, "6")}, false},
		"equal values, but with a bulge": {[]ove.Key{bulge, linear(20, "5")}, false},
		"a handle that does not count":   {[]ove.Key{linear(0, "5"), bulge}, true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := keyed(c.keys...).Curve(0, "f", 0).Constant(); got != c.want {
				t.Errorf("Curve: %v, want %v", got, c.want)
			}
		})
	}
	if keyed(linear(0, "red"), linear(1, "blue")).ColorCurve(0, "f", color.NRGBA{}).Constant() {
		t.Error("red to blue is a constant colour")
	}
	if !keyed(linear(0, "red"), linear(1, "#f00")).ColorCurve(0, "f", color.NRGBA{}).Constant() {
		t.Error("red to red is no constant colour")
	}
	if keyed(linear(0, "a"), linear(1, "b")).Steps(0, "f", "").Constant() || !keyed(linear(0, "a"), linear(1, "a")).Steps(0, "f", "").Constant() {
		t.Error("Steps: a to b is constant, or a to a is not")
	}
}

// keys draws keys as Olive allows them, on some 40 frames.
func keys(t *rapid.T) []ove.Key {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) ove.Key {
		number := rapid.Float64Range(-50, 50)
		return ove.Key{
			Frame: rapid.Int64Range(-5, 35).Draw(t, "frame"),
			Value: rapid.SampledFrom([]string{"0", "1", "-7.5", "100", ""}).Draw(t, "value"),
			Type:  rapid.SampledFrom([]ove.KeyType{ove.Linear, ove.Bezier, ove.Hold}).Draw(t, "type"),
			PreX:  number.Draw(t, "prehx"), PreY: number.Draw(t, "prehy"),
			PostX: number.Draw(t, "posthx"), PostY: number.Draw(t, "posthy"),
		}
	}), 1, 6).Draw(t, "keys")
}

func TestCurvesStayWithinTheirControlPoints(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		drawn := keys(t)
		curve := keyed(drawn...).Curve(0, "f", 0)
		lo, hi := math.Inf(1), math.Inf(-1)
		for _, k := range drawn {
			value := keyed(linear(0, k.Value)).Curve(0, "f", 0).At(0)
			lo, hi = min(lo, value+min(k.PreY, k.PostY, 0)), max(hi, value+max(k.PreY, k.PostY, 0))
		}
		first := curve.At(-100)
		for frame := -10.0; frame < 40; frame += 0.25 {
			got := curve.At(frame)
			if math.IsNaN(got) || got < lo-1e-6 || got > hi+1e-6 {
				t.Fatalf("At(%v) = %v, want %v to %v", frame, got, lo, hi)
			}
			if curve.Constant() && math.Abs(got-first) > 1e-9 {
				t.Fatalf("At(%v) = %v on a constant curve of %v", frame, got, first)
			}
		}
	})
}

func TestEvaluationDoesNotAllocate(t *testing.T) {
	e := keyed(bezier(0, "1", -4, 4), bezier(20, "5", -4, 4), linear(30, "7"))
	curve, steps, colors := e.Curve(0, "f", 0), e.Steps(0, "f", ""), e.ColorCurve(0, "f", color.NRGBA{})
	var sum float64
	if n := testing.AllocsPerRun(100, func() {
		sum += curve.At(11.3) + float64(steps.Int(11.3)) + float64(colors.At(11.3).R) + float64(len(steps.At(25)))
	}); n != 0 {
		t.Errorf("%v allocations for each frame, want none", n)
	}
}

func BenchmarkCurveCubic(b *testing.B) {
	curve := keyed(bezier(0, "1", -4, 4), bezier(20, "5", -4, 4)).Curve(0, "f", 0)
	for b.Loop() {
		curve.At(11)
	}
}
