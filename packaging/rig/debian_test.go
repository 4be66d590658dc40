package rig_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"olive-distributed/packaging/rig"
)

var units = []string{"olive-master.service", "olive-master.socket", "olive-master.path", "olive-worker.service", "olive.target"}

// TestDebianPackage is the life of a .deb on one machine: master and worker, jobs in all that happens to them.
func TestDebianPackage(t *testing.T) {
	m := start(t, "debian", rig.Options{})
	m.do("dpkg", "-i", deb(older))
	m.installed()
	m.do("useradd", "--create-home", "--groups", "olive", "anna")
	m.doorsStartTheMaster()
	m.crash()
	m.jobGoesOn(1, "kill -9 of the master", func() { m.do("systemctl", "kill", "--kill-who=main", "--signal=KILL", "olive-master") })
	m.jobGoesOn(2, "an upgrade", m.upgrade)
	m.tellsItsStory(2)
	m.jobGoesOn(3, "removal and a new installation", m.removeAndInstall)
	m.purge()
}

// installed looks at what a fresh installation leaves alone, and at the units.
func (m *machine) installed() {
	m.t.Helper()
	for _, u := range units {
		state, _ := m.Run(m.t.Context(), "systemctl", "is-enabled", u) // its exit code says no more
		m.want("is-enabled "+u, strings.TrimSpace(state), "disabled")
		m.want("state of "+u, m.property(u, "ActiveState"), "inactive")
		m.want("verify "+u, m.do("sh", "-c", "systemd-analyze verify --man=no "+u+" 2>&1"), "")
	}
	m.want("hot folder", m.do("stat", "-c", "%A %U %G", "/var/spool/olive/incoming"), "drwxrws--T olive olive")
	m.want("account", m.do("sh", "-c", "getent passwd olive | cut -d: -f6,7"), "/var/lib/olive:/usr/sbin/nologin")
	m.want("password", m.do("sh", "-c", "getent shadow olive | cut -d: -f2"), "!*")
	m.want("configuration files", m.do("dpkg-query", "-W", "-f", "${Conffiles}", "olive-distributed"),
		" /etc/olive/master.toml "+m.sum("/etc/olive/master.toml")+"\n /etc/olive/mounter.toml "+m.sum("/etc/olive/mounter.toml")+
			"\n /etc/olive/worker.toml "+m.sum("/etc/olive/worker.toml"))
}

func (m *machine) sum(path string) string { return strings.Fields(m.do("md5sum", path))[0] }

// doorsStartTheMaster tries each door: systemctl, a TLS client at the port, a project in the hot folder.
func (m *machine) doorsStartTheMaster() {
	m.t.Helper()
	m.do("systemctl", "enable", "--now", "olive-master")
	m.want("state", m.property("olive-master", "ActiveState"), "active")
	m.until("its status", func() bool { return strings.HasPrefix(m.property("olive-master", "StatusText"), "0 jobs running") })
	m.want("watchdog", m.property("olive-master", "WatchdogUSec"), "1min")

	invitation := strings.Fields(m.do("olivectl", "worker", "add", "w1"))
	m.do("systemctl", "stop", "olive-master")
	m.want("state", m.property("olive-master", "ActiveState"), "inactive")
	invitation[2] = "localhost:7480" // the container has no names
	m.do(invitation...)
	m.active("olive-master", "active")
	m.want("owner of the key", m.do("sh", "-c", "stat -c %U /var/lib/olive-worker/* | sort -u"), "olive")

	m.do("systemctl", "stop", "olive-master")
	m.as("anna", "cp", "/sample/demo.ove", "/var/spool/olive/incoming/dropped.part")
	m.as("anna", "mv", "/var/spool/olive/incoming/dropped.part", "/var/spool/olive/incoming/dropped.ove")
	m.active("olive-master", "active")
	m.do("sh", "-c", "rm -rf /var/spool/olive/incoming/* /var/spool/olive/processing/*")

	m.do("sed", "-i", "1i threads = 1", "/etc/olive/worker.toml") // so that jobs take their time
	m.do("systemctl", "enable", "--now", "olive-worker")
	m.until("the worker's status", func() bool { return m.property("olive-worker", "StatusText") == "waits for work" })
}

