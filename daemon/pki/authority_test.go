package pki_test

import (
	"bytes"
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"olive-distributed/daemon/pki"
)

func TestFirstStartMakesACA(t *testing.T) {
	w := newWorld(t)
	ca := w.a.CA()
	if !ca.IsCA || ca.CheckSignatureFrom(ca) != nil || ca.NotAfter.Before(start.Add(10*365*day)) {
		t.Errorf("CA = %v until %v, want a CA for more than ten years", ca.IsCA, ca.NotAfter)
	}
	for path, want := range map[string]fs.FileMode{w.dir: fs.ModeDir | 0o700, w.dir + "/ca.pem": 0o600, w.dir + "/workers.json": 0o600, w.dir + "/lock": 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("mode of %s is %v (%v), want %v", path, info.Mode(), err, want)
		}
	}
}

func TestLaterStartsKeepTheCA(t *testing.T) {
	w := newWorld(t)
	first := w.a.CA()
	cert, _ := w.enrol("a")
	w.pass(time.Hour)
	w.restart()
	if !w.a.CA().Equal(first) {
		t.Error("a restart has changed the CA")
	}
	if name, err := w.a.Check(cert, w.now()); name != "a" || err != nil {
		t.Errorf("Check after a restart = %q, %v; want a", name, err)
	}
}

func TestOneMasterAtATime(t *testing.T) {
	w := newWorld(t)
	_, err := pki.Open(w.dir, start)
	wantError(t, "second Open", err, pki.ErrInUse)
}

func TestMasterCertificateRenewsItself(t *testing.T) {
	w := newWorld(t)
	serial := func() string {
		_, chain := w.a.Own(w.now())
		cert, err := x509.ParseCertificate(chain[0])
		if err != nil {
			t.Fatal(err)
		}
		if w.now().Before(cert.NotBefore) || w.now().After(cert.NotAfter.Add(-29*day)) {
			t.Errorf("at %v the certificate is of %v to %v, want 30 days left", w.now(), cert.NotBefore, cert.NotAfter)
		}
		return cert.SerialNumber.String()
	}
	first := serial()
	w.pass(59 * day)
	if serial() != first {
		t.Error("renewed after 59 days, want 60")
	}
	w.pass(1 * day)
	second := serial()
	if second == first {
		t.Error("not renewed after 60 days")
	}
	w.pass(-30 * day) // the clock was wrong
	if serial() == second {
		t.Error("not renewed when the clock was set back")
	}
}

// damage is what can happen to the files of an authority.
var damage = map[string]struct {
	do   func(w *world)
	file string // that the error names
}{
	"the CA is lost":              {func(w *world) { os.Remove(w.dir + "/ca.pem") }, "ca.pem"},
	"the list is lost":            {func(w *world) { os.Remove(w.dir + "/workers.json") }, "workers.json"},
	"the CA is empty":             {func(w *world) { write(w.t, w.dir+"/ca.pem", nil) }, "ca.pem"},
	"the list is empty":           {func(w *world) { write(w.t, w.dir+"/workers.json", nil) }, "workers.json"},
	"the CA is cut off":           {func(w *world) { cut(w, "ca.pem") }, "ca.pem"},
	"the list is cut off":         {func(w *world) { cut(w, "workers.json") }, "workers.json"},
	"both are empty":              {func(w *world) { write(w.t, w.dir+"/ca.pem", nil); write(w.t, w.dir+"/workers.json", nil) }, "workers.json"},
	"the CA has no certificate":   {func(w *world) { keep(w, func(b [][]byte) [][]byte { return b[:1] }) }, "ca.pem"},
	"the CA has no key":           {func(w *world) { keep(w, func(b [][]byte) [][]byte { return b[1:] }) }, "ca.pem"},
	"the CA has two certificates": {func(w *world) { keep(w, func(b [][]byte) [][]byte { return append(b, b[1]) }) }, "ca.pem"},
	"the key is another's": {func(w *world) {
		keep(w, func(b [][]byte) [][]byte { return [][]byte{parts(w.t, another(w)+"/ca.pem")[0], b[1]} })
	}, "ca.pem"},
	"the CA is another farm's":     {func(w *world) { write(w.t, w.dir+"/ca.pem", read(w.t, another(w)+"/ca.pem")) }, "ca.pem"},
	"the CA can be read by all":    {func(w *world) { os.Chmod(w.dir+"/ca.pem", 0o640) }, "chmod 600"},
	"the list can be read":         {func(w *world) { os.Chmod(w.dir+"/workers.json", 0o604) }, "chmod 600"},
	"the CA is a link":             {func(w *world) { os.Rename(w.dir+"/ca.pem", w.dir+"/x"); os.Symlink("x", w.dir+"/ca.pem") }, "ca.pem"},
	"the list is a folder":         {func(w *world) { os.Remove(w.dir + "/workers.json"); os.Mkdir(w.dir+"/workers.json", 0o700) }, "workers.json"},
	"the list is of the future":    {func(w *world) { swap(w, `"version": 1`, `"version": 2`) }, "workers.json"},
	"the list has unknown parts":   {func(w *world) { swap(w, `"version": 1`, `"version": 1, "x": 0`) }, "workers.json"},
	"the list has a bad name":      {func(w *world) { swap(w, `"a": {`, `"../a": {`) }, "workers.json"},
	"the list has an empty hash":   {func(w *world) { swap(w, `"used": true`, `"used": true, "sha256": ""`) }, "workers.json"},
	"the list has an empty serial": {func(w *world) { swap(w, `"issued":`, `"serial": "", "issued":`) }, "workers.json"},
	"the list goes on":             {func(w *world) { swap(w, "\n}\n", "\n}{}\n") }, "workers.json"},
}

