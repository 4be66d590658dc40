package shader_test

import (
	"crypto/md5"
	"encoding/hex"
	"flag"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"olive-distributed/daemon/render/raster"
	"olive-distributed/daemon/render/shader"
	"olive-distributed/daemon/render/shader/blur"
	"olive-distributed/daemon/render/shader/distort"
	"olive-distributed/daemon/render/shader/grade"
	"olive-distributed/daemon/render/shader/stylize"
)

var update = flag.Bool("update", false, "write the digests anew")

// TestTheSameBytesOnEveryMachine compares with digests that were made on another kind of machine.
func TestTheSameBytesOnEveryMachine(t *testing.T) {
	path := filepath.Join("testdata", "digests.txt")
	got := map[string]string{}
	for _, s := range append(samples(1), variants...) {
		sum := md5.Sum(picture(s.kernel, scenery(131, 77, true), 2).Bytes())
		got[s.name] = hex.EncodeToString(sum[:])
	}
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(got)) {
		text.WriteString(got[name] + " " + name + "\n")
	}
	if *update {
		if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for line := range strings.Lines(string(want)) {
		digest, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		seen++
		if got[name] != digest {
			t.Errorf("%s: %s, want %s", name, got[name], digest)
		}
	}
	if seen != len(got) {
		t.Errorf("%d digests for %d kernels", seen, len(got))
	}
}

func TestAnyNumberOfGoroutinesGivesTheSameBytes(t *testing.T) {
	src := scenery(150, 99, true)
	for _, s := range samples(1) {
		want := picture(s.kernel, src, 1)
		for _, n := range []int{2, 5} {
			if got := picture(s.kernel, src, n); !slices.Equal(got.Pix, want.Pix) {
				t.Errorf("%s: %d goroutines give another picture than one", s.name, n)
			}
		}
	}
}

func TestARunAllocatesNothing(t *testing.T) {
	src := scenery(150, 100, true)
	pool := raster.NewPool(1) // which of several goroutines first needs its memory is a matter of luck
	defer pool.Close()
	r := shader.NewRunner(pool)
	out := &raster.Texture{}
	out.Resize(src.W, src.H)
	for _, s := range samples(1) {
		if n := testing.AllocsPerRun(5, func() { src.Touch(); r.Run(s.kernel, out, src) }); n != 0 {
			t.Errorf("%s: %v allocations per picture, want none", s.name, n)
		}
	}
}

// TestAKernelRemembersNothing alternates parameters and sizes on one runner and one kernel.
func TestAKernelRemembersNothing(t *testing.T) {
	pool := raster.NewPool(2)
	defer pool.Close()
	r := shader.NewRunner(pool)
	small, large := scenery(33, 21, true), scenery(90, 70, true)
	for _, s := range append(samples(1), variants...) {
		for _, src := range []*raster.Texture{large, small, large} {
			fresh := reflect.New(reflect.TypeOf(s.kernel).Elem())
			copyFields(fresh.Elem(), reflect.ValueOf(s.kernel).Elem())
			want := picture(fresh.Interface().(shader.Kernel), src, 1)
			out := &raster.Texture{}
			out.Resize(src.W, src.H)
			r.Run(s.kernel, out, src)
			if !slices.Equal(out.Pix, want.Pix) {
				t.Errorf("%s at %dx%d depends on what the kernel did before", s.name, src.W, src.H)
			}
		}
	}
}

// copyFields copies the parameters of a kernel, and only these.
func copyFields(to, from reflect.Value) {
	for i := range from.NumField() {
		if from.Type().Field(i).IsExported() {
			to.Field(i).Set(from.Field(i))
		}
	}
}

func TestOpaqueMeansThatEveryPixelIs(t *testing.T) {
	for _, src := range []*raster.Texture{scenery(40, 30, false), scenery(40, 30, true)} {
		for _, s := range append(samples(1), variants...) {
			got := picture(s.kernel, src, 1)
			if i := slices.IndexFunc(got.Pix, func(p uint32) bool { return p>>24 != 255 }); got.Opaque && i >= 0 {
				t.Errorf("%s: opaque, but pixel %d is %08x", s.name, i, got.Pix[i])
			}
		}
	}
}

