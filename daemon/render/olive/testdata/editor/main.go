// Command editor stands in for the patched Olive editor: it has its command line, and shows the
// first medium of the open sequence from frame 0 on. The file "behaviour" beside it holds words
// that make it behave as real ones do on bad days.
package main

import (
	"bufio"
	"encoding/xml"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

type project struct {
	Media []struct {
		ID  int    `xml:"id,attr"`
		URL string `xml:"url,attr"`
	} `xml:"media>footage"`
	Sequences []struct {
		Width  int     `xml:"width,attr"`
		Height int     `xml:"height,attr"`
		Rate   float64 `xml:"framerate,attr"`
		Open   *string `xml:"open,attr"`
		Clips  []struct {
			Out   int `xml:"out,attr"`
			Track int `xml:"track,attr"`
			Media int `xml:"media,attr"`
		} `xml:"clip"`
	} `xml:"sequences>sequence"`
}

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(1)
}

func main() {
	self, err := os.Executable()
	if err != nil {
		fail("%v", err)
	}
	words, _ := os.ReadFile(filepath.Join(filepath.Dir(self), "behaviour"))
	is := func(word string) bool { return slices.Contains(strings.Fields(string(words)), word) }
	if len(os.Args) == 2 && os.Args[1] == "stay" { // what a grandchild does
		for {
			_ = syscall.Pause()
		}
	}
	log, _ := os.OpenFile(filepath.Join(filepath.Dir(self), "calls"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	fmt.Fprintln(log, strings.Join(os.Args[2:], " "), os.Getenv("QT_QPA_PLATFORM"))

	options := flag.NewFlagSet("", flag.ExitOnError)
	name := options.String("e", "", "")
	start := options.Int("export-start", -1, "")
	end := options.Int("export-end", -1, "")
	if err := options.Parse(os.Args[2:]); err != nil || *name == "" {
		fail("usage")
	}
	misbehave(is)
	if is("needs-x") {
		connectX()
	}
	if is("exclusive") {
		*end--
	}
	if is("extra") {
		*end++
	}
	if is("short") {
		*end -= 5
	}
	write(is, os.Args[1], *name, *start, *end)
	if is("grandchild") || is("escaped-grandchild") {
		c := exec.Command(self, "stay")
		c.Stdout, c.Stderr = os.Stdout, os.Stderr
		c.SysProcAttr = &syscall.SysProcAttr{Setsid: is("escaped-grandchild")}
		if err := c.Start(); err != nil {
			fail("%v", err)
		}
	}
}

// misbehave does what ends before, or instead of, a film.
func misbehave(is func(string) bool) {
	switch {
	case is("spin"):
		for {
		}
	case is("dialog"):
		fmt.Println("QMessageBox: what shall I do?")
		_, _ = bufio.NewReader(os.Stdin).ReadString('\n') // nobody types
		for {
			_ = syscall.Pause()
		}
	case is("crash"):
		fmt.Fprintln(os.Stderr, "about to crash")
		_ = syscall.Exec("/bin/sh", []string{"sh", "-c", "kill -SEGV $$"}, nil) // Go would catch it
	case is("no-file"):
		fmt.Fprintln(os.Stderr, "project could not be read, whatever")
		os.Exit(0)
	case is("flood"):
		line := strings.Repeat("qt.warning ", 1000) + "\n"
		for range 5000 {
			_, _ = os.Stderr.WriteString(line)
		}
	}
}

// connectX speaks to an X server as far as to be let in.
func connectX() {
	number, ok := strings.CutPrefix(os.Getenv("DISPLAY"), ":")
	if !ok {
		fail("could not connect to display %q", os.Getenv("DISPLAY"))
	}
	c, err := net.Dial("unix", "/tmp/.X11-unix/X"+number)
	if err != nil {
		fail("could not connect to display: %v", err)
	}
	defer c.Close()
	cookie, err := os.ReadFile(os.Getenv("XAUTHORITY"))
	if err != nil || len(cookie) < 16 {
		fail("no cookie: %v", err)
	}
	if is := strings.Contains(string(cookie), "MIT-MAGIC-COOKIE-1"); !is {
		fail("no cookie")
	}
	hello := []byte{'l', 0, 11, 0, 0, 0, 18, 0, 16, 0, 0, 0}
	hello = append(append(hello, "MIT-MAGIC-COOKIE-1\x00\x00"...), cookie[len(cookie)-16:]...)
	answer := make([]byte, 1)
	if _, err := c.Write(hello); err != nil {
		fail("%v", err)
	}
	if _, err := c.Read(answer); err != nil || answer[0] != 1 {
		fail("the X server refused: %v %v", answer, err)
	}
}

// write makes the film of frames start to end, both included, black behind the sequence's end.
func write(is func(string) bool, path, name string, start, end int) {
	data, err := os.ReadFile(path)
	if err != nil {
		fail("%v", err)
	}
	var p project
	if err := xml.Unmarshal(data, &p); err != nil {
		fail("%v", err)
	}
	s := p.Sequences[0]
	for _, q := range p.Sequences {
		if q.Open != nil {
			s = q
		}
	}
	url := ""
	for _, c := range s.Clips {
		for _, m := range p.Media {
			if c.Track < 0 && m.ID == c.Media {
				url = m.URL
			}
		}
	}
	if _, err := os.Stat(url); err != nil {
		fail("offline medium: %v", err)
	}
	size := fmt.Sprintf("%d:%d", s.Width, s.Height)
	if is("wrong-size") {
		size = "64:64"
	}
	picture := fmt.Sprintf("tpad=stop=-1:color=black,trim=start_frame=%d,setpts=N/(%.2f*TB),scale=%s", start, s.Rate, size)
	if is("black") {
		picture += ",drawbox=t=fill:color=black"
	}
	film := name + ".mp4"
	if is("elsewhere") {
		film = filepath.Join(os.Getenv("HOME"), film)
	}
	args := []string{
		"-v", "error", "-nostdin", "-y", "-i", url, "-f", "lavfi", "-i", "anullsrc=r=48000:cl=stereo,atrim=duration=10",
		"-map", "0:v", "-map", "1:a", "-shortest", "-vf", picture, "-r", fmt.Sprintf("%.2f", s.Rate), "-frames:v", fmt.Sprint(end - start + 1),
		"-c:v", "libx264", "-crf", "36", "-pix_fmt", "yuv420p", "-c:a", "aac",
	}
	if is("entangles") {
		args = append(args, "-b_strategy", "0", "-bf", "3")
	}
	if is("no-b") {
		args = append(args, "-bf", "0")
	}
	if out, err := exec.Command("ffmpeg", append(args, film)...).CombinedOutput(); err != nil {
		fail("ffmpeg: %v: %s", err, out)
	}
	if is("truncated") {
		if err := os.Truncate(film, 1500); err != nil {
			fail("%v", err)
		}
	}
}
