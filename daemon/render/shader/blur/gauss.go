package blur

import "olive-distributed/daemon/render/shader"

// filter takes samples between texels as sums of two neighbours. Those of one pixel lie two
// texels apart, so every other pixel shares a row of sums, which is correlated with the weights.
func (k *Gaussian) filter(w *shader.Work, dst, src []uint32) {
	for first := range min(2, len(dst)) {
		k.half(w, dst, src, first)
	}
}

// half computes the pixels first, first+2, ... of a line. Pixel first+2m is the sum over j of
// weights[j] times the sum of the texels s(m+j) and s(m+j)+1, where s(z) = first-n+2z.
func (k *Gaussian) half(w *shader.Work, dst, src []uint32, first int) {
	count := (len(dst) - first + 1) / 2
	lo := max(0, (k.n-first)/2)                      // first z with a texel in the picture
	hi := min(count+k.n-2, (len(src)-1-first+k.n)/2) // last one
	wide := k.n > len(src)+1                         // the bell reaches beyond both ends
	length := count + k.n - 1
	if wide {
		length = hi - lo + 1
	}
	for c := range w.Lanes {
		w.Lanes[c], w.Sum[c] = shader.Grow(w.Lanes[c], length), shader.Grow(w.Sum[c], count)
	}
	if !wide {
		for c := range w.Lanes {
			clear(w.Lanes[c][:lo])
			clear(w.Lanes[c][hi+1:])
		}
		pairs(w.Lanes[0][lo:hi+1], w.Lanes[1][lo:hi+1], src, first-k.n+2*lo)
		correlate(w.Sum[0], w.Lanes[0], k.weights)
		correlate(w.Sum[1], w.Lanes[1], k.weights)
		for m := range count {
			dst[first+2*m] = settle(w.Sum[0][m], w.Sum[1][m])
		}
		return
	}
	// The roles change: the texels are few and the weights go past them, from the last pixel on.
	pairs(w.Lanes[0], w.Lanes[1], src, first-k.n+2*lo)
	correlate(w.Sum[0], k.weights[lo-count+1:], w.Lanes[0])
	correlate(w.Sum[1], k.weights[lo-count+1:], w.Lanes[1])
	for m := range count {
		dst[first+2*m] = settle(w.Sum[0][count-1-m], w.Sum[1][count-1-m])
	}
}

// pairs fills rg and ba with the sums of the texels at and at+1, at+2 and at+3, ...
func pairs(rg, ba []uint64, src []uint32, at int) {
	for i := range rg {
		var a, b uint32
		if uint(at) < uint(len(src)) {
			a = src[at]
		}
		if uint(at+1) < uint(len(src)) {
			b = src[at+1]
		}
		rg[i], ba[i] = redGreen(a)+redGreen(b), blueAlpha(a)+blueAlpha(b)
		at += 2
	}
}

// correlate sets out[m] to the sum over j of a[m+j] b[j]. Four results at a time share the loads.
func correlate(out, a, b []uint64) {
	m := 0
	for ; m+4 <= len(out); m += 4 {
		var s0, s1, s2, s3 uint64
		t := a[m : m+len(b)+3]
		a0, a1, a2 := t[0], t[1], t[2]
		t = t[3:]
		for j, f := range b[:len(t)] {
			a3 := t[j]
			s0 += a0 * f
			s1 += a1 * f
			s2 += a2 * f
			s3 += a3 * f
			a0, a1, a2 = a1, a2, a3
		}
		out[m], out[m+1], out[m+2], out[m+3] = s0, s1, s2, s3
	}
	for ; m < len(out); m++ {
		var s uint64
		for j, f := range b {
			s += a[m+j] * f
		}
		out[m] = s
	}
}

// settle rounds two words of sums of pairs to a pixel.
func settle(rg, ba uint64) uint32 {
	const shift, half, mask = weightBits + 1, 1<<weightBits | 1<<(weightBits+32), 0x000000ff000000ff
	rg, ba = (rg+half)>>shift&mask, (ba+half)>>shift&mask
	return uint32(rg|ba<<16) | uint32((rg|ba<<16)>>24)
}
