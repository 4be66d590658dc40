package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What a run of a program took.
type cost struct {
	wall, cpu time.Duration // cpu: of the program and all its children
	peak      int64         // bytes of memory of the program itself, without its children
}

// measure runs a program to its end.
func measure(b *testing.B, name string, args ...string) cost {
	b.Helper()
	var said bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stderr = &said
	start := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	var c cost
	watched := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(watched)
		for tick := time.NewTicker(20 * time.Millisecond); ; {
			select {
			case <-ended:
				tick.Stop()
				return
			case <-tick.C:
				c.peak = max(c.peak, highWater(cmd.Process.Pid))
			}
		}
	}()
	err := cmd.Wait()
	close(ended)
	<-watched
	if err != nil {
		b.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, &said)
	}
	c.wall = time.Since(start)
	u := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	c.cpu = time.Duration(u.Utime.Nano() + u.Stime.Nano())
	return c
}

// highWater is the peak of a process's resident memory.
func highWater(pid int) int64 {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	kb, _, _ := strings.Cut(strings.TrimSpace(after), " ")
	n, _ := strconv.ParseInt(kb, 10, 64)
	return n << 10
}

// clipXML is a clip of the medium with that number, on a video track from 1 up.
func clipXML(id, track, in, out, clipin, media int, effects string) string {
	return fmt.Sprintf(`<clip id="%d" enabled="1" name="c%d" clipin="%d" in="%d" out="%d" track="%d" speed="1" media="%d" stream="0"><linked/>%s</clip>`,
		id, id, clipin, in, out, -track, media, effects)
}

// benchProject writes a 1920x1080 project with generated media into dir.
func benchProject(b *testing.B, dir string, sources []string, clips ...string) string {
	b.Helper()
	var footage strings.Builder
	for i, src := range sources {
		name := fmt.Sprintf("m%d.mp4", i+1)
		cmd := exec.Command("ffmpeg", "-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", src,
			"-c:v", "libx264", "-preset", "veryfast", "-crf", "23", "-pix_fmt", "yuv420p", filepath.Join(dir, name))
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("make %s: %v\n%s", name, err, out)
		}
		fmt.Fprintf(&footage, `<footage id="%d" folder="0" name="%s" url="%s" duration="10000000" speed="1"/>`, i+1, name, name)
	}
	path := filepath.Join(dir, "bench.ove")
	text := fmt.Sprintf(`<project><version>190219</version><url>bench.ove</url><folders/><media>%s</media><sequences>
<sequence id="1" folder="0" name="S" width="1920" height="1080" framerate="30" afreq="48000" alayout="3" open="1">%s</sequence></sequences></project>`,
		footage.String(), strings.Join(clips, "\n"))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	return path
}

const scaled = `<effect name="Distort/Transform" enabled="1"><row><field id="posx" value="960"/><field id="posy" value="540"/></row><row><field id="scalex" value="60"><key value="20" frame="0" type="0"/><key value="90" frame="200" type="0"/></field></row></effect>`

const fades = `<opening length="30" name="/Cross Dissolve" enabled="1"/><closing length="30" name="/Cross Dissolve" enabled="1"/>`

