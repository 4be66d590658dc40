package audio_test

import (
	"path/filepath"
	"testing"
	"time"

	"olive-distributed/daemon/media"
	"olive-distributed/daemon/ove"
	"olive-distributed/daemon/render/audio"
)

// BenchmarkRender mixes a minute of two stereo tracks with volume and pan.
func BenchmarkRender(b *testing.B) {
	m := loud(b, 1, 60)
	coded := filepath.Join(b.TempDir(), "coded.m4a")
	ffmpeg(b, "", "-i", m.URL, "-c:a", "aac", coded)
	for name, path := range map[string]string{"wav": m.URL, "aac": coded} {
		b.Run(name, func(b *testing.B) {
			track := medium{Footage: &ove.Footage{URL: path, Speed: 1}}
			changes := fx("/Volume", "volume=0.7")
			seq := sequence(25, play(track, 0, 1500, 0, changes, fx("/Pan", "pan=30")), play(track, 0, 1500, 0, changes))
			lib := media.NewLibrary("")
			defer lib.Close()
			out := filepath.Join(b.TempDir(), "out.wav")
			for b.Loop() {
				if err := audio.Render(b.Context(), seq, 0, 1500, out, options(lib)); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(time.Minute.Seconds()*float64(b.N)/b.Elapsed().Seconds(), "x-real-time")
		})
	}
}
