package vm_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"olive-distributed/dbus"
	"olive-distributed/packaging/rig/vm"
)

// project is one whose medium lies elsewhere on the master. It is small, for every frame is drawn by an emulated
// processor, and no two frames that follow each other are alike.
const project = `<project><version>190219</version><url>p.ove</url><folders/><media>
<footage id="1" folder="0" name="m" url="/srv/media/still.png" duration="0" using_inout="0" in="0" out="0" speed="1" alphapremul="0" startnumber="0" proxy="0" proxypath=""><video id="0" width="64" height="48" framerate="0" infinite="1"/></footage>
</media><sequences>
<sequence id="1" folder="0" name="S" width="64" height="48" framerate="30" afreq="48000" alayout="3" open="1">
<clip id="1" enabled="1" name="m" clipin="0" in="0" out="40" track="-1" speed="1" type="0" media="1" stream="0"><linked/><opening length="20" name="/Cross Dissolve" enabled="1"/><closing length="20" name="/Cross Dissolve" enabled="1"/></clip>
</sequence></sequences></project>
`

const frames = 40 // of the project

// makeProject makes a folder of the project and its medium.
func makeProject(folder string) error {
	for _, step := range []func() error{
		func() error { return os.Mkdir(folder, 0o755) },
		func() error { return os.WriteFile(folder+"/p.ove", []byte(project), 0o644) },
		host("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=64x48", "-frames:v", "1", folder+"/still.png"),
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// reference has the sums of the film's frames as this machine's own processor draws them, by preset.
var reference = map[string]string{"h264": "", "lossless": ""}

// makeReference has olivectl export the project of a folder, in a copy of it.
func makeReference(olivectl, folder, local string) error {
	if err := host("cp", "-r", folder, local)(); err != nil {
		return err
	}
	near := strings.ReplaceAll(project, "/srv/media/", "")
	if err := os.WriteFile(local+"/p.ove", []byte(near), 0o644); err != nil {
		return err
	}
	for preset := range reference {
		film := local + "/" + preset + ".mkv"
		if err := host(olivectl, "export", "--local", "--preset", preset, "-o", film, local+"/p.ove")(); err != nil {
			return err
		}
		out, err := exec.Command("ffmpeg", frameSums(film)...).Output()
		if err != nil {
			return fmt.Errorf("decode %s: %w", film, err)
		}
		reference[preset] = sums(string(out))
		if n := len(strings.Fields(reference[preset])); n != frames {
			return fmt.Errorf("%s has %d frames, want %d", film, n, frames)
		}
	}
	return nil
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

// A vmFarm is a master and workers, each a machine of its own, with nothing in common but a wire.
type vmFarm struct {
	*machine // the master
	wire     *vm.Network
	began    time.Time
	jobs     int // so many were given to it
}

// TestFarm is the story of a farm: a project that is dropped, who may not use the wire, a job that outlives the master's
// restart and a worker's power, and a worker that is thrown out. What needs minutes of waiting is the nightly form:
// OLIVE_CYCLES=1 go test -run TestFarm -timeout 40m ./packaging/rig/vm
func TestFarm(t *testing.T) {
	t.Parallel()
	f := &vmFarm{wire: network(t), began: time.Now(), jobs: 1}
	f.machine = start(t, "master", vm.Options{Network: f.wire, Number: 1})
	// Where all machines are slow, 5 seconds of silence mean nothing.
	f.sh(`mkdir /srv/media; cp /rig/project/still.png /srv/media
sed -i 's/^# lease_timeout = .*/lease_timeout = "15s"/' /etc/olive/master.toml
systemctl enable --quiet olive-master; systemctl start --no-block olive-master`)
	w1 := f.worker("w1", 2, "")
	w2 := f.worker("w2", 3, "libx264") // which is slow to try out
	f.phase("there are a master and two workers")

	f.sh(`runuser -u anna -- cp /rig/project/p.ove /var/spool/olive/incoming/p.part
runuser -u anna -- mv /var/spool/olive/incoming/p.part /var/spool/olive/incoming/p.ove`)
	f.done(1)
	f.film("/var/spool/olive/outgoing/p.mp4", "h264")
	w1.mounted()
	f.phase("the dropped project is a film")
	w1.onlyRootRidesTheWire()
	f.phase("others have been refused")

	id := f.submit()
	f.journal("rendered by w", fmt.Sprintf("OLIVE_JOB=%d", id))
	f.do("systemctl", "restart", "olive-master")
	f.phase("the master was restarted in mid-job")
	f.until("w1 to be at it", func() bool { return f.state("w1") == dbus.Rendering })
	if err := w1.Stop(); err != nil {
		t.Fatal(err)
	}
	f.phase("w1 has no power")
	f.done(id)
	f.film(film(id), "lossless")
	f.says("what became of w1", f.sh("journalctl --no-pager -o cat -u olive-master"), "worker w1 is silent")
	w2.mounted()
	f.phase("w2 has finished the job")

	if os.Getenv("OLIVE_CYCLES") != "" {
		f.cut(w2)
	}
	f.revoke(w2)
	f.phase("w2 was thrown out")
}

func (f *vmFarm) phase(what string) {
	f.t.Logf("%s after %v", what, time.Since(f.began).Round(time.Second))
}

// worker makes a machine a worker that refuses an encoder.
func (f *vmFarm) worker(name string, number int, refuses string) *machine {
	f.t.Helper()
	w := start(f.t, name, vm.Options{Network: f.wire, Number: number})
	w.sh(`echo '10.77.49.1 master' >>/etc/hosts; echo "$1" >/etc/no-encoders`, refuses)
	f.do("systemctl", "start", "olive-master")
	w.do(strings.Fields(f.do("olivectl", "worker", "add", name))...)
	w.sh("systemctl enable --quiet olive-worker; systemctl start --no-block olive-worker")
	return w
}

// mounted looks whether the worker had a job's files from the master.
func (m *machine) mounted() {
	m.t.Helper()
	m.says("what it had mounted", m.sh(`journalctl --no-pager -u 'run-olive-mounts-*' -o cat`), "Mounted")
}

// call is a NULL call of NFS in one fragment, RFC 5531, 9 and 11, and RFC 1813, 3.3.0: whoever gets in gets an answer.
const call = `\200\0\0\050\0\0\0\1\0\0\0\0\0\0\0\2\0\1\206\243\0\0\0\3\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0`

// onlyRootRidesTheWire has another user try the port and the helper.
func (m *machine) onlyRootRidesTheWire() {
	m.t.Helper()
	m.want("bytes that bert gets", m.do("runuser", "-u", "bert", "--", "timeout", "60", "bash", "-c",
		`exec 3<>/dev/tcp/127.0.0.1/7481; printf "$1" >&3; head -c1 <&3 | wc -c`, "call", call), "0")
	m.says("Mount by bert", m.mounter("bert", "Mount", "film"), "org.freedesktop.DBus.Error.AccessDenied")
}

// submit gives the master a job of four ranges, and returns its number.
func (f *vmFarm) submit() int {
	f.t.Helper()
	f.jobs++
	f.do("runuser", "-u", "anna", "--", "olivectl", "submit", "--preset", "lossless", "--split", "4", "-o", film(f.jobs), "/rig/project/p.ove")
	return f.jobs
}

func film(job int) string { return fmt.Sprintf("/var/spool/olive/outgoing/film%d.mkv", job) }

// state is a worker's state; while the master starts there is none.
func (f *vmFarm) state(worker string) string {
	out, err := f.Run(f.t.Context(), "busctl", "get-property", "org.olive.Master1", "/org/olive/Master1/worker/"+worker, "org.olive.Master1.Worker", "State")
	if err != nil {
		return ""
	}
	return strings.Trim(out, "s \"\n")
}

// journal waits until something is said, and returns it. To ask again and again costs more: each start of a program.
func (f *vmFarm) journal(text string, match ...string) string {
	f.t.Helper()
	script := `grep -m1 -e "$0" <(exec journalctl -f -n all -o cat "$@" 2>/dev/null)`
	return f.do(append([]string{"timeout", fmt.Sprint(patience.Seconds()), "bash", "-c", script, text}, match...)...)
}

// done waits for the end of a job, of which the journal tells by these numbers of units/catalog.
func (f *vmFarm) done(id int) {
	f.t.Helper()
	const done, failed = "MESSAGE_ID=5f3d1f0c8b6e4c6f9d0a1e7a54c2b902", "MESSAGE_ID=5f3d1f0c8b6e4c6f9d0a1e7a54c2b903"
	if line := f.journal("", done, failed, fmt.Sprintf("OLIVE_JOB=%d", id)); !strings.Contains(line, "is ready") {
		f.t.Fatalf("job %d: %s", id, line)
	}
}

// film compares the frames of a film.
func (f *vmFarm) film(path, preset string) {
	f.t.Helper()
	if got := sums(f.do(append([]string{"ffmpeg"}, frameSums(path)...)...)); got != reference[preset] {
		f.t.Errorf("the frames of %s are not those of this machine: got\n%s\nwant\n%s", path, got, reference[preset])
	}
}

// cut takes the wire away for a minute, in the middle of a job. The only worker goes on after it.
func (f *vmFarm) cut(w *machine) {
	f.t.Helper()
	id := f.submit()
	f.journal("rendered by "+w.Name, fmt.Sprintf("OLIVE_JOB=%d", id))
	f.until(w.Name+" to be at it", func() bool { return f.state(w.Name) == dbus.Rendering })
	f.wire.Cut(true)
	f.do("sleep", "60")
	f.wire.Cut(false)
	f.done(id)
	f.film(film(id), "lossless")
	f.phase("the wire was cut for a minute")
}

// revoke ends a worker's certificate while it has files open: what it could read a moment ago is out of its reach.
func (f *vmFarm) revoke(w *machine) {
	f.t.Helper()
	mount := fmt.Sprintf("/run/olive/mounts/job-%d", f.submit())
	w.until("the job's mount", func() bool { return strings.Contains(w.mounts(), mount+" ") })
	project := mount + "/project.ove"
	read := []string{"timeout", "-s", "KILL", "10", "dd", "iflag=direct", "bs=64k", "of=/dev/null", "if=" + project}
	w.do(read...)
	f.do("olivectl", "worker", "revoke", w.Name)
	if _, err := w.Run(f.t.Context(), read...); err == nil {
		f.t.Error("w2 still reads " + project)
	}
	f.says("olivectl workers", f.do("olivectl", "workers"), "revoked")
}