// TestWithoutAPictureTheEffectSeesBlack is 15.4: all samples are (0,0,0,1), outside as well.
func TestWithoutAPictureTheEffectSeesBlack(t *testing.T) {
	const black, white = 0xff000000, 0xffffffff
	pool := raster.NewPool(1)
	defer pool.Close()
	r := shader.NewRunner(pool)
	for _, test := range []struct {
		name           string
		kernel         shader.Kernel
		corner, middle uint32
	}{
		{"a blur has no edge", &blur.Box{Radius: 9, Horizontal: true, Vertical: true}, black, black},
		{"nor has a directional one", &blur.Directional{Length: 40}, black, black},
		{"nor has a gaussian one, however wide", &blur.Gaussian{Sigma: 1e9, Horizontal: true}, black, black},
		{"nor has a radial one", &blur.Radial{Radius: 300, X: 99}, black, black},
		{"inverted it is white", &grade.Invert{Amount: 100}, white, white},
		{"tiles have no seams", &distort.Tile{Scale: 9}, black, black},
		{"colours from outside are black", &stylize.Aberration{Red: 9000}, black, black},
		{"a sphere still has an outside", &distort.Sphere{Scale: 75, Stretched: true}, 0, black},
		{"a crop still cuts", &distort.Crop{Left: 30, Top: 30}, 0, black},
		{"stitches are dark and threads are not", &stylize.CrossStitch{Size: 5}, 0xff0d2633, black},
	} {
		t.Run(test.name, func(t *testing.T) {
			out := &raster.Texture{}
			out.Resize(32, 18)
			r.Run(test.kernel, out, nil)
			if got := out.Row(0)[0]; got != test.corner {
				t.Errorf("corner = %08x, want %08x", got, test.corner)
			}
			if got := out.Row(9)[17]; got != test.middle {
				t.Errorf("middle = %08x, want %08x", got, test.middle)
			}
		})
	}
}

// TestAWideBlurEndsSmoothly crosses the width beyond which a bell is taken for nothing.
func TestAWideBlurEndsSmoothly(t *testing.T) {
	src := scenery(40, 30, false)
	for _, sigma := range []float32{1000, 20000, 28000, 29000, 1e9} {
		got := picture(&blur.Gaussian{Sigma: sigma, Horizontal: true}, src, 1)
		for i, p := range got.Pix {
			if limit := uint32(math.Ceil(255 * 40 / float64(2*sigma))); p>>24 > limit {
				t.Fatalf("sigma %v: pixel %d has alpha %d, want at most %d", sigma, i, p>>24, limit)
			}
		}
	}
}

// FuzzKernels feeds any parameters to any kernel, with vectors and without, on pictures that are small but of
// any shape. The work is bounded by the picture, so a run that takes long is a failure, too.
func FuzzKernels(f *testing.F) {
	for i := range samples(1) {
		f.Add(uint8(i), uint8(9), uint8(6), 1.0, 1.0, 1.0, uint8(1))
		f.Add(uint8(i), uint8(1), uint8(1), math.NaN(), math.Inf(1), -1e9, uint8(0))
		f.Add(uint8(i), uint8(5), uint8(3), 1e9, math.Copysign(0, -1), math.Inf(-1), uint8(3))
		f.Add(uint8(i), uint8(2), uint8(7), 1e-30, 3e38, 0.0, uint8(7))
	}
	f.Fuzz(func(t *testing.T, which, w, h uint8, a, b, c float64, bits uint8) {
		all := samples(1)
		k := all[int(which)%len(all)].kernel
		odd(reflect.ValueOf(k).Elem(), []float64{a, b, c}, int(bits))
		src := scenery(1+int(w)%24, 1+int(h)%24, bits&1 != 0)
		pool := raster.NewPool(1 + int(bits)%2)
		defer pool.Close()
		out := &raster.Texture{}
		out.Resize(src.W, src.H)
		r := shader.NewRunner(pool)
		r.Run(k, out, src)
		first := slices.Clone(out.Pix)
		if r.Run(k, out, src); !slices.Equal(first, out.Pix) {
			t.Errorf("%T gives two results", k)
		}
		r.Vectors = false
		if r.Run(k, out, src); !slices.Equal(first, out.Pix) {
			t.Errorf("%T: vectors give another picture than plain loops", k)
		}
		r.Run(k, out, nil)
	})
}

// odd sets every exported field of a kernel to one of the numbers.
func odd(v reflect.Value, numbers []float64, n int) {
	for i := range v.NumField() {
		if field := v.Field(i); v.Type().Field(i).IsExported() {
			x := numbers[(i+n)%len(numbers)]
			switch field.Kind() {
			case reflect.Float32:
				field.SetFloat(float64(float32(x)))
			case reflect.Bool:
				field.SetBool(n>>(i%8)&1 != 0)
			case reflect.Int:
				field.SetInt(int64(n>>1) - 3)
			case reflect.Array:
				for j := range field.Len() {
					field.Index(j).SetFloat(x * float64(j+1))
				}
			}
		}
	}
}

// TestVectorsGiveTheBytesOfPlainLoops compares them on pictures of sizes that leave rests.
func TestVectorsGiveTheBytesOfPlainLoops(t *testing.T) {
	sizes := [][2]int{{131, 31}, {64, 36}, {37, 5}, {9, 9}, {7, 3}, {1, 1}}
	for _, s := range append(samples(1), variants...) {
		for _, size := range sizes {
			src := scenery(size[0], size[1], true)
			want := plainly(s.kernel, src)
			if got := picture(s.kernel, src, 1); !slices.Equal(got.Pix, want.Pix) {
				t.Errorf("%s at %dx%d: vectors give another picture", s.name, size[0], size[1])
			}
		}
	}
}
