package rig_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"olive-distributed/packaging/rig"
)

// host runs a program of this machine.
func (m *machine) host(program string, args ...string) string {
	m.t.Helper()
	var said strings.Builder
	cmd := exec.CommandContext(m.t.Context(), program, args...)
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		m.t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, &said)
	}
	return string(out)
}

// TestTwoMachines is a farm of two machines on a network, with one disk by the same path.
func TestTwoMachines(t *testing.T) {
	network, err := rig.NewNetwork(t.Context(), "master", "worker")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := network.Close(); err != nil {
			t.Error(err)
		}
	})
	shared, jobs := t.TempDir(), t.TempDir()
	o := rig.Options{Network: network, Bind: []string{shared + ":/srv/farm", jobs + ":/var/lib/olive/jobs"}}
	m, w := start(t, "master", o), start(t, "worker", o)
	for _, each := range []*machine{m, w} {
		each.do("dpkg", "-i", deb(older))
		each.do("sh", "-c", "echo '10.77.48.1 master' >>/etc/hosts")
	}
	m.want("number of the account", w.do("id", "-u", "olive"), m.do("id", "-u", "olive"))
	m.do("cp", "-r", "/sample", "/srv/farm/project")
	m.do("chown", "-R", "olive:olive", "/srv/farm")
	m.do("mkdir", "-p", "/etc/systemd/system/olive-master.service.d")
	m.do("sh", "-c", `printf '[Service]\nReadWritePaths=/srv/farm\n' >/etc/systemd/system/olive-master.service.d/films.conf; systemctl daemon-reload`)
	m.do("systemctl", "enable", "--now", "olive-master")

	line := strings.Fields(m.do("olivectl", "worker", "add", "w1"))
	if want := "olivectl join master:7480 --token"; strings.Join(line[:len(line)-1], " ") != want {
		t.Fatalf("worker add printed %q, want %q", line, want)
	}
	w.do(line...)
	w.do("systemctl", "enable", "--now", "olive-worker")

	m.do("olivectl", "submit", "--preset", "lossless", "--frames", "0:240", "--split", "2", "-o", "/srv/farm/film.mkv", "/srv/farm/project/demo.ove")
	busy := false
	m.until("frames in the worker's status", func() bool {
		busy = busy || strings.HasPrefix(w.property("olive-worker", "StatusText"), "renders ")
		j, err := m.job(1)
		return err == nil && (busy || j.State != "running")
	})
	if !busy {
		t.Error("the worker's status never told of work")
	}
	m.film(1)
	if _, err := os.Stat(shared + "/film.mkv"); err != nil {
		t.Error(err)
	}
}
