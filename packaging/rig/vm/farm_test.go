package vm_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"olive-distributed/daemon/farm"
	"olive-distributed/packaging/rig/vm"
)

// project is one whose medium lies elsewhere on the master. It is small, for every frame is drawn by an emulated
// processor, and no two frames that follow each other are alike.
const project = `<project><version>190219</version><url>p.ove</url><folders/><media>
<footage id="1" folder="0" name="m" url="/srv/media/still.png" duration="0" using_inout="0" in="0" out="0" speed="1" alphapremul="0" startnumber="0" proxy="0" proxypath=""><video id="0" width="64" height="48" framerate="0" infinite="1"/></footage>
</media><sequences>
<sequence id="1" folder="0" name="S" width="64" height="48" framerate="30" afreq="48000" alayout="3" open="1">
<clip id="1" enabled="1" name="m" clipin="0" in="0" out="60" track="-1" speed="1" type="0" media="1" stream="0"><linked/><opening length="30" name="/Cross Dissolve" enabled="1"/><closing length="30" name="/Cross Dissolve" enabled="1"/></clip>
</sequence></sequences></project>
`

// makeProject puts the project and its medium into the files, and returns the frames of the film as this machine's
// own processor draws them.
func makeProject(t *testing.T) string {
	t.Helper()
	folder := t.TempDir() + "/reference"
	film := folder + "/film.mkv"
	local := strings.ReplaceAll(project, "/srv/media/", "")
	for _, step := range []func() error{
		func() error { return os.MkdirAll(files+"/project", 0o755) },
		func() error { return os.Mkdir(folder, 0o755) },
		func() error { return os.WriteFile(files+"/project/p.ove", []byte(project), 0o644) },
		func() error { return os.WriteFile(folder+"/p.ove", []byte(local), 0o644) },
		host("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=64x48", "-frames:v", "1", files+"/project/still.png"),
		host("cp", files+"/project/still.png", folder),
		host("go", "run", "../../../cmd/olivectl", "export", "--local", "--preset", "lossless", "-o", film, folder+"/p.ove"),
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.CommandContext(t.Context(), "ffmpeg", frameSums(film)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return sums(string(out))
}

func host(args ...string) func() error {
	return func() error {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
		}
		return nil
	}
}

func frameSums(film string) []string {
	return []string{"-v", "error", "-i", film, "-map", "0:v", "-f", "framemd5", "-"}
}

// sums are the last column of what frameSums prints.
func sums(out string) string {
	var all []string
	for line := range strings.Lines(out) {
		if words := strings.Fields(line); len(words) > 0 && !strings.HasPrefix(line, "#") {
			all = append(all, words[len(words)-1])
		}
	}
	return strings.Join(all, "\n")
}

// TestFarm is a master and workers, each a machine of its own, with nothing in common but a wire. Emulated
// processors are slow: the master's restart and the loss of a worker belong to the nightly form,
// OLIVE_CYCLES=1 go test -run TestFarm -timeout 40m ./packaging/rig/vm
func TestFarm(t *testing.T) {
	began := time.Now()
	phase := func(what string) { t.Logf("%s after %v", what, time.Since(began).Round(time.Second)) }
	want := makeProject(t)
	n := network(t)
	m := start(t, "master", vm.Options{Network: n, Number: 1, Files: files})
	m.install()
	m.sh(`useradd -G olive anna; mkdir /srv/media; cp /rig/project/still.png /srv/media
printf %s "$1" >/usr/local/bin/ffmpeg; chmod 755 /usr/local/bin/ffmpeg
systemctl enable --now olive-master`, fewEncoders)
	phase("the master is there")
	w := m.worker(n, "w1", 2)
	phase("the first worker is there")

	m.sh(`runuser -u anna -- cp /rig/project/p.ove /var/spool/olive/incoming/p.part
runuser -u anna -- mv /var/spool/olive/incoming/p.part /var/spool/olive/incoming/p.ove`)
	m.done(1)
	phase("the dropped project is a film")
	m.want("frames of the dropped project", fmt.Sprint(len(strings.Fields(m.frames(1)))), "60")
	m.says("what the worker had mounted", w.sh(`journalctl --no-pager -u 'run-olive-mounts-*' -o cat`), "Mounted")
	w.onlyRootRidesTheWire()

	nightly := os.Getenv("OLIVE_CYCLES") != ""
	m.submit(2)
	if nightly {
		m.completed(2, 2)
		m.do("systemctl", "restart", "olive-master")
	}
	m.done(2)
	m.film(2, want)
	phase("a film of many ranges, the master restarted meanwhile: " + strconv.FormatBool(nightly))
	if nightly {
		m.losesAWorker(n, w, want)
	}
}

// losesAWorker powers one off in the middle of whatever it is at; another one makes the film.
func (m *machine) losesAWorker(n *vm.Network, w *machine, want string) {
	m.t.Helper()
	m.submit(3)
	m.completed(3, 1)
	w2 := m.worker(n, "w2", 3)
	if err := w.Stop(); err != nil {
		m.t.Fatal(err)
	}
	m.done(3)
	m.film(3, want)
	m.says("what the second worker had mounted", w2.sh(`journalctl --no-pager -u 'run-olive-mounts-*' -o cat`), "Mounted")
}

// fewEncoders stands before ffmpeg: trying the encoders that nothing here uses, and measuring the
// speed, would take an emulated processor many minutes.
const fewEncoders = `#!/bin/sh
case "$*" in *libx265* | *libsvtav1* | *prores_ks* | *libvpx* | *1920x1080*) exit 1 ;; esac
exec /usr/bin/ffmpeg "$@"
`

// worker makes a machine a worker of this one.
func (m *machine) worker(n *vm.Network, name string, number int) *machine {
	m.t.Helper()
	w := start(m.t, name, vm.Options{Network: n, Number: number, Files: files})
	w.install()
	w.sh(`useradd anna; echo '10.77.49.1 master' >>/etc/hosts; printf %s "$1" >/usr/local/bin/ffmpeg; chmod 755 /usr/local/bin/ffmpeg`, fewEncoders)
	w.do(strings.Fields(m.do("olivectl", "worker", "add", name))...)
	w.do("systemctl", "enable", "--now", "olive-worker")
	return w
}

// onlyRootRidesTheWire has another user try the port and the helper.
func (m *machine) onlyRootRidesTheWire() {
	m.t.Helper()
	m.want("bytes that anna gets", m.do("runuser", "-u", "anna", "--", "timeout", "60", "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/7481; head -c1 <&3 | wc -c"), "0")
	m.says("Mount by anna", m.mounter("anna", "Mount", "film"), "org.freedesktop.DBus.Error.AccessDenied")
}

// submit gives the master a job of many ranges.
func (m *machine) submit(id int) {
	m.t.Helper()
	m.do("runuser", "-u", "anna", "--", "olivectl", "submit", "--preset", "lossless", "--split", "10", "-o", fmt.Sprintf("/var/spool/olive/outgoing/film%d.mkv", id), "/rig/project/p.ove")
}

// A listedJob is what "olivectl show --json" says of a job.
type listedJob struct {
	State  farm.State `json:"state"`
	Error  string     `json:"error"`
	Output string     `json:"output"`
	Ranges []struct {
		State farm.State `json:"state"`
	} `json:"ranges"`
}

// job asks for a job of the farm. While the master starts there is no answer.
func (m *machine) job(id int) (listedJob, error) {
	var j listedJob
	out, err := m.Run(m.t.Context(), "olivectl", "show", "--json", fmt.Sprint(id))
	if err == nil {
		err = json.Unmarshal([]byte(out), &j)
	}
	return j, err
}

// completed waits until so many ranges are completed, in a job that still runs.
func (m *machine) completed(id, count int) {
	m.t.Helper()
	m.until(fmt.Sprintf("%d ranges of job %d", count, id), func() bool {
		j, err := m.job(id)
		if err != nil {
			return false
		}
		n := 0
		for _, r := range j.Ranges {
			if r.State == farm.Completed {
				n++
			}
		}
		if j.State == farm.Done || j.State == farm.Failed {
			m.t.Fatalf("job %d is %s already: %s", id, j.State, j.Error)
		}
		return n >= count
	})
}

func (m *machine) done(id int) {
	m.t.Helper()
	var j listedJob
	m.until(fmt.Sprintf("job %d", id), func() bool {
		var err error
		j, err = m.job(id)
		return err == nil && (j.State == farm.Done || j.State == farm.Failed)
	})
	if j.State != farm.Done {
		m.t.Fatalf("job %d is %s: %s", id, j.State, j.Error)
	}
}

// frames are the sums of the frames of a job's film.
func (m *machine) frames(id int) string {
	m.t.Helper()
	j, err := m.job(id)
	if err != nil {
		m.t.Fatal(err)
	}
	return sums(m.do(append([]string{"ffmpeg"}, frameSums(j.Output)...)...))
}

// film compares the frames of a job's film.
func (m *machine) film(id int, want string) {
	m.t.Helper()
	if got := m.frames(id); got != want {
		m.t.Errorf("the frames of job %d are not those of this machine: got\n%s\nwant\n%s", id, got, want)
	}
}