func TestDamagedAuthorityIsRefused(t *testing.T) {
	for name, c := range damage {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.enrol("a")
			w.a.Close()
			c.do(w)
			before := snapshot(t, w.dir)
			_, err := pki.Open(w.dir, w.now())
			wantError(t, "Open", err, pki.ErrDamaged)
			if err != nil && (!strings.Contains(err.Error(), c.file) || !strings.Contains(err.Error(), "from a backup")) {
				t.Errorf("Open: %v\nwant %s named, and the way out", err, c.file)
			}
			if after := snapshot(t, w.dir); after != before {
				t.Errorf("refusing has changed the files\nfrom %s\nto   %s", before, after)
			}
		})
	}
}

func cut(w *world, name string) {
	data := read(w.t, w.dir+"/"+name)
	write(w.t, w.dir+"/"+name, data[:len(data)/2])
}

func swap(w *world, from, to string) {
	data := read(w.t, w.dir+"/workers.json")
	if !bytes.Contains(data, []byte(from)) {
		w.t.Fatalf("no %q in %s", from, data)
	}
	write(w.t, w.dir+"/workers.json", bytes.Replace(data, []byte(from), []byte(to), 1))
}

// parts are the key and the certificate in a CA's file.
func parts(t *testing.T, path string) [][]byte {
	data := read(t, path)
	at := bytes.Index(data, []byte("-----BEGIN CERTIFICATE"))
	return [][]byte{data[:at:at], data[at:]}
}

func keep(w *world, which func(parts [][]byte) [][]byte) {
	path := w.dir + "/ca.pem"
	write(w.t, path, bytes.Join(which(parts(w.t, path)), nil))
}

// another is the folder of another farm.
func another(w *world) string {
	dir := filepath.Join(w.t.TempDir(), "pki")
	a, err := pki.Open(dir, start)
	if err != nil {
		w.t.Fatal(err)
	}
	a.Close()
	return dir
}

// snapshot describes all files of a folder but the lock.
func snapshot(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() == "lock" {
			continue
		}
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(e.Name() + " " + info.Mode().String() + " ")
		if info.Mode().IsRegular() {
			b.Write(read(t, filepath.Join(dir, e.Name())))
		}
	}
	return b.String()
}

func TestFolderThatOthersCanWriteIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o770); err != nil {
		t.Fatal(err)
	}
	if _, err := pki.Open(dir, start); err == nil || !strings.Contains(err.Error(), "chmod 700 "+dir) {
		t.Errorf("Open = %v, want a refusal that says chmod 700", err)
	}
}

