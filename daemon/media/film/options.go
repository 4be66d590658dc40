package film

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// An option is one codec option without its dash and stream specifier.
type option struct{ name, value string }

type options []option

// get is the value of the last option of that name, as ffmpeg takes it.
func (o options) get(name string) string {
	for _, opt := range slices.Backward(o) {
		if opt.name == name {
			return opt.value
		}
	}
	return ""
}

// args writes the options for the one stream of kind "v" or "a".
func (o options) args(kind string) []string {
	var args []string
	for _, opt := range o {
		name := "-" + opt.name
		if opt.name != "pix_fmt" && opt.name != "threads" && !strings.HasSuffix(opt.name, "-params") {
			name += ":" + kind
		}
		args = append(args, name, opt.value)
	}
	return args
}

// complete adds to the key=value list name those of base that it does not have.
func (o *options) complete(name, base string) {
	have := o.get(name)
	for param := range strings.SplitSeq(base, ":") {
		key, _, _ := strings.Cut(param, "=")
		if key != "" && !strings.Contains(":"+have, ":"+key+"=") {
			have = strings.TrimPrefix(have+":"+param, ":")
		}
	}
	if have == "" {
		return
	}
	*o = append(slices.DeleteFunc(*o, func(opt option) bool { return opt.name == name }), option{name, have})
}

// A rule checks the value of an option.
type rule func(value string) error

var (
	plainValue = regexp.MustCompile(`^[A-Za-z0-9_.+-]{1,64}$`)
	paramValue = regexp.MustCompile(`^[A-Za-z0-9_.,+-]{1,64}$`)
)

// plain accepts numbers and names; a slash, which a path would need, is in neither.
func plain(value string) error {
	if !plainValue.MatchString(value) {
		return errors.New("only letters, digits and _ . + - are allowed")
	}
	return nil
}

// fixed accepts a count, but not 0: "as many as there are cores" differs between workers.
func fixed(value string) error {
	if n, err := strconv.Atoi(value); err != nil || n < 1 || n > 64 {
		return errors.New("a fixed number from 1 to 64 is needed: the bytes depend on it")
	}
	return nil
}

// oneOf accepts one of the words.
func oneOf(words ...string) rule {
	return func(value string) error {
		if !slices.Contains(words, value) {
			return fmt.Errorf("use one of %s", strings.Join(words, ", "))
		}
		return nil
	}
}

// params accepts key=value:key=value with keys from the list (also as no-key). The encoders have keys
// that read and write files (stats, qpfile, csv, dump-yuv, recon …): these are not on it.
func params(keys string) rule {
	allowed := strings.Fields(keys)
	return func(value string) error {
		for param := range strings.SplitSeq(value, ":") {
			key, v, hasValue := strings.Cut(param, "=")
			if !slices.Contains(allowed, key) && !slices.Contains(allowed, strings.TrimPrefix(key, "no-")) {
				return fmt.Errorf("parameter %q is not allowed", key)
			}
			if hasValue && !paramValue.MatchString(v) {
				return fmt.Errorf("parameter %s: %q is not a plain value", key, v)
			}
		}
		return nil
	}
}

// videoOptions and audioOptions are all that an override may say.
var (
	videoOptions = optionRules(map[string]rule{
		"c":             oneOf("libx264", "libx265", "libsvtav1", "prores_ks", "libvpx-vp9", "ffv1"),
		"threads":       fixed,
		"x264-params":   params(x264Keys),
		"x265-params":   params(x265Keys),
		"svtav1-params": params(svtKeys),
	}, `b crf qp qmin qmax maxrate minrate bufsize preset tune profile level tag pix_fmt
		g keyint_min bf refs sc_threshold rc-lookahead weightp weightb aq-mode aq-strength psy-rd trellis subq me_range mbtree
		deadline quality cpu-used row-mt tile-columns tile-rows frame-parallel auto-alt-ref lag-in-frames
		arnr-maxframes arnr-strength undershoot-pct overshoot-pct
		coder context slices slicecrc vendor bits_per_mb mbs_per_slice quant_mat`)

	audioOptions = optionRules(map[string]rule{
		"c": oneOf("aac", "libopus", "flac", "alac", "pcm_s16le", "pcm_s24le"),
	}, `b q vbr compression_level application frame_duration cutoff profile aac_coder`)
)

const (
	x264Keys = `keyint min-keyint scenecut bframes b-adapt b-bias b-pyramid open-gop cabac ref deblock slices
		weightp weightb rc-lookahead vbv-maxrate vbv-bufsize vbv-init crf-max qpmin qpmax qpstep ratetol ipratio pbratio
		chroma-qp-offset aq-mode aq-strength mbtree qcomp cplxblur qblur partitions direct me merange mvrange subme
		psy-rd psy mixed-refs chroma-me 8x8dct trellis fast-pskip dct-decimate nr deadzone-inter deadzone-intra
		nal-hrd force-cfr aud level cpu-independent stitchable`
	x265Keys = `keyint min-keyint scenecut bframes b-adapt b-pyramid open-gop ref rd rdoq-level psy-rd psy-rdoq
		aq-mode aq-strength aq-motion cutree rc-lookahead lookahead-slices me subme merange max-merge rect amp
		limit-refs limit-modes limit-tu early-skip rskip fast-intra b-intra sao selective-sao deblock strong-intra-smoothing
		weightp weightb tskip ctu min-cu-size max-tu-size tu-intra-depth tu-inter-depth qcomp vbv-maxrate vbv-bufsize vbv-init
		qpmin qpmax ipratio pbratio nr-intra nr-inter frame-threads pools wpp level-idc high-tier hrd aud
		repeat-headers info hash log-level signhide constrained-intra`
	svtKeys = `keyint lp tune film-grain film-grain-denoise enable-overlays scd lookahead tile-columns tile-rows
		fast-decode aq-mode enable-qm qm-min qm-max hierarchical-levels enable-tf enable-cdef enable-dlf enable-restoration
		irefresh-type`
)

func optionRules(special map[string]rule, names string) map[string]rule {
	for name := range strings.FieldsSeq(names) {
		special[name] = plain
	}
	return special
}

// parseOptions reads pairs such as -crf 18 or -b:v 4M.
func parseOptions(args []string, rules map[string]rule) (options, error) {
	var opts options
	for i := 0; i < len(args); i += 2 {
		name, ok := strings.CutPrefix(args[i], "-")
		if !ok {
			return nil, fmt.Errorf("%q is not an option: write -NAME VALUE", args[i])
		}
		name, _, _ = strings.Cut(name, ":")
		switch name {
		case "codec", "vcodec", "acodec":
			name = "c"
		case "vtag":
			name = "tag"
		}
		check, ok := rules[name]
		if !ok {
			return nil, fmt.Errorf("option -%s is not allowed: only options of the codec are", name)
		}
		if i+1 == len(args) {
			return nil, fmt.Errorf("option -%s has no value", name)
		}
		if err := check(args[i+1]); err != nil {
			return nil, fmt.Errorf("option -%s %q: %w", name, args[i+1], err)
		}
		opts = append(opts, option{name, args[i+1]})
	}
	return opts, nil
}
