package builtin

import (
	"image"

	"olive-distributed/daemon/render/raster"
)

// An overlay is the picture that a generator puts over its clip. It is kept for as long as it
// shows the same look, whatever the clip below it does. look is all that the picture depends on.
type overlay[look comparable] struct {
	img   raster.Image
	box   image.Rectangle // outside of which the picture is empty
	shown look
	drawn bool
}

// run puts the overlay over in, painting it anew when the look has changed. paint gets a
// transparent picture and returns the part of it that it has touched. l is the clip's layer: over a
// nest the overlay is multiplied by the nest's tint.
func (o *overlay[look]) run(l *layer, in, out *raster.Texture, want look, paint func(*raster.Image) image.Rectangle) {
	if !o.drawn || o.shown != want || o.img.W != out.W || o.img.H != out.H {
		o.img.Resize(out.W, out.H)
		o.img.Clear(0, out.H)
		o.box = paint(&o.img)
		o.shown, o.drawn = want, true
	}
	if in == nil {
		out.Clear(0, out.H)
	} else {
		copy(out.Pix, in.Pix)
		out.Opaque = in.Opaque
	}
	out.OverBox(&o.img, o.box, l.tint)
}
