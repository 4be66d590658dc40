package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"olive-distributed/daemon/worker/hours"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "settings.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAMissingFileMeansTheDefaults(t *testing.T) {
	m, err := LoadMaster(filepath.Join(t.TempDir(), "none.toml"))
	if err != nil || !reflect.DeepEqual(m, defaultMaster()) {
		t.Errorf("master: %+v, %v", m, err)
	}
	w, err := LoadWorker(filepath.Join(t.TempDir(), "none.toml"))
	if err != nil || w.Name == "" {
		t.Errorf("worker: name %q, %v", w.Name, err)
	}
	if w.Name = ""; !reflect.DeepEqual(w, defaultWorker()) {
		t.Errorf("worker: %+v", w)
	}
}

func TestEverySettingCanBeSet(t *testing.T) {
	m, err := LoadMaster(write(t, "\ufeff"+`
listen = "[::1]:7481"
state = "/srv/olive/"
control = "/run/o.sock"
bus = "unix:path=/run/bus"
spool = ""
media = { transport = "local", quota = "3GiB" }
history = { days = 7 }
[farm]
range = "10s"
lease_timeout = "1m"
stall_timeout = "1h"
max_failures = 5
[join]
token_lifetime = "5m"
certificate_days = 30
[limits]
connections = 20
journal = "100 MiB"
`))
	want := Master{Listen: "[::1]:7481", State: "/srv/olive", Control: "/run/o.sock", Bus: "unix:path=/run/bus"}
	want.Media.Transport, want.Media.Quota = Local, 3<<30
	want.History.Days = 7
	want.Farm.Range, want.Farm.LeaseTimeout, want.Farm.StallTimeout, want.Farm.MaxFailures = 10*time.Second, time.Minute, time.Hour, 5
	want.Join.TokenLifetime, want.Join.CertificateDays = 5*time.Minute, 30
	want.Limits.Connections, want.Limits.Journal = 20, 100<<20
	if err != nil || !reflect.DeepEqual(m, want) {
		t.Errorf("master %+v, %v\nwant %+v", m, err, want)
	}
	w, err := LoadWorker(write(t, `
name = "render-3"
master = "master.example:7480"
bus = "none"
state = "/s"
cache = "/c"
engines = ["builtin"]
editor = "/opt/olive"
threads = 4
memory = "8GiB"
nice = 19
ionice = "idle"
hours = ["mon-fri 19:00-07:00"]
on_stop = "hand-back"
stop_timeout = "30s"
stall_timeout = "1m"
[media]
transport = "shared"
forward = "[::1]:7490"
[[media.map]]
from = "/srv/media/"
to = "/mnt/media"
[[media.map]]
from = "/srv"
to = "/mnt/srv"
`))
	night, parseErr := hours.Parse([]string{"mon-fri 19:00-07:00"})
	wantWorker := Worker{
		Name: "render-3", Master: "master.example:7480", Bus: NoBus, State: "/s", Cache: "/c", Threads: 4, Memory: 8 << 30,
		Nice: 19, IONice: "idle", Hours: night, Engines: []string{"builtin"}, Editor: "/opt/olive", OnStop: HandBack,
		StopTimeout: 30 * time.Second, StallTimeout: time.Minute,
	}
	wantWorker.Media.Transport, wantWorker.Media.Forward = Shared, "[::1]:7490"
	wantWorker.Media.Map = []PathRule{{"/srv/media", "/mnt/media"}, {"/srv", "/mnt/srv"}}
	if err := errors.Join(err, parseErr); err != nil || !reflect.DeepEqual(w, wantWorker) {
		t.Errorf("worker %+v, %v\nwant %+v", w, err, wantWorker)
	}
}

