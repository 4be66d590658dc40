package packaging_test

import (
	"compress/gzip"
	"debug/elf"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"olive-distributed/daemon/systemd"
)

// What every test looks at, made once.
var (
	dist   string            // folder with the packages
	staged map[string]string // unpacked .deb by architecture
)

func TestMain(m *testing.M) {
	code, err := prepared(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func prepared(m *testing.M) (int, error) {
	var err error
	if dist, err = os.MkdirTemp("", "olive-dist-"); err != nil {
		return 1, err
	}
	defer os.RemoveAll(dist)
	if out, err := exec.Command("./package.sh", dist).CombinedOutput(); err != nil {
		return 1, fmt.Errorf("make packages: %w\n%s", err, out)
	}
	staged = map[string]string{}
	for _, arch := range []string{"amd64", "arm64"} {
		debs, err := filepath.Glob(filepath.Join(dist, "*_"+arch+".deb"))
		if err != nil || len(debs) != 1 {
			return 1, fmt.Errorf("packages for %s: %q, want one", arch, debs)
		}
		staged[arch] = filepath.Join(dist, arch)
		if out, err := exec.Command("dpkg-deb", "-R", debs[0], staged[arch]).CombinedOutput(); err != nil {
			return 1, fmt.Errorf("unpack %s: %w\n%s", debs[0], err, out)
		}
	}
	return m.Run(), nil
}

func output(t *testing.T, program string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestFourPackages(t *testing.T) {
	for _, pattern := range []string{"*_amd64.deb", "*_arm64.deb", "*.x86_64.rpm", "*.aarch64.rpm"} {
		if found, err := filepath.Glob(filepath.Join(dist, pattern)); err != nil || len(found) != 1 {
			t.Errorf("%s: %q, want one package", pattern, found)
		}
	}
	for arch, machine := range map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64} {
		for _, program := range programs(t) {
			f, err := elf.Open(filepath.Join(staged[arch], "usr/bin", program))
			if err != nil {
				t.Fatal(err)
			}
			if f.Machine != machine {
				t.Errorf("%s for %s is made for %v", program, arch, f.Machine)
			}
			f.Close()
		}
	}
}

func programs(t *testing.T) []string {
	t.Helper()
	dirs, err := os.ReadDir("../cmd")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, d := range dirs {
		names = append(names, d.Name())
	}
	return names
}

// A file in units that no line of stage.sh takes would be missing on every machine.
func TestEveryUnitAndBusFileIsInThePackage(t *testing.T) {
	packed := map[string]bool{}
	walk(t, staged["amd64"], func(path string) { packed[filepath.Base(path)] = true })
	sources, err := filepath.Glob("../dbus/org.olive.*.xml")
	if err != nil {
		t.Fatal(err)
	}
	walk(t, "../units", func(path string) { sources = append(sources, path) })
	for _, s := range sources {
		if !packed[filepath.Base(s)] && filepath.Ext(s) != ".go" {
			t.Errorf("%s is not in the package", s)
		}
	}
}

func walk(t *testing.T, root string, see func(path string)) {
	t.Helper()
	if err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			see(path)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func TestDaemonsAreShutIn(t *testing.T) {
	for unit, threshold := range map[string]string{"olive-master.service": "20", "olive-worker.service": "20", "olive-mounter.service": "15"} {
		output(t, "systemd-analyze", "security", "--offline=true", "--threshold="+threshold, filepath.Join("../units", unit))
	}
}

func TestLintianHasNothingToSay(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		debs, err := filepath.Glob(filepath.Join(dist, "*_"+arch+".deb"))
		if err != nil {
			t.Fatal(err)
		}
		output(t, "lintian", "--allow-root", "--fail-on", "error,warning", debs[0])
	}
}

// page is the text of a manual page as it is installed.
func page(t *testing.T, name string) string {
	t.Helper()
	f, err := os.Open(filepath.Join(staged["amd64"], "usr/share/man/man"+name[len(name)-1:], name+".gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestManualPagesAreClean(t *testing.T) {
	var pages []string
	walk(t, filepath.Join(staged["amd64"], "usr/share/man"), func(path string) { pages = append(pages, path) })
	for _, program := range programs(t) {
		if !slices.ContainsFunc(pages, func(p string) bool { return strings.HasPrefix(filepath.Base(p), program+".") }) {
			t.Errorf("%s has no manual page", program)
		}
	}
	for _, p := range pages {
		cmd := exec.CommandContext(t.Context(), "man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", p)
		cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "MANROFFSEQ=", "MANWIDTH=80")
		var said strings.Builder
		cmd.Stderr = &said
		if err := cmd.Run(); err != nil || said.Len() > 0 {
			t.Errorf("man %s: %v\n%s", filepath.Base(p), err, &said)
		}
	}
}

// Pages of others are not there when packages are made.
func TestManualPagesReferToOursThatExist(t *testing.T) {
	ref := regexp.MustCompile(`(?m)^\.Xr (\S+) (\d)`)
	walk(t, filepath.Join(staged["amd64"], "usr/share/man"), func(path string) {
		for _, m := range ref.FindAllStringSubmatch(page(t, strings.TrimSuffix(filepath.Base(path), ".gz")), -1) {
			name := filepath.Join(staged["amd64"], "usr/share/man/man"+m[2], m[1]+"."+m[2]+".gz")
			if _, err := os.Stat(name); err != nil && strings.Contains(m[1], "olive") {
				t.Errorf("%s refers to %s(%s), which does not exist", filepath.Base(path), m[1], m[2])
			}
		}
	})
}

func TestOlivectlPageHasEveryCommand(t *testing.T) {
	text := page(t, "olivectl.1")
	for _, want := range []string{".Ss export", ".Ss submit", `.Ss worker add`, ".It Fl -split Ar NUMBER", ".It Fl o , Fl -output Ar FILE", ".It Fl -token Ar TOKEN"} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("olivectl(1) has no line %q", want)
		}
	}
}

// Settings are said in two places: the file with the defaults, and its manual page.
func TestSettingsPagesTellTheDefaults(t *testing.T) {
	setting := regexp.MustCompile(`(?m)^# ([a-z_]+) = (.*)$`)
	for file, name := range map[string]string{"master": "olive-master.toml.5", "worker": "olive-worker.toml.5", "mounter": "mounter.toml.5"} {
		text, err := os.ReadFile("../etc/" + file + ".toml")
		if err != nil {
			t.Fatal(err)
		}
		inFile, inPage := map[string]string{}, map[string]string{}
		for _, m := range setting.FindAllStringSubmatch(string(text), -1) {
			inFile[m[1]] = m[2]
		}
		item := regexp.MustCompile(`(?m)^\.It Va ([a-z_]+) No = Li (.*)$`)
		for _, m := range item.FindAllStringSubmatch(page(t, name), -1) {
			inPage[m[1]] = strings.ReplaceAll(m[2], `\(dq`, `"`)
		}
		if len(inFile) == 0 || !maps.Equal(inFile, inPage) {
			t.Errorf("etc/%s.toml and %s differ:\n%v\n%v", file, name, inFile, inPage)
		}
	}
}

func TestCatalogExplainsEveryEvent(t *testing.T) {
	text, err := os.ReadFile("../units/catalog/olive.catalog")
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, m := range regexp.MustCompile(`(?m)^-- ([0-9a-f]{32})$`).FindAllStringSubmatch(string(text), -1) {
		ids = append(ids, m[1])
	}
	slices.Sort(ids)
	if want := slices.Sorted(maps.Values(systemd.MessageIDs)); !slices.Equal(ids, want) {
		t.Errorf("the catalog explains %q, the daemons say %q", ids, want)
	}
}

func TestCompletionsComplete(t *testing.T) {
	share := filepath.Join(staged["amd64"], "usr/share")
	t.Setenv("PATH", filepath.Join(staged["amd64"], "usr/bin")+":"+os.Getenv("PATH"))
	bash := filepath.Join(share, "bash-completion/completions/olivectl")
	if got := output(t, "bash", "-c", `source "$1" && complete -p olivectl`, "bash", bash); !strings.Contains(got, "__start_olivectl") {
		t.Errorf("bash completes with %q", got)
	}
	output(t, "zsh", "-n", filepath.Join(share, "zsh/vendor-completions/_olivectl"))
	fish := filepath.Join(share, "fish/vendor_completions.d/olivectl.fish")
	t.Setenv("HOME", t.TempDir())
	if got := output(t, "fish", "--no-config", "-c", "source "+fish+"; complete -C 'olivectl sub'"); !strings.HasPrefix(got, "submit") {
		t.Errorf("fish completes sub to %q", got)
	}
}