// BenchmarkExport is the whole way from a project to a film, beside what encoding that film
// takes alone.
func BenchmarkExport(b *testing.B) {
	olivectl, dir := program(b), b.TempDir()
	project := benchProject(b, dir, []string{"testsrc2=size=1920x1080:rate=30:duration=8", "mandelbrot=size=1920x1080:rate=30:end_pts=400,trim=duration=8"},
		clipXML(0, 1, 0, 150, 0, 1, fades), clipXML(1, 1, 150, 220, 10, 2, ""), clipXML(2, 2, 30, 125, 0, 2, fades+scaled))
	film := filepath.Join(dir, "film.mp4")
	run := func(workers, threads int) cost {
		return measure(b, olivectl, "export", "--local", "--scratch", filepath.Join(dir, "scratch"), "-o", film,
			"--workers", strconv.Itoa(workers), "--threads", strconv.Itoa(threads), project)
	}
	for b.Loop() {
		one := run(1, 2)
		two := run(2, 1)
		alone := measure(b, "ffmpeg", "-nostdin", "-v", "error", "-y", "-i", film, "-c:v", "libx264", "-preset", "medium",
			"-crf", "20", "-threads", "8", "-f", "null", "-")
		b.ReportMetric(one.cpu.Seconds(), "cpu-s")
		b.ReportMetric(one.cpu.Seconds()/alone.cpu.Seconds(), "cpu/x264-alone")
		b.ReportMetric(two.wall.Seconds()/one.wall.Seconds(), "wall-2x1/1x2")
		b.ReportMetric(float64(one.peak)/1e6, "own-MB")
	}
}

// BenchmarkEightClips is about memory: eight clips of 1920x1080 at once.
func BenchmarkEightClips(b *testing.B) {
	olivectl, dir := program(b), b.TempDir()
	var clips []string
	for i := range 8 {
		clips = append(clips, clipXML(i, i+1, 0, 30, 3*i, 1, scaled))
	}
	project := benchProject(b, dir, []string{"testsrc2=size=1920x1080:rate=30:duration=3"}, clips...)
	for b.Loop() {
		c := measure(b, olivectl, "export", "--local", "--scratch", filepath.Join(dir, "scratch"), "-o", filepath.Join(dir, "film.mp4"), project)
		b.ReportMetric(float64(c.peak)/1e6, "own-MB")
		b.ReportMetric(c.cpu.Seconds()/30*1000, "cpu-ms/frame")
	}
}

// BenchmarkCutList is a plain list of cuts, which one ffmpeg filter graph, and melt where it
// is installed, can do as well.
func BenchmarkCutList(b *testing.B) {
	olivectl, dir := program(b), b.TempDir()
	var clips []string
	graph, melt := "", []string{}
	for i := range 4 {
		first := 20 * i
		clips = append(clips, clipXML(i, 1, 50*i, 50*i+50, first, 1, ""))
		graph += fmt.Sprintf("[0:v]trim=start_frame=%d:end_frame=%d,setpts=PTS-STARTPTS[v%d];", first, first+50, i)
		melt = append(melt, filepath.Join(dir, "m1.mp4"), fmt.Sprintf("in=%d", first), fmt.Sprintf("out=%d", first+49))
	}
	graph += "[v0][v1][v2][v3]concat=n=4:v=1:a=0"
	project := benchProject(b, dir, []string{"testsrc2=size=1920x1080:rate=30:duration=5"}, clips...)
	x264 := []string{"-c:v", "libx264", "-preset", "medium", "-crf", "20"}
	for b.Loop() {
		ours := measure(b, olivectl, "export", "--local", "--scratch", filepath.Join(dir, "scratch"), "-o", filepath.Join(dir, "film.mp4"), project)
		peer := measure(b, "ffmpeg", append(append([]string{"-nostdin", "-v", "error", "-y", "-i", filepath.Join(dir, "m1.mp4"), "-filter_complex", graph}, x264...), filepath.Join(dir, "peer.mp4"))...)
		b.ReportMetric(ours.cpu.Seconds()/peer.cpu.Seconds(), "cpu/ffmpeg-graph")
		b.ReportMetric(ours.wall.Seconds()/peer.wall.Seconds(), "wall/ffmpeg-graph")
		if _, err := exec.LookPath("melt"); err == nil {
			m := measure(b, "melt", append(append([]string{"-quiet"}, melt...), "-profile", "atsc_1080p_30", "-consumer", "avformat:"+filepath.Join(dir, "melt.mp4"), "vcodec=libx264", "preset=medium", "crf=20", "real_time=-2")...)
			b.ReportMetric(ours.wall.Seconds()/m.wall.Seconds(), "wall/melt")
		}
	}
}