// crash kills each daemon, systemd starts it again; and the target ends them all.
func (m *machine) crash() {
	m.t.Helper()
	for _, u := range []string{"olive-master", "olive-worker"} {
		before := m.property(u, "MainPID")
		m.do("systemctl", "kill", "--kill-who=main", "--signal=KILL", u)
		m.until(u+" again", func() bool {
			return m.property(u, "ActiveState") == "active" && m.property(u, "MainPID") != before
		})
		m.until("the restart of "+u, func() bool { return m.property(u, "NRestarts") == "1" })
	}
	m.do("systemctl", "stop", "olive.target")
	for _, u := range units {
		m.active(u, "inactive")
	}
	m.do("systemctl", "start", "olive-master", "olive-worker")
}

// jobGoesOn submits a job, lets something happen when some of it is done, and waits for the film.
func (m *machine) jobGoesOn(id int, what string, happen func()) {
	m.t.Helper()
	m.do("cp", "-r", "/sample", fmt.Sprintf("/var/spool/olive/outgoing/project%d", id))
	m.do("chown", "-R", "anna:olive", fmt.Sprintf("/var/spool/olive/outgoing/project%d", id))
	film := fmt.Sprintf("/var/spool/olive/outgoing/film%d.mkv", id)
	m.do("olivectl", "submit", "--preset", "lossless", "--frames", "0:72", "--split", "6", "-o", film, fmt.Sprintf("/var/spool/olive/outgoing/project%d/demo.ove", id))
	m.completed(id, 2)
	m.running(id)
	m.t.Logf("job %d is in work: %s", id, what)
	happen()
	m.film(id)
}

// upgrade installs the next version over daemons that run.
func (m *machine) upgrade() {
	m.t.Helper()
	m.do("sh", "-c", "echo '# kept' >>/etc/olive/master.toml")
	master, worker := m.property("olive-master", "MainPID"), m.property("olive-worker", "MainPID")
	m.do("dpkg", "-i", deb(newer))
	m.want("version", m.do("dpkg-query", "-W", "-f", "${Version}", "olive-distributed"), newer+"-1")
	m.want("settings", m.do("tail", "-n1", "/etc/olive/master.toml"), "# kept")
	m.active("olive-master", "active")
	if m.property("olive-master", "MainPID") == master {
		m.t.Error("the old master goes on after an upgrade")
	}
	m.until("the new worker", func() bool {
		return m.property("olive-worker", "ActiveState") == "active" && m.property("olive-worker", "MainPID") != worker
	})
}

// tellsItsStory reads the journal by job, as the catalog tells people to.
func (m *machine) tellsItsStory(id int) {
	m.t.Helper()
	story := m.do("journalctl", "--catalog", fmt.Sprintf("OLIVE_JOB=%d", id))
	for _, want := range []string{fmt.Sprintf("Subject: Job %d was submitted", id), fmt.Sprintf("Subject: Job %d is done", id)} {
		if !strings.Contains(story, want) {
			m.t.Errorf("the journal of job %d does not say %q:\n%s", id, want, story)
		}
	}
}

// removeAndInstall removes the package in mid-job, and puts it back.
func (m *machine) removeAndInstall() {
	m.t.Helper()
	m.do("dpkg", "-r", "olive-distributed")
	left, _ := m.Run(m.t.Context(), "pgrep", "-l", "olive|ffmpeg") // finds nothing: exit code 1
	m.want("processes after removal", left, "")
	if !m.exists("/var/lib/olive/jobs") || !m.exists("/etc/olive/master.toml") {
		m.t.Error("removal takes the jobs or the settings away")
	}
	m.do("dpkg", "-i", deb(newer))
	m.do("systemctl", "start", "olive-master", "olive-worker")
}

