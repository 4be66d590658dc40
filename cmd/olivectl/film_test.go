package main

import (
	"bytes"
	"context"
	"crypto/md5"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The films of these tests are small.
const filmW, filmH = 160, 120

// ffmpeg runs ffmpeg and returns what it writes to stdout.
func ffmpeg(t testing.TB, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("ffmpeg", append([]string{"-nostdin", "-v", "error", "-y"}, args...)...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ffmpeg %s: %v\n%s", strings.Join(args, " "), err, &said)
	}
	return out
}

// pictures decodes a file to packed RGB frames of the films' size.
func pictures(t testing.TB, path string) [][]byte {
	t.Helper()
	raw := ffmpeg(t, "-i", path, "-map", "0:v:0", "-fps_mode", "passthrough", "-vf", "format=rgba", "-pix_fmt", "rgb24", "-f", "rawvideo", "-")
	const size = filmW * filmH * 3
	var frames [][]byte
	for ; len(raw) >= size; raw = raw[size:] {
		frames = append(frames, raw[:size])
	}
	return frames
}

// sound decodes a file's sound.
func sound(t testing.TB, path string) []byte {
	t.Helper()
	return ffmpeg(t, "-i", path, "-map", "0:a:0", "-f", "s16le", "-")
}

// media makes two media: a.mp4 with B-frames and sound at 30, and b.mkv at 24000/1001.
func makeMedia(t testing.TB, dir string) {
	t.Helper()
	size := fmt.Sprintf("size=%dx%d", filmW, filmH)
	ffmpeg(t, "-f", "lavfi", "-i", "testsrc2="+size+":rate=30:duration=5", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=5",
		"-c:v", "libx264", "-g", "48", "-bf", "3", "-pix_fmt", "yuv420p", "-c:a", "aac", filepath.Join(dir, "a.mp4"))
	ffmpeg(t, "-f", "lavfi", "-i", "mandelbrot="+size+":rate=24000/1001:end_pts=100", "-t", "5", "-c:v", "ffv1", "-pix_fmt", "bgr0", filepath.Join(dir, "b.mkv"))
}

// writeProject writes a project with the two media; main is the clips of the sequence that is
// exported, nested those of sequence 2.
func writeProject(t testing.TB, dir, main, nested string) string {
	t.Helper()
	path := filepath.Join(dir, "p.ove")
	text := fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?>
<project><version>190219</version><url>p.ove</url><folders/>
<media><footage id="1" folder="0" name="a.mp4" url="a.mp4" duration="5000000" speed="1"/><footage id="2" folder="0" name="b.mkv" url="b.mkv" duration="5000000" speed="1"/></media>
<sequences><sequence id="1" folder="0" name="Main" width="%[1]d" height="%[2]d" framerate="30" afreq="48000" alayout="3" open="1">%[3]s</sequence>
<sequence id="2" folder="0" name="Nest" width="%[1]d" height="%[2]d" framerate="25" afreq="48000" alayout="3">%[4]s</sequence></sequences></project>`,
		filmW, filmH, main, nested)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// video is a clip of a medium on video track 1 or up, stream 0.
func video(id, track, in, out, clipin, media int, attrs, content string) string {
	return fmt.Sprintf(`<clip id="%d" enabled="1" name="v%d" clipin="%d" in="%d" out="%d" track="%d" media="%d" stream="0" %s><linked/>%s</clip>`,
		id, id, clipin, in, out, -track, media, attrs, content)
}

// exportFilm exports in this process and returns the film's path.
func exportFilm(t testing.TB, project string, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	film := filepath.Join(dir, "film.mkv")
	args = append([]string{"export", "--local", "--preset", "lossless", "--scratch", filepath.Join(dir, "scratch"), "-o", film}, args...)
	var stdout, stderr bytes.Buffer
	if code := run(context.Background(), append(args, project), &stdout, &stderr); code != 0 {
		t.Fatalf("olivectl %s: exit code %d\n%s", strings.Join(args, " "), code, &stderr)
	}
	return film
}

// TestCutsShowExactlyTheFramesOliveShows holds every frame of a film against the medium's own
// decode, picked by Olive's rule (olive-0.1.md 2), for speeds, rates and reverse.
func TestCutsShowExactlyTheFramesOliveShows(t *testing.T) {
	dir := t.TempDir()
	makeMedia(t, dir)
	type cut struct {
		in, out, clipin, media int
		speed                  float64
		reverse                bool
	}
	cuts := []cut{
		{in: 0, out: 20, media: 1, speed: 1},
		{in: 20, out: 40, clipin: 50, media: 1, speed: 1},
		{in: 40, out: 60, clipin: 7, media: 2, speed: 1},
		{in: 60, out: 80, clipin: 10, media: 1, speed: 2},
		{in: 80, out: 100, clipin: 3, media: 2, speed: 1.37},
		{in: 100, out: 120, clipin: 10, media: 1, speed: 0.5, reverse: true},
		{in: 120, out: 135, clipin: 20, media: 2, speed: 1, reverse: true},
	}
	var clips strings.Builder
	for i, c := range cuts {
		attrs := fmt.Sprintf(`speed="%g" reverse="%d"`, c.speed, map[bool]int{true: 1}[c.reverse])
		clips.WriteString(video(i, 1, c.in, c.out, c.clipin, c.media, attrs, ""))
	}
	film := pictures(t, exportFilm(t, writeProject(t, dir, clips.String(), ""), "--split", "3"))
	if len(film) != 135 {
		t.Fatalf("the film has %d frames, want 135", len(film))
	}
	// Containers' durations, and the frames' own times in units of the stream's time base.
	sources := map[int]struct {
		frames   [][]byte
		duration float64
		pts      func(i int) int64
		base     float64
	}{
		1: {pictures(t, filepath.Join(dir, "a.mp4")), 5, func(i int) int64 { return int64(i) * 512 }, 1.0 / 15360},
		2: {pictures(t, filepath.Join(dir, "b.mkv")), durationOf(t, filepath.Join(dir, "b.mkv")), func(i int) int64 { return int64(math.Round(float64(i) * 1001 / 24)) }, 1.0 / 1000},
	}
	for _, c := range cuts {
		src := sources[c.media]
		for f := c.in; f < c.out; f++ {
			frame := float64(f - c.in + c.clipin)
			if c.reverse {
				frame = math.Floor(src.duration*(30/c.speed)) - frame - 1
			}
			want := int64(math.Round(frame / 30 * c.speed / src.base))
			i := 0
			for i+1 < len(src.frames) && src.pts(i+1) <= want {
				i++
			}
			if !bytes.Equal(film[f], src.frames[i]) {
				t.Errorf("frame %d (medium %d, speed %g, reverse %v) is not the medium's frame %d", f, c.media, c.speed, c.reverse, i)
			}
		}
	}
}

func durationOf(t testing.TB, path string) float64 {
	t.Helper()
	out, err := exec.Command("ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "default=nw=1:nk=1", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	var d float64
	if _, err := fmt.Sscan(string(out), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestDissolvesMixAsOliveDoes checks a shared dissolve: the outgoing clip runs on and stays
// whole, the incoming one stands still before its start.
func TestDissolvesMixAsOliveDoes(t *testing.T) {
	dir := t.TempDir()
	makeMedia(t, dir)
	clips := video(0, 1, 0, 30, 0, 1, `speed="1"`, `<closing length="10" name="/Cross Dissolve" enabled="1"/>`) +
		video(1, 1, 30, 50, 40, 1, `speed="1"`, `<opening shared="0"/>`)
	film := pictures(t, exportFilm(t, writeProject(t, dir, clips, "")))
	a := pictures(t, filepath.Join(dir, "a.mp4"))
	for f := 20; f < 40; f++ {
		p := float64(f-20) / 20
		from, to := a[f], a[40+max(0, f-30)]
		for i := range film[f] {
			want := math.Round(float64(to[i])*p) + math.Round(float64(from[i])*(1-p))
			if d := math.Abs(float64(film[f][i]) - want); d > 2 {
				t.Fatalf("frame %d, byte %d = %d, want %v", f, i, film[f][i], want)
			}
		}
	}
}

// busy is a project in which ranges could go wrong: transitions across their borders, nests,
// speeds, reverse, keyframes, sound.
func busy(t testing.TB, dir string) string {
	const dissolve = `<opening length="20" name="/Cross Dissolve" enabled="1"/><closing length="15" name="/Cross Dissolve" enabled="1"/>`
	const moving = `<effect name="Distort/Transform" enabled="1"><row><field id="posx" value="0"><key value="20" frame="0" type="1" posthx="30" posthy="9"/><key value="150" frame="80" type="1" prehx="-20"/></field><field id="posy" value="60"/></row><row><field id="scalex" value="40"/></row><row/><row><field id="rotation" value="0"><key value="0" frame="0" type="0"/><key value="400" frame="90" type="0"/></field></row></effect>`
	main := video(0, 1, 0, 45, 3, 1, `speed="1"`, `<closing length="12" name="/Cross Dissolve" enabled="1"/>`) +
		video(1, 1, 45, 110, 20, 2, `speed="1"`, `<opening shared="0"/>`) +
		video(2, 2, 10, 90, 0, 1, `speed="1.6"`, dissolve+moving) +
		video(3, 3, 30, 100, 0, 1, `speed="0.7" reverse="1"`, dissolve+moving) +
		`<clip id="4" enabled="1" name="nest" clipin="4" in="70" out="130" track="-4" speed="1" type="2" sequence="2"><linked/>` + dissolve + moving + `</clip>` +
		`<clip id="5" enabled="1" name="s" clipin="9" in="0" out="130" track="0" speed="1" media="1" stream="1"><linked/><opening length="30" name="/Linear Fade" enabled="1"/></clip>`
	nested := video(0, 1, 0, 60, 0, 2, `speed="1"`, "") + video(1, 2, 5, 50, 30, 1, `speed="1"`, dissolve)
	return writeProject(t, dir, main, nested)
}

// TestAnySplitGivesTheSameFilm cuts at random and lets several workers render in any order.
func TestAnySplitGivesTheSameFilm(t *testing.T) {
	dir := t.TempDir()
	makeMedia(t, dir)
	project := busy(t, dir)
	whole := exportFilm(t, project, "--split", "never", "--workers", "1", "--threads", "2")
	want, wantSound := pictures(t, whole), sound(t, whole)
	if len(want) != 130 {
		t.Fatalf("%d frames, want 130", len(want))
	}
	r := rand.New(rand.NewPCG(uint64(os.Getpid()), 1))
	for range 4 {
		split, workers, threads := fmt.Sprint(2+r.IntN(8)), fmt.Sprint(1+r.IntN(4)), fmt.Sprint(1+r.IntN(3))
		t.Run(fmt.Sprintf("%s ranges on %s workers of %s threads", split, workers, threads), func(t *testing.T) {
			film := exportFilm(t, project, "--split", split, "--workers", workers, "--threads", threads)
			got := pictures(t, film)
			if len(got) != len(want) {
				t.Fatalf("%d frames, want %d", len(got), len(want))
			}
			for i := range got {
				if !bytes.Equal(got[i], want[i]) {
					t.Errorf("frame %d differs from the film that was not cut", i)
				}
			}
			if !bytes.Equal(sound(t, film), wantSound) {
				t.Error("the sound differs")
			}
		})
	}
	t.Run("and so does any run of frames", func(t *testing.T) {
		a := r.IntN(100)
		b := a + 1 + r.IntN(130-a-1)
		got := pictures(t, exportFilm(t, project, "--frames", fmt.Sprintf("%d:%d", a, b)))
		if len(got) != b-a {
			t.Fatalf("frames %d:%d: %d frames", a, b, len(got))
		}
		for i := range got {
			if md5.Sum(got[i]) != md5.Sum(want[a+i]) {
				t.Errorf("frame %d of %d:%d differs", i, a, b)
			}
		}
	})
}

// TestAnMP4HasOneStep checks the stamps of a film that was joined from parts.
func TestAnMP4HasOneStep(t *testing.T) {
	dir := t.TempDir()
	makeMedia(t, dir)
	film := filepath.Join(t.TempDir(), "film.mp4")
	var stdout, stderr bytes.Buffer
	args := []string{"export", "--local", "--split", "5", "--workers", "2", "--scratch", t.TempDir(), "-o", film, busy(t, dir)}
	if code := run(t.Context(), args, &stdout, &stderr); code != 0 {
		t.Fatalf("exit code %d\n%s", code, &stderr)
	}
	out, err := exec.Command("ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "packet=pts", "-of", "csv=p=0", film).Output()
	if err != nil {
		t.Fatal(err)
	}
	var pts []int
	for line := range strings.Lines(string(out)) {
		var v int
		if _, err := fmt.Sscan(line, &v); err != nil {
			t.Fatal(err)
		}
		pts = append(pts, v)
	}
	slices.Sort(pts)
	for i, v := range pts {
		if v != i*pts[1] {
			t.Fatalf("frame %d is at %d, want %d: the step is not constant from 0", i, v, i*pts[1])
		}
	}
	if d := durationOf(t, film); len(pts) != 130 || math.Abs(d-130.0/30) > 1e-3 {
		t.Errorf("%d frames, %v s; want 130 and %v", len(pts), d, 130.0/30)
	}
}

// TestEveryRateEndsExactly is about rates at which a film does not last a whole number of samples:
// sound that is rounded up makes an mp4 longer than its pictures.
func TestEveryRateEndsExactly(t *testing.T) {
	dir := t.TempDir()
	makeMedia(t, dir)
	clips := video(0, 1, 0, 30, 0, 1, `speed="1"`, "") +
		`<clip id="1" enabled="1" name="s" clipin="0" in="0" out="30" track="0" speed="1" media="1" stream="1"><linked/></clip>`
	for _, c := range []struct {
		fps      string
		num, den int
	}{
		{"29.9700299700", 30000, 1001}, {"59.9400599401", 60000, 1001}, {"13", 13, 1},
	} {
		project := writeProject(t, dir, clips, "")
		data, err := os.ReadFile(project)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(project, bytes.Replace(data, []byte(`framerate="30"`), []byte(`framerate="`+c.fps+`"`), 1), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, frames := range []int{1, 2} {
			t.Run(fmt.Sprintf("%d frames at %s", frames, c.fps), func(t *testing.T) {
				film := filepath.Join(t.TempDir(), "film.mp4")
				var stdout, stderr bytes.Buffer
				args := []string{"export", "--local", "--frames", fmt.Sprintf("0:%d", frames), "--scratch", t.TempDir(), "-o", film, project}
				if code := run(t.Context(), args, &stdout, &stderr); code != 0 {
					t.Fatalf("exit code %d\n%s", code, &stderr)
				}
				want := float64(frames) * float64(c.den) / float64(c.num)
				if got := durationOf(t, film); math.Abs(got-want) > 2e-6 {
					t.Errorf("it lasts %v s, want %v", got, want)
				}
			})
		}
	}
}
