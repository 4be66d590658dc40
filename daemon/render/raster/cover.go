package raster

import "image"

// Cover puts color, premultiplied, over the w pixels of line y from x on, as much of it as
// coverage says (0..255). The pixels must lie in the picture.
func (m *Image) Cover(x, y int, coverage []uint8, color uint32) {
	row := m.Row(y)[x : x+len(coverage)]
	solid := color>>24 == 255
	for i, c := range coverage {
		switch {
		case c == 0:
		case c == 255 && solid:
			row[i] = color
		default:
			row[i] = over(scale255(color, uint32(c)), row[i])
		}
	}
}

// OverBox puts src, of the same size, over the picture within box, which is cut to it. The pixels
// of src are multiplied by opacity, clamped to 0..1, and rounded before.
func (m *Image) OverBox(src *Image, box image.Rectangle, opacity float64) {
	box = box.Intersect(image.Rect(0, 0, m.W, m.H))
	f := fixedFactor(opacity)
	for y := box.Min.Y; y < box.Max.Y; y++ {
		from, to := src.Row(y)[box.Min.X:box.Max.X], m.Row(y)[box.Min.X:box.Max.X]
		for i, s := range from {
			if s == 0 {
				continue
			}
			if f != one {
				s = scale(s, f)
			}
			to[i] = over(s, to[i])
		}
	}
}

// Tint replaces every pixel of box, which must lie in the picture, by color, straight and opaque,
// at the pixel's alpha.
func (m *Image) Tint(box image.Rectangle, color uint32) {
	for y := box.Min.Y; y < box.Max.Y; y++ {
		row := m.Row(y)[box.Min.X:box.Max.X]
		for i, p := range row {
			row[i] = scale255(color, p>>24)
		}
	}
}

// blurStrength is, by radius from 1 on, how much of the next byte the alpha blur takes in, in
// 1/16; more than the longest radius takes 1 (effects notes 9.5).
var blurStrength = [...]int32{14, 10, 8, 6, 5, 5, 4, 3, 3, 3, 3, 2, 2, 2, 2, 2, 2}

// BlurAlpha blurs the alpha of the picture and nothing else: a first-order filter in 1/16 steps
// runs down, right, up and left over the bytes. Colours keep their sharp edges, so the picture may
// hold more colour than alpha. A radius below 1 changes nothing. Alpha must be 0 outside of box;
// the answer is the box outside of which it is so afterwards.
func (m *Image) BlurAlpha(box image.Rectangle, radius int) image.Rectangle {
	box = box.Intersect(image.Rect(0, 0, m.W, m.H))
	if radius < 1 || box.Empty() {
		return box
	}
	strength := int32(1)
	if radius <= len(blurStrength) {
		strength = blurStrength[radius-1]
	}
	reach := 1 // how far a full byte is seen: the filter's tail ends in zeros
	for z := int32(255 << 4); z>>4 > 0; reach++ {
		z -= z * strength / 16
	}
	box = box.Inset(-reach).Intersect(image.Rect(0, 0, m.W, m.H))
	state := make([]int32, box.Dx())
	m.blurRows(box, state, strength, box.Min.Y, 1)
	m.blurLines(box, strength, 0, 1)
	m.blurRows(box, state, strength, box.Max.Y-1, -1)
	m.blurLines(box, strength, box.Dx()-1, -1)
	return box
}

// blurRows filters all columns at once, from row y on in steps of step.
func (m *Image) blurRows(box image.Rectangle, state []int32, strength int32, y, step int) {
	for x, p := range m.Row(y)[box.Min.X:box.Max.X] {
		state[x] = int32(p>>24) << 4
	}
	for y += step; y >= box.Min.Y && y < box.Max.Y; y += step {
		row := m.Row(y)[box.Min.X:box.Max.X]
		row = row[:len(state)]
		for x, z := range state {
			p := row[x]
			z += (int32(p>>24)<<4 - z) * strength / 16
			state[x] = z
			row[x] = p&0xffffff | uint32(z>>4)<<24
		}
	}
}

// blurLines filters every row from column start of the box on in steps of step.
func (m *Image) blurLines(box image.Rectangle, strength int32, start, step int) {
	for y := box.Min.Y; y < box.Max.Y; y++ {
		row := m.Row(y)[box.Min.X:box.Max.X]
		z := int32(row[start]>>24) << 4
		for x := start + step; uint(x) < uint(len(row)); x += step {
			p := row[x]
			z += (int32(p>>24)<<4 - z) * strength / 16
			row[x] = p&0xffffff | uint32(z>>4)<<24
		}
	}
}
