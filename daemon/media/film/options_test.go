package film

import (
	"slices"
	"strings"
	"testing"

	"olive-distributed/daemon/media/probe"
)

func TestHostileCodecArgumentsAreRefused(t *testing.T) {
	for _, args := range []string{
		"-i /etc/passwd", "-map 0", "-f mp4", "-y /etc/x", "/etc/x", "-vf movie=/etc/passwd", "-filter_complex movie=x", "-pass 1",
		"-passlogfile /tmp/x", "-stats x", "-report x", "-vstats_file /tmp/x", "-progress http://x", "-protocol_whitelist file,http", "-attach /etc/passwd",
		"-dump_attachment x", "-x264-params stats=/tmp/x", "-x264-params qpfile=/etc/passwd", "-x264-params crf=20:cqmfile=x",
		"-x264-params keyint=/etc/x", "-x264-params dump-yuv=x", "-x264-params threads=0", "-x264opts stats=x", "-x265-params csv=/tmp/x",
		"-x265-params recon=/tmp/x", "-x265-params lambda-file=x", "-svtav1-params stats=/tmp/x", "-crf", "-crf 20;reboot", "-preset ../x",
		"-c:v copy", "-c:v libx265", "-vcodec rawvideo", "-threads 0", "-threads auto", "-pix_fmt cuda", "-crf:v 20 -map_metadata 0", "-bsf:v noise",
		"-tag:v \x00", "-hwaccel cuda", "-init_hw_device x", "-fpre x", "-vpre x", "-preset:v",
	} {
		e := small("h264")
		e.Args = strings.Fields(args)
		if err := e.Validate(); err == nil {
			t.Errorf("%q is accepted", args)
		}
		e = small("h264")
		e.AudioArgs = strings.Fields(args)
		if err := e.Validate(); err == nil && !strings.HasPrefix(args, "-crf") {
			t.Errorf("%q is accepted for sound", args)
		}
	}
}

func TestAnOverrideKeepsWhatTheFilmNeeds(t *testing.T) {
	e := small("h264")
	e.Args = []string{"-crf", "28", "-preset:v", "veryfast", "-x264-params", "bframes=0"}
	if err := e.Validate(); err != nil {
		t.Fatal(err)
	}
	line := strings.Join(e.VideoArgs(), " ")
	for _, want := range []string{"-crf:v 28", "-preset:v veryfast", "-c:v libx264", "-pix_fmt yuv420p", "-threads 8", "bframes=0:cpu-independent=1", "-colorspace bt709"} {
		if !strings.Contains(line, want) {
			t.Errorf("%s lacks %s", line, want)
		}
	}
	if strings.Contains(line, "medium") || strings.Contains(line, "-crf:v 20") {
		t.Errorf("%s holds what was replaced", line)
	}
	for name, c := range map[string]Encoding{
		"odd sides":       {Width: 95, Height: 64, Rate: probe.Rational{Num: 25, Den: 1}, Preset: "h264"},
		"no picture":      {Width: 0, Height: 64, Rate: probe.Rational{Num: 25, Den: 1}, Preset: "lossless"},
		"no rate":         {Width: 96, Height: 64, Preset: "lossless"},
		"too fast":        {Width: 96, Height: 64, Rate: probe.Rational{Num: 5000, Den: 1}, Preset: "lossless"},
		"unknown preset":  {Width: 96, Height: 64, Rate: probe.Rational{Num: 25, Den: 1}, Preset: "divx"},
		"unknown colours": {Width: 96, Height: 64, Rate: probe.Rational{Num: 25, Den: 1}, Preset: "h264", Colour: 9},
	} {
		if c.Validate() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzOverride(f *testing.F) {
	f.Add("-crf 18 -x264-params keyint=30:no-cabac", "-b:a 128k")
	f.Fuzz(func(t *testing.T, video, sound string) {
		e := small("h264")
		e.Args, e.AudioArgs = strings.Fields(video), strings.Fields(sound)
		if e.Validate() != nil {
			return
		}
		for _, arg := range slices.Concat(e.Args, e.AudioArgs) {
			if strings.ContainsAny(arg, "/\x00\n") {
				t.Errorf("%q passes", arg)
			}
		}
	})
}