func TestFaultsAreToldWithTheirPlace(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"syntax":                         {"a\n", "1:2: expected '.' or '=', but got '\\n' instead"},
		"a quote is missing":             {"listen = \":7480\nstate = \"/x\"\n", "1:16: "},
		"the same key twice":             {"nice = 1\n\nnice = 2\n", "3:"},
		"typing error":                   {"# x\n  nicee = 3\n", "2:3: there is no setting nicee, did you mean nice?"},
		"typing error in a table":        {"[farm]\nrnage = \"9s\"", "2:1: there is no setting farm.rnage, did you mean farm.range?"},
		"typing error in a table's name": {"[from]\n", "1:1: there is no setting from, did you mean farm?"},
		"in the wrong table":             {"[join]\ndays = 30\n", "2:1: there is no setting join.days, did you mean history.days?"},
		"below a table":                  {"[farm]\nlisten = \":1\"\n", "2:1: there is no setting farm.listen, did you mean listen, above the first table?"},
		"nothing like it":                {"colour = 1", "1:1: there is no setting colour"},
		"a quoted name is another name":  {"\"farm.range\" = \"9s\"", "1:2: there is no setting \"farm.range\""},
		"a table as a value":             {"farm = 3", "1:8: farm is a table: write [farm]"},
		"a table as a list":              {"[[farm]]\nrange = \"9s\"", "1:1: farm is a table"},
		"a value as a table":             {"[listen]\nport = 3", "1:1: listen must be a text in quotes such as \"master.example:7480\", not a table"},
		"text for a number":              {"nice = \"3\"", "1:8: nice must be a whole number from 0 to 19, not a text"},
		"a fraction":                     {"nice = 1.5", "1:8: nice must be a whole number from 0 to 19, not the number 1.5"},
		"number for a text":              {"\"é\" = 1\nlisten = 7480", "2:10: listen must be a text in quotes such as"},
		"out of range":                   {"nice = 20", "1:8: nice is 20: must be from 0 to 19"},
		"time without unit":              {"[farm]\nrange = \"9\"", "2:9: farm.range is \"9\": must be a time such as \"9s\" (units are ms, s, m, h)"},
		"time as a number":               {"[farm]\nrange = 9", "2:9: farm.range must be a text in quotes such as \"9s\", not the number 9"},
		"time out of range":              {"[farm]\nrange = \"61s\"", "2:9: farm.range is \"61s\": must be from 1s to 1m"},
		"size in another unit":           {"[limits]\njournal = \"4GB\"", "2:11: limits.journal is \"4GB\": must be a whole number with a unit such as \"4GiB\""},
		"size too small":                 {"[limits]\njournal = \"0B\"", "2:11: limits.journal is \"0B\": must be from 64MiB to 1TiB"},
		"size beyond all bounds":         {"[limits]\njournal = \"99999999999999TiB\"", "2:11: limits.journal is"},
		"memory may be 0, not tiny":      {"memory = \"1MiB\"", "1:10: memory is \"1MiB\": must be from 256MiB to 16TiB, or \"0B\""},
		"a worker's transport":           {"[media]\ntransport = \"nfs\"", "2:13: media.transport is \"nfs\": must be \"auto\" or \"local\""},
		"a map that is a text":           {"media.map = \"/a=/b\"\nhours = [1]", "1:13: media.map must be a list such as"},
		"a map of texts":                 {"media = { map = [\"/a\"] }", "1:11: media.map element 1: must be a table"},
		"a map to nowhere":               {"[[media.map]]\nfrom = \"/a\"", "1:1: media.map element 1: must have both, from and to"},
		"a map from nothing known":       {"media = { map = [{ form = \"/a\", to = \"/b\" }] }", "1:11: media.map element 1: there is no \"form\" in it"},
		"a map of a relative path":       {"media = { map = [{ from = \"a\", to = \"/b\" }] }", "1:11: media.map element 1: from is \"a\": must be a path that begins with /"},
		"a map of the same path twice":   {"media = { map = [{ from = \"/a\", to = \"/b\" }, { from = \"/a/\", to = \"/c\" }] }", "1:11: media.map element 2: has \"/a\" twice"},
		"a port for everybody":           {"media.forward = \"0.0.0.0:7481\"", "1:17: media.forward is \"0.0.0.0:7481\": must be an address that only this machine reaches"},
		"no such word":                   {"on_stop = \"stop\"", "1:11: on_stop is \"stop\": must be \"finish\" or \"hand-back\""},
		"relative path":                  {"state = \"var\"", "1:9: state is \"var\": must be a path that begins with /"},
		"long socket path":               {"control = \"/" + strings.Repeat("x", 107) + "\"", "1:11: control has 108 bytes: must be a path of at most 107"},
		"a bus that is no address":       {"bus = \"session\"", "1:7: bus is \"session\": must be \"system\", \"none\" or an address such as"},
		"zero in a path":                 {"state = \"/a\\u0000\"", "1:9: state must not have control characters in it"},
		"no port":                        {"master = \"host\"", "1:10: master is \"host\": must be HOST:PORT"},
		"port out of range":              {"master = \"host:65536\"", "1:10: master has the port \"65536\": must be from 1 to 65535"},
		"IPv6 without brackets":          {"master = \"::1:7480\"", "1:10: master is \"::1:7480\": must be HOST:PORT"},
		"no host":                        {"master = \":7480\"", "1:10: master is \":7480\": must be HOST:PORT"},
		"a name with dots":               {"name = \"../x\"", "1:8: name is \"../x\": must be 1 to 63 of a-z"},
		"hours":                          {"hours = [\n  \"sat 00:00-24:00\", # \"all\" day\n  'mon 19:00-7:00',\n]", "3:14: hours cannot be read: \"7:00\" is no time: use HH:MM"},
		"hours, escaped":                 {"hours = [\"mon\\u0020x\"]", "1:10: hours cannot be read"},
		"hours, long quotes":             {"hours = [ \"\"\"sun 01:00-02:00\"\"\", \"\"\"mon\"\"\"]", "1:34: hours cannot be read"},
		"a number among texts":           {"engines = [\"a\", [\"b\"], 3]", "1:17: engines must be a text in quotes such as \"builtin\", not a list"},
		"twice":                          {"engines = [\"a\",\n\"a\"]", "2:1: engines holds \"a\" twice"},
		"no list":                        {"engines = \"a\"", "1:11: engines must be a list such as [\"builtin\"], not a text"},
	} {
		t.Run(name, func(t *testing.T) {
			var all []string
			m, w := defaultMaster(), defaultWorker()
			masters := strings.Contains(c.text, "[") && !strings.Contains(c.text, "= [") && !strings.Contains(c.text, "from =") || strings.Contains(c.text, "listen") ||
				strings.Contains(c.text, "control") || strings.Contains(c.text, "farm")
			keys := w.keys()
			if masters {
				keys = m.keys()
			}
			for _, e := range parse(c.text, keys) {
				all = append(all, strings.TrimPrefix(e.Error(), ":"))
			}
			if !strings.HasPrefix(strings.Join(all, "\n"), c.want) && !strings.Contains(strings.Join(all, "\n"), "\n"+c.want) {
				t.Errorf("%q:\n%s\nwant %s", c.text, strings.Join(all, "\n"), c.want)
			}
		})
	}
}

