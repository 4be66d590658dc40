package rig_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"olive-distributed/packaging/rig"
)

// shortProject shows the sample's film for some frames.
func shortProject(frames int) string {
	return fmt.Sprintf(`<project><version>190219</version><url>p.ove</url><folders/><media>
<footage id="1" folder="0" name="fractal.mp4" url="fractal.mp4" duration="7000000" using_inout="0" in="0" out="0" speed="1" alphapremul="0" startnumber="0" proxy="0" proxypath=""><video id="0" width="1280" height="720" framerate="30" infinite="0"/></footage></media><sequences>
<sequence id="1" folder="0" name="S" width="320" height="180" framerate="30" afreq="48000" alayout="3" open="1">
<clip id="1" enabled="1" name="c" clipin="0" in="0" out="%d" track="-1" speed="1" type="0" media="1" stream="0"><linked/></clip></sequence></sequences></project>`, frames)
}

// TestAUsersStory is what README promises to users of the hot folder, on a machine that was set up as it says.
func TestAUsersStory(t *testing.T) {
	m := start(t, "story", rig.Options{})
	m.do("apt-get", "install", "--yes", deb(older))
	for _, name := range []string{"anna", "bert"} {
		m.do("useradd", "--create-home", "--groups", "olive", name)
	}
	m.do("useradd", "--create-home", "carl")
	m.busStartsTheMaster()
	m.do("systemctl", "enable", "--now", "olive-master")
	m.joinOverTheBus("w1")
	m.do("systemctl", "enable", "--now", "olive-worker")
	m.until("the worker's status", func() bool { return m.property("olive-worker", "StatusText") == "waits for work" })

	m.copies()
	m.reloads()
	m.drains()
	m.mistakes()
	m.journal()
}

const masterName = "org.olive.Master1"

// call calls the master's manager and returns what busctl prints.
func (m *machine) call(user, method string, args ...string) (string, error) {
	return m.Run(m.t.Context(), append([]string{"runuser", "-u", user, "--", "busctl", "--json=short", "call", masterName, "/org/olive/Master1", "org.olive.Master1.Manager", method}, args...)...)
}

// busStartsTheMaster asks for a master that does not run.
func (m *machine) busStartsTheMaster() {
	m.t.Helper()
	m.want("state", m.property("olive-master", "ActiveState"), "inactive")
	if out, err := m.call("carl", "ListJobs"); err != nil || !strings.Contains(out, "[]") {
		m.t.Fatalf("a call to a master that does not run: %s, %v", out, err)
	}
	m.want("state after a call", m.property("olive-master", "ActiveState"), "active")
}

// joinOverTheBus makes this machine a worker.
func (m *machine) joinOverTheBus(name string) {
	m.t.Helper()
	if out, err := m.call("anna", "CreateToken", "sa{sv}", name, "0"); err == nil {
		m.t.Errorf("a user makes a token: %s", out)
	}
	out, err := m.call("root", "CreateToken", "sa{sv}", name, "0")
	var answer struct{ Data []string }
	if err == nil {
		err = json.Unmarshal([]byte(out), &answer)
	}
	if err != nil || len(answer.Data) != 2 {
		m.t.Fatalf("CreateToken: %s, %v", out, err)
	}
	m.do("olivectl", "join", "localhost:7480", "--token", answer.Data[0])
}

// put writes a file of a user.
func (m *machine) put(user, path, text string) {
	m.t.Helper()
	if _, err := m.Feed(m.t.Context(), []byte(text), "runuser", "-u", user, "--", "tee", path); err != nil {
		m.t.Fatal(err)
	}
}

// copies drops projects as people do: with each umask, alone and as a folder with media.
func (m *machine) copies() {
	m.t.Helper()
	for _, umask := range []string{"022", "077"} {
		m.do("install", "-d", "-o", "anna", "/srv/media"+umask)
		m.do("install", "-o", "anna", "-m", "644", "/sample/fractal.mp4", "/srv/media"+umask)
		name := "alone" + umask
		m.put("anna", "/srv/media"+umask+"/"+name+".ove", strings.Replace(shortProject(150), `url="fractal.mp4"`, `url="/srv/media`+umask+`/fractal.mp4"`, 1))
		m.as("anna", "sh", "-c", "umask "+umask+"; cp /srv/media"+umask+"/"+name+".ove /var/spool/olive/incoming/")
		busy := false
		m.until("the film of "+name, func() bool {
			busy = busy || strings.HasPrefix(m.property("olive-master", "StatusText"), "1 jobs running")
			return m.exists("/var/spool/olive/done/" + name + ".ove.log")
		})
		if !busy {
			m.t.Errorf("the status never told of the job of %s", name)
		}
		m.exported("anna", name, "alone"+umask+".ove")
	}
	// A folder of somebody else, in which the group may write: it can be put away.
	m.do("install", "-d", "-o", "bert", "/srv/bert/trip")
	m.do("install", "-o", "bert", "-m", "644", "/sample/fractal.mp4", "/srv/bert/trip")
	m.put("bert", "/srv/bert/trip/trip.ove", shortProject(60))
	m.as("bert", "sh", "-c", "umask 002; cp -r --no-preserve=mode /srv/bert/trip /var/spool/olive/incoming/")
	m.until("the film of trip", func() bool { return m.exists("/var/spool/olive/done/trip.log") })
	m.exported("bert", "trip", "trip")
	if !m.exists("/var/spool/olive/done/trip/fractal.mp4") {
		m.t.Error("the medium has not gone with its folder")
	}
}