// purge leaves users' files and the locked account, and when the users' files are gone nothing but the account.
func (m *machine) purge() {
	m.t.Helper()
	m.do("dpkg", "-P", "olive-distributed")
	left := m.do("sh", "-c", "ls -d /var/lib/olive* /var/cache/olive* /etc/olive /run/olive /etc/systemd/system/*/olive* 2>/dev/null || true")
	m.want("state after purge", left, "")
	if !m.exists("/var/spool/olive/outgoing/film1.mkv") {
		m.t.Error("purge takes a user's film away")
	}
	m.want("account after purge", m.do("sh", "-c", "getent shadow olive | cut -d: -f2"), "!*")

	m.do("sh", "-c", "rm -rf /var/spool/olive/*/*")
	m.do("dpkg", "-i", deb(newer))
	m.do("dpkg", "-P", "olive-distributed")
	if m.exists("/var/spool/olive") {
		m.t.Error("an empty hot folder stays after purge")
	}
}

// TestRPMScripts runs the .rpm's scripts: Debian's rpm lays out the files, the machine's shell runs the scripts.
func TestRPMScripts(t *testing.T) {
	m := start(t, "rpm", rig.Options{})
	m.rpmdb = t.TempDir()
	m.rpm("-i", older)
	m.script(older, "POSTIN", 1)
	for _, u := range units {
		state, _ := m.Run(m.t.Context(), "systemctl", "is-enabled", u)
		m.want("is-enabled "+u, strings.TrimSpace(state), "disabled")
	}
	m.do("systemctl", "enable", "--now", "olive-master")
	m.want("hot folder", m.do("stat", "-c", "%A %U %G", "/var/spool/olive/incoming"), "drwxrws--T olive olive")

	old := m.property("olive-master", "MainPID")
	m.do("sh", "-c", "echo '# kept' >>/etc/olive/master.toml")
	m.rpm("-U", newer)
	m.script(newer, "POSTIN", 2)
	m.script(older, "PREUN", 1)
	m.script(older, "POSTUN", 1)
	m.active("olive-master", "active")
	if m.property("olive-master", "MainPID") == old {
		t.Error("the old master goes on after an upgrade")
	}
	m.want("settings", m.do("tail", "-n1", "/etc/olive/master.toml"), "# kept")
	m.want("a worker that was not running", m.property("olive-worker", "ActiveState"), "inactive")

	m.script(newer, "PREUN", 0)
	for _, u := range units {
		m.want("state of "+u, m.property(u, "ActiveState"), "inactive")
	}
	m.rpm("-e", newer)
	m.script(newer, "POSTUN", 0)
	m.want("links after removal", m.do("sh", "-c", "ls -d /etc/systemd/system/*/olive* 2>/dev/null || true"), "")
	if m.exists("/usr/bin/olive-master") || !m.exists("/var/lib/olive/jobs") {
		t.Error("removal leaves the program, or takes the jobs away")
	}
}

func rpmFile(version string) string {
	return filepath.Join(packages, "olive-distributed-"+version+"-1.x86_64.rpm")
}

// rpm installs, upgrades or erases without scripts.
func (m *machine) rpm(action, version string) {
	m.t.Helper()
	what := rpmFile(version)
	if action == "-e" {
		what = "olive-distributed"
	}
	// The root is a link of /proc, and the database is looked for outside of it: there is one for each test.
	m.host("rpm", "--root", m.Root(), "--dbpath", m.rpmdb, action, "--nodeps", "--noscripts", what)
}

// script runs a package's script as rpm would.
func (m *machine) script(version, tag string, versions int) {
	m.t.Helper()
	text := m.host("rpm", "-qp", "--qf", "%{"+tag+"}", rpmFile(version))
	if strings.TrimSpace(text) == "(none)" || text == "" {
		m.t.Fatalf("the package has no %s", tag)
	}
	if _, err := m.Feed(m.t.Context(), []byte(text), "sh", "-s", fmt.Sprint(versions)); err != nil {
		m.t.Fatal(err)
	}
}
