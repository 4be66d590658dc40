package media

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestWhatIsNoMediumIsNotOpened(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	film := generate(t, filepath.Join(dir, "film.mp4"), "-c:v", "mpeg4", "-t", "0.2")
	fifo, socket := filepath.Join(dir, "fifo.mp4"), filepath.Join(dir, "socket")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	secret := write("shadow", "root:$y$j9T$secret$hash:19000:0:99999:7:::\n")
	l := library(t, "")
	for name, path := range map[string]string{
		"a folder":                   dir,
		"a FIFO":                     fifo,
		"a socket":                   socket,
		"a device":                   "/dev/zero",
		"nothing":                    filepath.Join(dir, "absent.mp4"),
		"a file of passwords":        secret,
		"an empty file":              write("empty.mp4", ""),
		"a playlist":                 write("list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n"+film+"\n#EXT-X-ENDLIST\n"),
		"a playlist by another name": write("list.mp4", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://"+secret+"\n#EXT-X-ENDLIST\n"),
		"a script of films":          write("list.txt", "ffconcat version 1.0\nfile "+film+"\n"),
		"a session description":      write("a.sdp", "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"),
		"a manifest":                 write("a.mpd", `<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>`),
		"a drawing that may link":    write("a.svg", `<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image href="file:///etc/passwd"/></svg>`),
		"subtitles":                  write("a.srt", "1\n00:00:00,000 --> 00:00:01,000\nhello\n"),
		"a network address":          "http://127.0.0.1:9/film.mp4",
		"an ffmpeg filter":           "lavfi:testsrc",
	} {
		began := time.Now()
		f, err := l.Probe(t.Context(), path)
		if err == nil {
			t.Errorf("%s passed as %+v", name, f)
			continue
		}
		if strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), filepath.Base(path)) || len(err.Error()) > 500 {
			t.Errorf("%s: a poor message: %v", name, err)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s took %v", name, took)
		}
		if _, err := l.Video(t.Context(), path, 0, 0); err == nil {
			t.Errorf("%s has an index", name)
		}
	}
}

func TestNamesThatMeanSomethingToFFmpeg(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"-i.mp4", "a:b.mp4", "concat:x.mp4", "100%d.mp4", "what?*[1]{a}.mkv", "it's \"here\".mov", "umlaut ü.mp4"} {
		path := filepath.Join(dir, name)
		if err := os.Rename(generate(t, filepath.Join(dir, "x"+filepath.Ext(name)), "-c:v", "mpeg4", "-t", "0.1"), path); err != nil {
			t.Fatal(err)
		}
		if ix := index(t, library(t, ""), path); len(ix.PTS) != 3 {
			t.Errorf("%s: %d frames, want 3", name, len(ix.PTS))
		}
	}
}