// exported looks at what a user finds.
func (m *machine) exported(user, film, project string) {
	m.t.Helper()
	log := m.as(user, "cat", "/var/spool/olive/done/"+project+".log")
	for _, want := range []string{"Result:  exported", "Owner:   " + user, "/var/spool/olive/outgoing/" + film + ".mp4"} {
		if !strings.Contains(log, want) {
			m.t.Errorf("the log of %s does not say %q:\n%s", project, want, log)
		}
	}
	m.as(user, "ffprobe", "-v", "error", "/var/spool/olive/outgoing/"+film+".mp4")
	m.as(user, "test", "-e", "/var/spool/olive/done/"+project)
	m.as(user, "mv", "/var/spool/olive/outgoing/"+film+".mp4", "/home/"+user+"/")
}

// reloads has the settings read again, while the worker stays.
func (m *machine) reloads() {
	m.t.Helper()
	pid, seen := m.property("olive-master", "MainPID"), m.property("olive-worker", "MainPID")
	m.do("sed", "-i", "s/^# days = 30/days = \"3\"/", "/etc/olive/master.toml")
	if _, err := m.Run(m.t.Context(), "systemctl", "reload", "olive-master"); err == nil {
		m.t.Error("wrong settings were read again")
	}
	if said := m.do("journalctl", "--quiet", "-o", "cat", "-u", "olive-master", "-n", "20"); !strings.Contains(said, "could not be read again") || !strings.Contains(said, "master.toml:") {
		m.t.Errorf("the journal does not say why the settings could not be read again:\n%s", said)
	}
	m.do("sed", "-i", "s/^days = \"3\"/days = 3/", "/etc/olive/master.toml")
	m.do("systemctl", "reload", "olive-master")
	m.want("process after a reload", m.property("olive-master", "MainPID"), pid)
	m.want("worker after a reload", m.property("olive-worker", "MainPID"), seen)
	if out, err := m.call("carl", "ListWorkers"); err != nil || !strings.Contains(out, `"waiting"`) {
		m.t.Errorf("the worker after a reload: %s, %v", out, err)
	}
	lost, _ := m.Run(m.t.Context(), "journalctl", "--quiet", "-o", "cat", "MESSAGE_ID=5f3d1f0c8b6e4c6f9d0a1e7a54c2b907")
	m.want("lost workers", lost, "")
}

// drains takes the worker out and puts it back.
func (m *machine) drains() {
	m.t.Helper()
	command := func(user, method string) error {
		_, err := m.Run(m.t.Context(), "runuser", "-u", user, "--", "busctl", "call", masterName, "/org/olive/Master1/worker/w1", "org.olive.Master1.Worker", method)
		return err
	}
	state := func(want string) {
		m.until("a worker that is "+want, func() bool {
			return strings.Contains(m.do("busctl", "get-property", masterName, "/org/olive/Master1/worker/w1", "org.olive.Master1.Worker", "State"), want)
		})
	}
	if command("carl", "Drain") == nil {
		m.t.Error("somebody drains a worker")
	}
	if err := command("anna", "Drain"); err != nil {
		m.t.Fatal(err)
	}
	state("drained")
	m.until("the worker's own word for it", func() bool {
		return strings.HasPrefix(m.property("olive-worker", "StatusText"), "is drained by its master")
	})
	m.do("systemctl", "kill", "--kill-who=main", "--signal=KILL", "olive-master") // it lasts
	m.until("the master again", func() bool { _, err := m.call("carl", "ListJobs"); return err == nil })
	state("drained")
	if err := command("anna", "Resume"); err != nil {
		m.t.Fatal(err)
	}
	state("waiting")
}

// mistakes are dropped, and explained.
func (m *machine) mistakes() {
	m.t.Helper()
	m.put("anna", "/home/anna/lost.ove", shortProject(30)) // its medium is not there
	m.as("anna", "sh", "-c", "cp /home/anna/lost.ove /var/spool/olive/incoming/")
	m.as("anna", "ln", "-s", "/etc/shadow", "/var/spool/olive/incoming/link.ove")
	for name, want := range map[string]string{"lost.ove": "fractal.mp4", "link.ove": "a symbolic link"} {
		m.until("the log of "+name, func() bool { return m.exists("/var/spool/olive/failed/" + name + ".log") })
		log := m.as("anna", "cat", "/var/spool/olive/failed/"+name+".log")
		if !strings.Contains(log, want) || !strings.Contains(log, "What to do:") {
			m.t.Errorf("the log of %s says\n%s", name, log)
		}
		m.t.Logf("%s:\n%s", name, log)
	}
}

// journal tells a job's story to a member of the group of the journal's readers.
func (m *machine) journal() {
	m.t.Helper()
	story := m.do("journalctl", "--quiet", "-o", "short", "OLIVE_JOB=1")
	m.t.Logf("the story of job 1:\n%s", story)
	for _, want := range []string{"alone022.ove", "frames 0 to", "rendered by w1", "is ready", "/var/spool/olive/outgoing/alone022.mp4"} {
		if !strings.Contains(story, want) {
			m.t.Errorf("the story of job 1 does not tell %q", want)
		}
	}
}