func TestImpossibleClockIsRefused(t *testing.T) {
	w := newWorld(t)
	w.a.Close()
	for name, now := range map[string]time.Time{
		"before the CA was made":                  time.Unix(0, 0),
		"certificates would outlive the CA":       start.Add(20*365*day - 89*day),
		"the CA has ended":                        start.Add(30 * 365 * day),
		"long before the CA was made, after a 1h": start.Add(-25 * time.Hour),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := pki.Open(w.dir, now); err == nil || !strings.Contains(err.Error(), "set the clock") {
				t.Errorf("Open at %v = %v, want a refusal that says to set the clock", now, err)
			}
		})
	}
}

var errCrash = errors.New("the machine lost its power")

// crashAt fails each change of the disk from the n-th on, so that nothing is cleaned up either.
func crashAt(n int) (step func(what, path string) error, happened func() bool) {
	count := 0
	return func(string, string) error {
			if count++; count > n {
				return errCrash
			}
			return nil
		}, func() bool {
			return count > n
		}
}

func TestFirstStartSurvivesACrashAnywhere(t *testing.T) {
	const most = 100
	n := 0
	for ; n < most; n++ {
		dir := filepath.Join(t.TempDir(), "pki")
		step, happened := crashAt(n)
		a, err := pki.OpenOn(dir, start, step)
		if !happened() {
			if err != nil {
				t.Fatal(err)
			}
			a.Close()
			break
		}
		wantError(t, "Open", err, errCrash)
		if _, err := os.Stat(dir); err == nil { // what a real crash leaves of unfinished files
			write(t, dir+"/.ca.pem8123", []byte("-----BEGIN PRIV"))
			write(t, dir+"/.workers.json123", nil)
		}
		made, _ := os.ReadFile(dir + "/ca.pem")
		w := &world{t: t, dir: dir, time: start.Add(time.Minute)}
		w.open()
		w.enrol("a")
		w.a.Close()
		if after := read(t, dir+"/ca.pem"); made != nil && !bytes.Equal(after, made) {
			t.Errorf("crash after %d steps: the CA was replaced", n)
		}
		if left, _ := filepath.Glob(dir + "/.*"); len(left) != 0 {
			t.Errorf("crash after %d steps: unfinished files are left: %v", n, left)
		}
	}
	if n < 8 || n == most {
		t.Errorf("the first start has %d steps, want some", n)
	}
}

func TestEachChangeSurvivesACrashAnywhere(t *testing.T) {
	for name, change := range map[string]func(*world, pki.Token) error{
		"a token is made": func(w *world, _ pki.Token) error {
			_, err := w.a.NewToken("new", w.now(), pki.TokenTTL)
			return err
		},
		"a worker enrols": func(w *world, token pki.Token) error {
			cert, err := w.a.Enrol(token, request(w.t, newKey(w.t), &x509.CertificateRequest{}), w.now())
			if (cert == nil) != (err != nil) {
				w.t.Errorf("Enrol = %v, %v; want a certificate or an error", cert, err)
			}
			return err
		},
		"a worker is revoked": func(w *world, _ pki.Token) error { return w.a.Revoke("old", w.now()) },
	} {
		t.Run(name, func(t *testing.T) {
			const most = 100
			n := 0
			for done := false; !done && n < most; n++ {
				w := newWorld(t)
				w.enrol("old")
				token := w.token("b")
				before, listed := read(t, w.dir+"/workers.json"), w.a.Workers()
				w.a.Close()
				var armed bool
				step, happened := crashAt(n)
				a, err := pki.OpenOn(w.dir, w.now(), func(what, path string) error {
					if !armed {
						return nil
					}
					return step(what, path)
				})
				if err != nil {
					t.Fatal(err)
				}
				w.a, armed = a, true
				err = change(w, token)
				done = !happened()
				if done != (err == nil) {
					t.Errorf("crash after %d steps: error %v", n, err)
				}
				if got := w.a.Workers(); err != nil && !reflect.DeepEqual(got, listed) {
					t.Errorf("crash after %d steps: the list is %+v, want it unchanged: %+v", n, got, listed)
				}
				w.restart() // must read what there is
				if after := read(t, w.dir+"/workers.json"); err == nil && bytes.Equal(after, before) {
					t.Error("the change was answered, but is not there after a restart")
				}
			}
			if n < 4 || n == most {
				t.Errorf("the change has %d steps, want some", n)
			}
		})
	}
}
