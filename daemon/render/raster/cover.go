package raster

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

// OverBox puts the rectangle [x0,x1) x [y0,y1) of src, of the same size, over the picture; the
// rectangle is cut to it.
func (m *Image) OverBox(src *Image, x0, y0, x1, y1 int) {
	x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, m.W), min(y1, m.H)
	if x0 >= x1 {
		return
	}
	for y := y0; y < y1; y++ {
		from, to := src.Row(y)[x0:x1], m.Row(y)[x0:x1]
		for i, s := range from {
			if s != 0 {
				to[i] = over(s, to[i])
			}
		}
	}
}

// Tint replaces every pixel by color, straight and opaque, at the pixel's alpha.
func (m *Image) Tint(color uint32) {
	for i, p := range m.Pix {
		m.Pix[i] = scale255(color, p>>24)
	}
}

// blurStrength is, by radius from 1 on, how much of the next byte the alpha blur takes in, in
// 1/16; more than the longest radius takes 1 (effects notes 9.5).
var blurStrength = [...]int32{14, 10, 8, 6, 5, 5, 4, 3, 3, 3, 3, 2, 2, 2, 2, 2, 2}

// BlurAlpha blurs the alpha of the whole picture and nothing else: a first-order filter in 1/16
// steps runs down, right, up and left over the bytes. Colours keep their sharp edges, so the
// picture may hold more colour than alpha. A radius below 1 changes nothing.
func (m *Image) BlurAlpha(radius int) {
	if radius < 1 || m.W == 0 || m.H == 0 {
		return
	}
	strength := int32(1)
	if radius <= len(blurStrength) {
		strength = blurStrength[radius-1]
	}
	state := make([]int32, m.W)
	m.blurRows(state, strength, 0, 1)
	m.blurLines(strength, 0, 1)
	m.blurRows(state, strength, m.H-1, -1)
	m.blurLines(strength, m.W-1, -1)
}

// blurRows filters all columns at once, from row y on in steps of step.
func (m *Image) blurRows(state []int32, strength int32, y, step int) {
	for x, p := range m.Row(y) {
		state[x] = int32(p>>24) << 4
	}
	for y += step; y >= 0 && y < m.H; y += step {
		row := m.Row(y)
		for x, p := range row {
			z := state[x]
			z += (int32(p>>24)<<4 - z) * strength / 16
			state[x] = z
			row[x] = p&0xffffff | uint32(z>>4)<<24
		}
	}
}

// blurLines filters every row from column start on in steps of step.
func (m *Image) blurLines(strength int32, start, step int) {
	for y := range m.H {
		row := m.Row(y)
		z := int32(row[start]>>24) << 4
		for x := start + step; x >= 0 && x < len(row); x += step {
			p := row[x]
			z += (int32(p>>24)<<4 - z) * strength / 16
			row[x] = p&0xffffff | uint32(z>>4)<<24
		}
	}
}