func TestAllFaultsAreToldInTheOrderOfTheFile(t *testing.T) {
	path := write(t, "state = 1\nlisten = 2\n[join]\ncertificate_days = 0\nfoo = 1\n[farm]\nrange = true\n")
	m, err := LoadMaster(path)
	var first *Error
	if !errors.As(err, &first) || first.File != path || first.Line != 1 || first.Column != 9 {
		t.Fatalf("first fault %+v", first)
	}
	lines := strings.Split(err.Error(), "\n")
	for i, place := range []string{":1:9: ", ":2:10: ", ":4:20: ", ":5:1: ", ":7:9: "} {
		if len(lines) != 5 || !strings.HasPrefix(lines[i], path+place) {
			t.Fatalf("%v\nwant fault %d at %s", err, i, place)
		}
	}
	if !reflect.DeepEqual(m, Master{}) {
		t.Errorf("a refused file gives %+v", m)
	}
}

func TestALongListOfFaultsIsCutShort(t *testing.T) {
	var text strings.Builder
	for i := range 4000 {
		fmt.Fprintf(&text, "x%d = [{y = 1}]\n", i)
	}
	m := defaultMaster()
	if faults := parse(text.String(), m.keys()); len(faults) != maxFaults || faults[19].Line != 20 {
		t.Errorf("%d faults, the last %v", len(faults), faults[len(faults)-1])
	}
}

