//go:build goexperiment.simd && amd64

package grade

import (
	"simd/archsimd"

	"olive-distributed/daemon/render/shader"
	"olive-distributed/daemon/render/shader/glsl"
	"olive-distributed/daemon/render/trig"
)

// window is how many pixels the vector loop of Noise does at a time.
const window = 8

// octets does the first pixels of a line of Noise.Rows, eight at a time, and returns how many.
func (k *Noise) octets(vectors bool, dst, src []uint32, us []float32, v float32) int {
	if !vectors || !(glsl.Abs(k.Time) < trig.TooLarge/8) {
		return 0
	}
	n := len(src) &^ (window - 1)
	f, bit := archsimd.BroadcastFloat32x8, archsimd.BroadcastUint32x8
	two, mid, byUnit, bytes, opaque := f(2), f(float32(k.Amount*0.005)), f(1./255), bit(255), bit(shader.Black)
	for i := 0; i < n; i += window {
		u, p := archsimd.LoadFloat32x8Slice(us[i:i+window]), archsimd.LoadUint32x8Slice(src[i:i+window])
		made := opaque
		if k.Blend {
			made = made.And(p)
		}
		var noise archsimd.Float32x8
		for c := range seeds {
			switch {
			case k.Color:
				noise = k.noises(u, v, seeds[c])
			case c == 0:
				noise = k.noises(u, v, greySeed)
			}
			channel, shift := noise, uint64(8*c)
			if k.Blend {
				channel = p.ShiftAllRight(shift).And(bytes).AsInt32x8().ConvertToFloat32().Mul(byUnit).Add(two.Mul(noise.Sub(mid)))
			}
			made = made.Or(stored(channel).ShiftAllLeft(shift))
		}
		made.StoreSlice(dst[i : i+window])
	}
	archsimd.ClearAVXUpperBits()
	return n
}

// noises is Noise.noise for eight pixels.
func (k *Noise) noises(u archsimd.Float32x8, v, seed float32) archsimd.Float32x8 {
	f := archsimd.BroadcastFloat32x8
	scale := k.Time + seed + phi
	y := float32(v*scale) - pi
	x := u.Mul(f(scale)).Sub(f(phi))
	d := x.Mul(x).Add(f(float32(y * y))).Sqrt()
	low, high := trig.Tan4(d.GetLo().ConvertToFloat64()), trig.Tan4(d.GetHi().ConvertToFloat64())
	n := archsimd.Float32x8{}.SetLo(low.ConvertToFloat32()).SetHi(high.ConvertToFloat32()).Mul(f(root))
	return n.Sub(n.Floor()).Mul(f(k.Amount / 100)) // no number where n is infinite
}

// stored is [glsl.Store] for eight pixels.
func stored(x archsimd.Float32x8) archsimd.Uint32x8 {
	f := archsimd.BroadcastFloat32x8
	x = x.Masked(x.Greater(f(0))).Min(f(1))
	return x.Mul(f(255. / 256)).Add(f(32768)).AsUint32x8().And(archsimd.BroadcastUint32x8(255))
}
