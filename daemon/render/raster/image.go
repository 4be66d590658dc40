// Package raster is the arithmetic of the compositor: 8-bit premultiplied RGBA pictures, mip
// chains, sampling, and quads drawn over a canvas, with the rounding that Olive 0.1 shows.
//
// Everything here is a pure function of pixels and numbers. Nothing fails: what lies outside a
// picture is transparent, what lies outside the canvas is not drawn. Nothing allocates once its
// buffers have grown to their size, so a frame costs no garbage.
package raster

import "unsafe"

// An Image is a picture of W x H premultiplied pixels, row by row from the top. A pixel is
// R | G<<8 | B<<16 | A<<24, which on the little-endian machines that Go builds of this program
// run on is the byte order R, G, B, A.
type Image struct {
	W, H int
	Pix  []uint32
}

// NewImage returns a transparent picture.
func NewImage(w, h int) *Image {
	return &Image{W: w, H: h, Pix: make([]uint32, w*h)}
}

// Bytes returns the pixels as packed R, G, B, A bytes: the same memory, not a copy.
func (m *Image) Bytes() []byte {
	if len(m.Pix) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(m.Pix))), 4*len(m.Pix))
}

// Row returns the pixels of line y.
func (m *Image) Row(y int) []uint32 { return m.Pix[y*m.W : (y+1)*m.W] }

// Resize gives the picture another size. The pixels are undefined afterwards.
func (m *Image) Resize(w, h int) {
	m.W, m.H = w, h
	if cap(m.Pix) < w*h {
		m.Pix = make([]uint32, w*h)
	}
	m.Pix = m.Pix[:w*h]
}

// Clear makes the rows [y0, y1) transparent.
func (m *Image) Clear(y0, y1 int) { clear(m.Pix[y0*m.W : y1*m.W]) }

// FillRect writes color into the rectangle [x0,x1) x [y0,y1), cut to the picture.
func (m *Image) FillRect(x0, y0, x1, y1 int, color uint32) {
	x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, m.W), min(y1, m.H)
	for y := y0; y < y1; y++ {
		if x0 < x1 {
			row := m.Row(y)[x0:x1]
			for i := range row {
				row[i] = color
			}
		}
	}
}

// OverRect puts color over the rectangle [x0,x1) x [y0,y1), cut to the picture.
func (m *Image) OverRect(x0, y0, x1, y1 int, color uint32) {
	x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, m.W), min(y1, m.H)
	for y := y0; y < y1; y++ {
		if x0 < x1 {
			row := m.Row(y)[x0:x1]
			for i, d := range row {
				row[i] = over(color, d)
			}
		}
	}
}

// Premultiply multiplies colour by alpha in the rows [y0, y1), rounding to nearest.
func (m *Image) Premultiply(y0, y1 int) {
	for i, p := range m.Pix[y0*m.W : y1*m.W] {
		if a := p >> 24; a != 255 {
			m.Pix[y0*m.W+i] = scale255(p|0xff000000, a)
		}
	}
}

// Color packs a straight colour and alpha into a premultiplied pixel, rounding to nearest.
func Color(r, g, b, a uint8) uint32 {
	p := uint32(r) | uint32(g)<<8 | uint32(b)<<16 | 0xff000000
	return scale255(p, uint32(a))
}

// Lanes of 16 bits hold the four channels of a pixel while they are multiplied: R, B, G, A
// from the lowest up, the order that costs the fewest shifts.
const (
	lanes = 0x00ff00ff00ff00ff
	halfs = 0x0080008000800080
)

func spread(p uint32) uint64 {
	v := uint64(p)
	return v&0x00ff00ff | v&0xff00ff00<<24
}

// pack undoes spread; the lanes must hold no more than 8 bits.
func pack(v uint64) uint32 { return uint32(v) | uint32(v>>24) }

// scale255 returns round(p * a / 255) in each channel, exactly, for a in 0..255.
func scale255(p, a uint32) uint32 {
	t := spread(p)*uint64(a) + halfs
	return pack(((t + (t>>8)&lanes) >> 8) & lanes)
}

// over returns src + dst * (1 - src.a), the product rounded to nearest, the sum clamped.
func over(src, dst uint32) uint32 {
	t := spread(dst)*uint64(255-src>>24) + halfs
	t = spread(src) + ((t+(t>>8)&lanes)>>8)&lanes
	if carry := t >> 8 & 0x0001000100010001; carry != 0 { // colour above alpha: clamp the sum
		t = (t | (carry<<8 - carry)) & lanes
	}
	return pack(t)
}