func TestWhatIsNoFileIsRefused(t *testing.T) {
	big := write(t, strings.Repeat("#\n", 64<<10))
	for path, want := range map[string]string{t.TempDir(): "not a regular file", big: "larger than 64 KiB"} {
		if _, err := LoadWorker(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}

func TestNameOfAHost(t *testing.T) {
	for host, want := range map[string]string{
		"Render-3.example.org": "render-3", "my_host": "my-host", "-x-": "x", "___": "", "": "", "ü": "",
		strings.Repeat("a", 70): strings.Repeat("a", 63),
	} {
		if got := nameOf(host); got != want || got != "" && !nameForm.MatchString(got) {
			t.Errorf("nameOf(%q) = %q, want %q", host, got, want)
		}
	}
}

var commented = regexp.MustCompile(`(?m)^# ([a-z_]+ = )`)

// TestTheExampleFilesShowTheDefaults reads each file as it is, and with its comments taken away.
func TestTheExampleFilesShowTheDefaults(t *testing.T) {
	m, w, h := defaultMaster(), defaultWorker(), defaultMounter()
	for file, keys := range map[string][]key{"master.toml": m.keys(), "worker.toml": w.keys(), "mounter.toml": h.keys()} {
		raw, err := os.ReadFile(filepath.Join("../../etc", file))
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		var shown []key
		for _, k := range keys {
			shown = append(shown, key{k.name, shows{t, file, k, seen}})
		}
		if faults := parse(string(raw), shown); faults != nil || len(seen) > 0 {
			t.Errorf("%s sets %v, faults %v: every setting must be a comment", file, seen, faults)
		}
		if faults := parse(commented.ReplaceAllString(string(raw), "$1"), shown); faults != nil {
			t.Errorf("%s without its comments: %v", file, faults)
		}
		for _, k := range keys {
			if !seen[k.name] {
				t.Errorf("%s does not show %s", file, k.name)
			}
		}
	}
}

// shows is a value that compares what a file says with the default.
type shows struct {
	t    *testing.T
	file string
	key  key
	seen map[string]bool
}

func (s shows) get() any { return s.key.value.get() }

func (s shows) set(v any) error {
	s.seen[s.key.name] = true
	if want := s.get(); !reflect.DeepEqual(v, want) {
		s.t.Errorf("%s shows %s = %v, its default is %v", s.file, s.key.name, v, want)
	}
	return s.key.value.set(v)
}

// TestEveryFieldHasItsKey finds fields that no key fills.
func TestEveryFieldHasItsKey(t *testing.T) {
	m, w, h := defaultMaster(), defaultWorker(), defaultMounter()
	for _, c := range []struct {
		of   any
		keys []key
	}{{&m, m.keys()}, {&w, w.keys()}, {&h, h.keys()}} {
		filled := map[uintptr]bool{}
		for _, k := range c.keys {
			filled[reflect.ValueOf(k.value).FieldByName("to").Pointer()] = true
		}
		var walk func(v reflect.Value, path string)
		walk = func(v reflect.Value, path string) {
			for i := range v.NumField() {
				f, at := v.Field(i), path+"."+v.Type().Field(i).Name
				if f.Kind() == reflect.Struct && f.Type() != reflect.TypeFor[hours.Schedule]() {
					walk(f, at)
				} else if !filled[f.Addr().Pointer()] {
					t.Errorf("no key fills %s", at)
				}
			}
		}
		walk(reflect.ValueOf(c.of).Elem(), fmt.Sprintf("%T", c.of))
	}
}

func FuzzLoad(f *testing.F) {
	for _, s := range []string{
		"listen = \":1\"\n[farm]\nrange = \"9s\"", "hours = [\"mon 1\", 'x', \"\"\"a\"\"\"]", "farm.range.x = 1", "[[farm]]", "a = [{b=1}]",
		"engines = [ [], 3 ]", "\"\" = 1", "nice = 1979-05-27", "[limits]\njournal = \"9TiB\"", "x = \"\\u00e9\"\ny = 3",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, w := defaultMaster(), defaultWorker()
		lines := strings.Split(text, "\n")
		for _, keys := range [][]key{m.keys(), w.keys()} {
			for _, e := range parse(text, keys) {
				if e.Line < 1 || e.Line > len(lines) || e.Column < 1 || e.Column > len([]rune(lines[e.Line-1]))+1 || e.Problem == "" {
					t.Errorf("%q: fault outside of the text: %v", text, e)
				}
			}
		}
	})
}
