package main

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestACertificateIsRenewedWhileItsWorkerRenders gives the worker one that has a few seconds left: it
// gets another at two thirds, the connection of the old one ends with it, and the range goes on.
func TestACertificateIsRenewedWhileItsWorkerRenders(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.begin()
	s.join("ada")
	s.stop(s.master, syscall.SIGTERM)
	ca, key := s.ca()
	short := forge(t, ca, key, func(c *x509.Certificate) {
		now := time.Now()
		c.NotBefore, c.NotAfter = now.Add(-17*time.Second), now.Add(12*time.Second)
	})
	s.admit(short)
	s.save("ada", short)
	s.begin()
	ada := s.work("ada")
	s.submit("a.mkv", 9000)
	s.renders("ada")
	s.hears(ada, "the certificate was renewed")
	renewed := s.identity("ada")
	if left := time.Until(renewed.Expires()); left < 80*24*time.Hour {
		t.Errorf("the new certificate ends in %v", left)
	}
	before := s.frames("ada")
	s.until("the end of the old one's connection", func() bool { return strings.Contains(ada.said(), "the master is away") })
	s.until("the worker's return", func() bool { return strings.Count(ada.said(), "connected to the master") >= 2 })
	s.until("more frames of the same range", func() bool { return s.frames("ada") > before })
	if log := s.mustCtl("log", "1"); strings.Contains(log, "failed") {
		t.Errorf("the range counts as failed:\n%s", log)
	}
	if why := refused(s.addr, busConfig(&short)); why == "" {
		t.Error("the old certificate still opens the door")
	}
}

// TestTwoMachinesWithOneIdentity copies a worker's folder, as people do with whole machines.
func TestTwoMachinesWithOneIdentity(t *testing.T) {
	t.Parallel()
	s, ada := underWay(t)
	if err := os.CopyFS(s.path("copy"), os.DirFS(s.path("ada"))); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"copy", "copy/identity.json"} {
		if err := os.Chmod(s.path(filepath.FromSlash(name)), map[bool]os.FileMode{true: 0o700, false: 0o600}[name == "copy"]); err != nil {
			t.Fatal(err)
		}
	}
	twin := s.work("copy")
	s.hears(twin, "give each a name of its own, by `olivectl worker add NAME`")
	s.hears(s.master, "two processes with one identity")
	s.renders("ada")
	if n := strings.Count(ada.said(), "is away"); n != 0 {
		t.Errorf("the first was disturbed %d times", n)
	}
	if log := s.mustCtl("log", "1"); strings.Contains(log, "failed") {
		t.Errorf("the first has lost its range:\n%s", log)
	}
	_ = s.stop(ada, syscall.SIGKILL)
	s.hears(twin, "connected to the master") // by itself
	s.renders("ada")
}
