// Package daemon_test holds the rules of the house: which room may import which.
package daemon_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "olive-distributed/"

// mayImport is the plan of the house: rooms, and the rooms of ours that each may use. A room
// that is missing here fails the test, and so does a permission that nobody uses.
var mayImport = map[string][]string{
	"daemon/ove":                   {},
	"daemon/farm":                  {},
	"daemon/media":                 {"daemon/media/probe", "daemon/media/tool"},
	"daemon/media/film":            {"daemon/media/probe", "daemon/media/tool"},
	"daemon/media/probe":           {"daemon/media/tool"},
	"daemon/media/sound":           {"daemon/media", "daemon/media/probe", "daemon/media/tool"},
	"daemon/media/tool":            {},
	"daemon/pki":                   {"daemon/pki/internal/private"},
	"daemon/pki/internal/private":  {},
	"daemon/render":                {"daemon/ove", "daemon/media", "daemon/media/film", "daemon/media/probe", "daemon/render/audio"},
	"daemon/render/olive":          {"daemon/ove", "daemon/media", "daemon/media/film", "daemon/media/probe", "daemon/render"},
	"daemon/render/raster":         {"daemon/render/trig"},
	"daemon/render/trig":           {},
	"daemon/render/shader":         {"daemon/render/raster", "daemon/render/shader/glsl"},
	"daemon/render/shader/glsl":    {"daemon/render/trig"},
	"daemon/render/shader/blur":    {"daemon/render/raster", "daemon/render/shader", "daemon/render/shader/glsl", "daemon/render/trig"},
	"daemon/render/shader/distort": {"daemon/render/shader", "daemon/render/shader/glsl"},
	"daemon/render/shader/grade":   {"daemon/render/shader", "daemon/render/shader/glsl", "daemon/render/trig"},
	"daemon/render/shader/keying":  {"daemon/render/shader", "daemon/render/shader/glsl"},
	"daemon/render/shader/stylize": {"daemon/render/raster", "daemon/render/shader", "daemon/render/shader/glsl"},
	"daemon/render/audio":          {"daemon/ove", "daemon/media", "daemon/media/sound"},
	"daemon/bus":                   {"nfsd/wire"},
	"daemon/bus/journal":           {"daemon/farm"},
	"daemon/config":                {"daemon/worker/hours"},
	"packaging":                    {},
	"packaging/manual":             {},
	"packaging/rig":                {},
	"packaging/testbus":            {},
	"packaging/testdisk":           {},
	"packaging/transcript":         {},
	"daemon/door":                  {"daemon/farm", "daemon/master", "daemon/media/film", "daemon/ove", "daemon/pki", "daemon/render", "daemon/spool", "dbus", "dbus/access"},
	"daemon/spool":                 {"daemon/spool/ready", "daemon/durable"},
	"daemon/spool/ready":           {},
	"dbus":                         {"daemon/farm", "dbus/access"},
	"dbus/access":                  {},
	"daemon/worker/hours":          {},
	"daemon/worker/machine":        {"daemon/media", "daemon/media/film", "daemon/media/probe"},
	"daemon/worker/forward":        {"nfsd/wire"},
	"daemon/worker/forward/hard":   {},
	"daemon/worker/transport":      {"daemon/worker"},
	"daemon/share":                 {"daemon/farm", "daemon/media/film", "daemon/ove", "daemon/render", "nfsd"},
	"daemon/systemd":               {},
	"daemon/worker":                {"daemon/bus", "daemon/media", "daemon/media/film", "daemon/render"},
	"daemon/master":                {"daemon/ove", "daemon/bus", "daemon/farm", "daemon/media", "daemon/media/film", "daemon/media/probe", "daemon/render", "daemon/share", "daemon/worker", "daemon/durable"},
	"cmd/olive-master":             {"daemon/bus", "daemon/bus/journal", "daemon/config", "daemon/door", "daemon/farm", "daemon/master", "daemon/media", "daemon/media/film", "daemon/pki", "daemon/render", "daemon/render/builtin", "daemon/render/olive", "daemon/share", "daemon/spool", "daemon/systemd", "daemon/worker", "daemon/worker/machine", "dbus", "nfsd", "nfsd/wire"},
	"cmd/olive-worker":             {"daemon/bus", "daemon/config", "daemon/media", "daemon/media/film", "daemon/pki", "daemon/render", "daemon/render/builtin", "daemon/render/olive", "daemon/systemd", "daemon/worker", "daemon/worker/forward", "daemon/worker/hours", "daemon/worker/machine", "daemon/worker/transport", "dbus", "nfsd"},
	"cmd/olivectl":                 {"cmd/olivectl/exit", "cmd/olivectl/follow", "cmd/olivectl/listing", "cmd/olivectl/local", "cmd/olivectl/probe", "cmd/olivectl/screen", "cmd/olivectl/term", "daemon/farm", "daemon/media/film", "daemon/render", "daemon/render/olive", "daemon/pki", "daemon/master", "dbus"},
	"cmd/olivectl/exit":            {},
	"cmd/olivectl/follow":          {"cmd/olivectl/exit", "cmd/olivectl/screen", "daemon/farm", "dbus"},
	"cmd/olivectl/local":           {"cmd/olivectl/exit", "cmd/olivectl/screen", "daemon/door", "daemon/farm", "daemon/master", "daemon/media", "daemon/render", "daemon/render/builtin", "daemon/render/olive", "daemon/worker"},
	"cmd/olivectl/listing":         {"cmd/olivectl/screen", "cmd/olivectl/term", "daemon/farm", "dbus"},
	"cmd/olivectl/probe":           {"daemon/media", "daemon/ove", "daemon/render", "daemon/render/builtin", "daemon/render/olive"},
	"cmd/olivectl/screen":          {"cmd/olivectl/term", "daemon/farm", "dbus"},
	"cmd/olivectl/term":            {},
	"daemon/render/raster/path":    {},
	"daemon/render/text":           {"daemon/render/raster/path", "daemon/render/text/font", "daemon/render/text/hint", "daemon/render/text/html"},
	"daemon/render/text/font":      {},
	"daemon/render/text/hint":      {},
	"daemon/render/text/html":      {},
	"nfsd":                         {"nfsd/internal/disk", "nfsd/internal/front", "nfsd/internal/handle", "nfsd/internal/nfs3", "nfsd/internal/parts", "nfsd/internal/rpc", "nfsd/internal/xdr", "nfsd/tree"},
	"nfsd/internal/disk":           {"nfsd/internal/handle", "nfsd/internal/keep"},
	"nfsd/internal/front":          {"nfsd/internal/rpc", "nfsd/wire"},
	"nfsd/internal/handle":         {},
	"nfsd/internal/nfs3":           {"nfsd/internal/xdr"},
	"nfsd/internal/parts":          {"nfsd/internal/disk", "nfsd/internal/keep"},
	"nfsd/internal/rpc":            {"nfsd/internal/xdr"},
	"nfsd/internal/xdr":            {},
	"cmd/olive-mounter":            {"daemon/config", "daemon/mounter", "daemon/systemd", "dbus"},
	"daemon/mounter":               {"dbus"},
	"packaging/rig/vm":             {"packaging/rig", "packaging/rig/vm/guest"},
	"packaging/rig/vm/guest":       {},
	"packaging/rig/vm/guest/agent": {"packaging/rig/vm/guest"},
	"nfsd/internal/keep":           {},
	"nfsd/wire":                    {},
	"nfsd/tree":                    {"nfsd/internal/disk", "nfsd/internal/nfs3"},
	"daemon/durable":               {},
	"daemon/render/builtin": {
		"daemon/ove", "daemon/media", "daemon/media/film", "daemon/render", "daemon/render/audio", "daemon/render/raster",
		"daemon/render/raster/path", "daemon/render/shader", "daemon/render/shader/blur", "daemon/render/shader/distort", "daemon/render/shader/grade",
		"daemon/render/shader/keying", "daemon/render/shader/stylize", "daemon/render/text", "daemon/render/text/font", "daemon/render/text/html", "daemon/render/trig",
	},
}

