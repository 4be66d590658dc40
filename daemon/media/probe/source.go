// Package probe says which media are opened, and what ffprobe finds in them without decoding: the
// headers, and the list of packets. What a stranger names is looked at before any other program sees
// it; what is no medium is [ErrNotMedium], what breaks off in the middle [ErrCutShort].
package probe

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// demuxers are the containers that we open: films, pictures and sound. A medium comes from a
// stranger's project, so whatever can name other files (playlists, manifests, concat scripts,
// SVG), devices, or turns any text into a picture, is not on the list.
const demuxers = "mov,matroska,avi,mpegts,mpeg,mpegvideo,flv,asf,mxf,ogg,nut,dv,gxf,wtv,rm,ivf,obu,av1," +
	"h264,hevc,m4v,vc1,mjpeg,yuv4mpegpipe,dnxhd,dirac,gif,apng,image2," +
	"png_pipe,jpeg_pipe,jpegls_pipe,j2k_pipe,jpegxl_pipe,bmp_pipe,tiff_pipe,webp_pipe,dpx_pipe,exr_pipe,cri_pipe," +
	"pam_pipe,pbm_pipe,pgm_pipe,pgmyuv_pipe,ppm_pipe,pfm_pipe,psd_pipe,sgi_pipe,sunrast_pipe,qoi_pipe,pcx_pipe,dds_pipe," +
	"wav,w64,aiff,au,caf,flac,mp3,aac,ac3,eac3,amr,ape,mpc,mpc8,tta,wv,dts,dtshd,truehd,mlp,oma"

// sequenceRate is the frame rate of numbered pictures, ffmpeg's and so Olive's.
const sequenceRate = "25"

// A Source is a medium that passed the gate: a regular file, or a run of numbered pictures.
type Source struct {
	Path  string // absolute; a printf pattern when Count > 0
	Start int    // first number of the run
	Count int    // pictures in the run, 0 for a plain file
	Key   string // changes whenever the content may have
}

// ErrNotMedium refuses what is not a film, a picture or a sound that we open.
var ErrNotMedium = errors.New("not a medium")

// Open lets only regular files through, before any other program sees the path: a FIFO would
// block it, a device would do worse.
func Open(path string, startNumber int) (Source, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return Source{}, err
	}
	stamp, err := fileStamp(abs)
	if errors.Is(err, os.ErrNotExist) {
		if p, ok := parsePattern(abs); ok {
			return p.source(abs, startNumber)
		}
	}
	if err != nil {
		return Source{}, err
	}
	return Source{Path: abs, Key: abs + stamp}, nil
}

// fileStamp identifies the content of a readable regular file.
func fileStamp(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s: %w: it is a %s, give a regular file", path, ErrNotMedium, kind(info.Mode()))
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("\x00%d\x00%d", info.Size(), info.ModTime().UnixNano()), f.Close()
}

func kind(m os.FileMode) string {
	switch {
	case m.IsDir():
		return "directory"
	case m&os.ModeNamedPipe != 0:
		return "FIFO"
	case m&os.ModeSocket != 0:
		return "socket"
	default:
		return "device"
	}
}

// Input gives the arguments that make ffmpeg or ffprobe read the source, and nothing else that
// it may mention. skip passes over the first pictures of a run.
func (s Source) Input(skip int) []string {
	args := []string{"-protocol_whitelist", "file", "-format_whitelist", demuxers}
	if s.Count > 0 {
		args = append(args, "-f", "image2", "-framerate", sequenceRate, "-start_number", strconv.Itoa(s.Start+skip))
	}
	return append(args, "-i", "file:"+s.Path)
}

// A pattern is the path of numbered pictures: one %d or %0Nd in the file name.
type pattern struct {
	head, tail string
	width      int
}

// parsePattern reads a path such as /media/seq_%03d.png.
func parsePattern(path string) (pattern, bool) {
	dir, name := filepath.Split(path)
	head, rest, ok := strings.Cut(name, "%")
	if !ok {
		return pattern{}, false
	}
	digits, tail, ok := strings.Cut(rest, "d")
	if !ok || strings.Contains(tail, "%") {
		return pattern{}, false
	}
	width := 0
	if digits != "" {
		n, err := strconv.Atoi(digits)
		if err != nil || n < 1 || n > 20 || digits[0] != '0' {
			return pattern{}, false
		}
		width = n
	}
	return pattern{dir + head, tail, width}, true
}

func (p pattern) file(n int) string { return fmt.Sprintf("%s%0*d%s", p.head, p.width, n, p.tail) }

// source finds the run of pictures that starts at start or, as ffmpeg looks for it, at one of the
// next four numbers.
func (p pattern) source(path string, start int) (Source, error) {
	const tries = 5
	if strings.Contains(filepath.Dir(path), "%") {
		return Source{}, fmt.Errorf("%s: a folder of numbered pictures may not have %% in its name: rename it", path)
	}
	first := start
	for ; first < start+tries; first++ {
		if _, err := os.Stat(p.file(first)); err == nil {
			break
		}
	}
	var key strings.Builder
	count := 0
	for ; ; count++ {
		stamp, err := fileStamp(p.file(first + count))
		if errors.Is(err, os.ErrNotExist) {
			break
		}
		if err != nil {
			return Source{}, err
		}
		key.WriteString(stamp)
	}
	if count == 0 {
		return Source{}, fmt.Errorf("numbered pictures from %s on: %w", p.file(start), os.ErrNotExist)
	}
	return Source{Path: path, Start: first, Count: count, Key: fmt.Sprintf("%s\x00%d%s", path, first, key.String())}, nil
}
