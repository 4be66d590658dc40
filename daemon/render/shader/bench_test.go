package shader_test

import (
	"math"
	"syscall"
	"testing"

	"olive-distributed/daemon/render/raster"
	"olive-distributed/daemon/render/shader"
	"olive-distributed/daemon/render/shader/blur"
)

// BenchmarkKernel1080p runs every kernel on one goroutine: time is CPU time.
func BenchmarkKernel1080p(b *testing.B) {
	src := scenery(1920, 1080, false)
	out := &raster.Texture{}
	out.Resize(src.W, src.H)
	pool := raster.NewPool(1)
	defer pool.Close()
	r := shader.NewRunner(pool)
	for _, s := range append(samples(16), sample{"gaussian blur 5.5", &blur.Gaussian{Sigma: 5.5, Horizontal: true, Vertical: true}}) {
		b.Run(s.name, func(b *testing.B) {
			r.Run(s.kernel, out, src) // buffers grow
			start := cpu()
			for b.Loop() {
				src.Touch() // a film's next picture has no mips yet
				r.Run(s.kernel, out, src)
			}
			b.ReportMetric((cpu()-start)/float64(b.N), "cpu-ms/op")
		})
	}
}

// BenchmarkPlainGaussian1080p is the peer of the gaussian blur: the same formula as plain loops
// over float32 channels.
func BenchmarkPlainGaussian1080p(b *testing.B) {
	const w, h, sigma = 1920, 1080, 5.5
	src, mid, out := planes(scenery(w, h, false)), make([]float32, 4*w*h), make([]float32, 4*w*h)
	start := cpu()
	for b.Loop() {
		plainGaussian(mid, src, w, h, sigma, 1, 0)
		plainGaussian(out, mid, w, h, sigma, 0, 1)
	}
	b.ReportMetric((cpu()-start)/float64(b.N), "cpu-ms/op")
}

// cpu is the time in milliseconds that this process has had: on a busy machine, wall time says
// little.
func cpu() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e6
}

func planes(t *raster.Texture) []float32 {
	f := make([]float32, 4*len(t.Pix))
	for i, c := range t.Bytes() {
		f[i] = float32(c)
	}
	return f
}

// plainGaussian blurs along (dx, dy).
func plainGaussian(dst, src []float32, w, h int, sigma float64, dx, dy int) {
	n := int(math.Ceil(3 * sigma))
	weights, sum := make([]float32, n), 0.
	for i := range weights {
		d := float64(2*i-n) + 0.5
		sum += math.Exp(-d * d / (2 * sigma * sigma))
	}
	for i := range weights {
		d := float64(2*i-n) + 0.5
		weights[i] = float32(math.Exp(-d*d/(2*sigma*sigma)) / sum / 2)
	}
	for y := range h {
		for x := range w {
			var c [4]float32
			for i, f := range weights {
				for e := range 2 { // the two texels around a sample
					px, py := x+(2*i-n+e)*dx, y+(2*i-n+e)*dy
					if px < 0 || py < 0 || px >= w || py >= h {
						continue
					}
					p := src[4*(py*w+px) : 4*(py*w+px)+4]
					c[0] += f * p[0]
					c[1] += f * p[1]
					c[2] += f * p[2]
					c[3] += f * p[3]
				}
			}
			copy(dst[4*(y*w+x):], c[:])
		}
	}
}