// pure are the rooms of rules: what they must not import, and why.
var pure = map[string]string{
	"daemon/ove":                   "a project means the same everywhere",
	"daemon/farm":                  "the rules are tested without a world",
	"daemon/worker/hours":          "the caller's clock is the only one",
	"daemon/render/raster":         "pixels do not depend on the machine",
	"daemon/render/raster/path":    "likewise",
	"daemon/render/text":           "type is set alike everywhere; fonts are found before",
	"daemon/render/text/hint":      "likewise",
	"daemon/render/text/html":      "a project means the same everywhere",
	"daemon/render/shader":         "likewise",
	"daemon/render/shader/blur":    "likewise",
	"daemon/render/shader/distort": "likewise",
	"daemon/render/shader/glsl":    "likewise",
	"daemon/render/shader/grade":   "likewise",
	"daemon/render/shader/keying":  "likewise",
	"daemon/render/shader/stylize": "likewise",
	"daemon/spool/ready":           "what is ready follows from what was seen and when",
}

var impure = []string{"os", "os/exec", "net", "syscall", "time", "math/rand", "math/rand/v2", "sync", "sync/atomic"}

// allowed are exceptions to pure, each with its reason.
var allowed = map[string]string{
	"daemon/farm time":                 "times are values that callers pass in",
	"daemon/worker/hours time":         "times are values that callers pass in",
	"daemon/spool/ready time":          "likewise",
	"daemon/render/raster sync":        "a picture is spread over goroutines, with the same result",
	"daemon/render/raster sync/atomic": "likewise",
}

type pkg struct {
	ImportPath string
	Doc        string
	Imports    []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	list := exec.Command("go", "list", "-json=ImportPath,Doc,Imports", module+"...")
	list.Env = append(os.Environ(), "GOEXPERIMENT=simd", "GOARCH=amd64") // every file, whatever this run is built for
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if p.ImportPath != module+"daemon" { // this test's own folder
			all = append(all, p)
		}
	}
	return all
}

func TestEveryRoomSaysWhatItIsFor(t *testing.T) {
	for _, p := range packages(t) {
		if p.Doc == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}

func TestImportsGoDown(t *testing.T) {
	for _, p := range packages(t) {
		room := strings.TrimPrefix(p.ImportPath, module)
		allowed, known := mayImport[room]
		if !known {
			t.Errorf("room %s is not in the plan", room)
		}
		for _, i := range p.Imports {
			if used, ours := strings.CutPrefix(i, module); ours && !slices.Contains(allowed, used) {
				t.Errorf("%s must not import %s", room, used)
			}
		}
		for _, a := range allowed {
			if !slices.Contains(p.Imports, module+a) {
				t.Errorf("%s does not import %s any more: take it out of the plan", room, a)
			}
		}
	}
}

func TestRulesKnowNoWorld(t *testing.T) {
	for _, p := range packages(t) {
		room := strings.TrimPrefix(p.ImportPath, module)
		why, isPure := pure[room]
		if !isPure {
			continue
		}
		for _, i := range p.Imports {
			if slices.Contains(impure, i) && allowed[room+" "+i] == "" {
				t.Errorf("%s imports %s, but %s", room, i, why)
			}
		}
	}
}
