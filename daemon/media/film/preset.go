package film

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A Preset names a set of encoder arguments and the containers that suit it.
type Preset struct {
	Name, Description string
	Ext               string              // of the film when none is asked for
	PartExt           string              // of the parts
	Containers        []string            // extensions that the film may have
	Video             []string            // codec arguments of the parts
	Audio             map[string][]string // codec arguments of the film's sound, by its extension
}

// Thread counts are part of every preset: x264, x265 and libvpx write other bytes with other
// counts, so "as many as there are cores" would give other parts on other machines. Eight cost
// x264 no more CPU time than one and keep up to six cores busy. x265 gets one frame at a time: with
// three, one run in thirty on a busy machine gave other bytes.
var (
	aac  = []string{"-c:a", "aac", "-b:a", "256k"}
	flac = []string{"-c:a", "flac"} // AAC in Matroska starts 21 ms late
	opus = []string{"-c:a", "libopus", "-b:a", "256k"}
	pcm  = []string{"-c:a", "pcm_s16le"}
)

var presets = []Preset{
	{
		Name: "h264", Description: "H.264 and AAC: plays everywhere",
		Ext: ".mp4", PartExt: ".mp4", Containers: []string{".mp4", ".mov", ".mkv"},
		Video: []string{
			"-c:v", "libx264", "-preset", "medium", "-crf", "20", "-pix_fmt", "yuv420p", "-threads", "8",
			"-x264-params", "cpu-independent=1",
		},
		Audio: map[string][]string{".mp4": aac, ".mov": aac, ".mkv": flac},
	},
	{
		Name: "hevc", Description: "H.265 and AAC: smaller, slower",
		Ext: ".mp4", PartExt: ".mp4", Containers: []string{".mp4", ".mov", ".mkv"},
		Video: []string{
			"-c:v", "libx265", "-preset", "medium", "-crf", "22", "-pix_fmt", "yuv420p", "-tag:v", "hvc1",
			"-x265-params", "frame-threads=1:pools=8:lookahead-slices=0:info=0:log-level=error",
		},
		Audio: map[string][]string{".mp4": aac, ".mov": aac, ".mkv": flac},
	},
	{
		Name: "av1", Description: "AV1 and AAC: smallest for its speed",
		Ext: ".mp4", PartExt: ".mp4", Containers: []string{".mp4", ".mkv"},
		Video: []string{
			"-c:v", "libsvtav1", "-preset", "8", "-crf", "30", "-pix_fmt", "yuv420p", "-g", "240",
			"-svtav1-params", "lp=4",
		},
		Audio: map[string][]string{".mp4": aac, ".mkv": flac},
	},
	{
		Name: "prores", Description: "ProRes 422 HQ and PCM: for editing",
		Ext: ".mov", PartExt: ".mov", Containers: []string{".mov", ".mkv"},
		Video: []string{"-c:v", "prores_ks", "-profile:v", "3", "-vendor", "apl0", "-pix_fmt", "yuv422p10le", "-threads", "8"},
		Audio: map[string][]string{".mov": pcm, ".mkv": flac},
	},
	{
		Name: "vp9", Description: "VP9 and Opus: WebM",
		Ext: ".webm", PartExt: ".mp4", Containers: []string{".webm", ".mkv"},
		Video: []string{
			"-c:v", "libvpx-vp9", "-crf", "31", "-b:v", "0", "-deadline", "good", "-cpu-used", "3", "-pix_fmt", "yuv420p",
			"-row-mt", "1", "-tile-columns", "2", "-threads", "8",
		},
		Audio: map[string][]string{".webm": opus, ".mkv": opus},
	},
	{
		Name: "lossless", Description: "FFV1 in RGB and PCM: every pixel as it was composed",
		Ext: ".mkv", PartExt: ".mov", Containers: []string{".mkv", ".mov"},
		Video: []string{
			"-c:v", "ffv1", "-level", "3", "-g", "1", "-slices", "4", "-slicecrc", "1", "-pix_fmt", "bgr0", "-threads", "4",
		},
		Audio: map[string][]string{".mkv": pcm, ".mov": pcm},
	},
}

// encoder is the name of the preset's video encoder.
func (p Preset) encoder() string { return p.Video[1] }

// Presets lists all presets, the default first. The caller owns the answer.
func Presets() []Preset {
	all := make([]Preset, len(presets))
	for i := range presets {
		all[i] = presets[i].clone()
	}
	return all
}

// clone is a preset that the caller may change.
func (p Preset) clone() Preset {
	p.Containers, p.Video, p.Audio = slices.Clone(p.Containers), slices.Clone(p.Video), maps.Clone(p.Audio)
	return p
}

// PresetByName finds a preset; the error lists the names.
func PresetByName(name string) (Preset, error) {
	var names []string
	for i := range presets {
		if presets[i].Name == name {
			return presets[i].clone(), nil
		}
		names = append(names, presets[i].Name)
	}
	return Preset{}, fmt.Errorf("there is no preset %q: use one of %s", name, strings.Join(names, ", "))
}
