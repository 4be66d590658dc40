package vm_test

import (
	"context"
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

// reference has the sums of the film's frames as this machine's own processor draws them, by preset.
var reference = map[string]string{"h264": "", "lossless": ""}

// makeProject puts the project and its medium into the files, and makes the reference.
func makeProject() error {
	folder := files + "/project"
	local := files + "-local"
	for _, step := range []func() error{
		func() error { return os.Mkdir(folder, 0o755) },
		func() error { return os.Mkdir(local, 0o755) },
		func() error { return os.WriteFile(folder+"/p.ove", []byte(project), 0o644) },
		func() error {
			return os.WriteFile(local+"/p.ove", []byte(strings.ReplaceAll(project, "/srv/media/", "")), 0o644)
		},
		host("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=64x48", "-frames:v", "1", folder+"/still.png"),
		host("cp", folder+"/still.png", local),
	} {
		if err := step(); err != nil {
			return err
		}
	}
	for preset := range reference {
		film := local + "/" + preset + ".mkv"
		if err := host("go", "run", "../../../cmd/olivectl", "export", "--local", "--preset", preset, "-o", film, local+"/p.ove")(); err != nil {
			return err
		}
		out, err := exec.Command("ffmpeg", frameSums(film)...).Output()
		if err != nil {
			return fmt.Errorf("decode %s: %w", film, err)
		}
		reference[preset] = sums(string(out))
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
}

// TestFarm is the story of a farm: a project that is dropped, who may not use the wire, a job that outlives the master's
// restart and a worker's power, and a worker that is thrown out. What needs minutes of waiting is the nightly form:
// OLIVE_CYCLES=1 go test -run TestFarm -timeout 40m ./packaging/rig/vm
func TestFarm(t *testing.T) {
	t.Parallel()
	f := &vmFarm{wire: network(t), began: time.Now()}
	f.machine = start(t, "master", vm.Options{Network: f.wire, Number: 1})
	f.sh(`mkdir /srv/media; cp /rig/project/still.png /srv/media
systemctl enable --quiet olive-master; systemctl start --no-block olive-master`)
	w1 := f.worker("w1", 2, "")
	w2 := f.worker("w2", 3, "libx264") // which is slow to try out
	f.phase("there are a master and two workers")

	f.sh(`runuser -u anna -- cp /rig/project/p.ove /var/spool/olive/incoming/p.part
runuser -u anna -- mv /var/spool/olive/incoming/p.part /var/spool/olive/incoming/p.ove`)
	f.until("the dropped project to be a job", func() bool { return f.knows(1) })
	f.done(1)
	f.film("/var/spool/olive/outgoing/p.mp4", "h264")
	w1.mounted()
	f.phase("the dropped project is a film")
	w1.onlyRootRidesTheWire()
	f.phase("others have been refused")

	f.submit(2)
	f.journal("OLIVE_JOB=2", "rendered by w")
	f.do("systemctl", "restart", "olive-master")
	f.phase("the master was restarted in mid-job")
	f.until("w1 to be at it", func() bool { return f.state("w1") == dbus.Rendering })
	if err := w1.Stop(); err != nil {
		t.Fatal(err)
	}
	f.phase("w1 has no power")
	f.done(2)
	f.film("/var/spool/olive/outgoing/film2.mkv", "lossless")
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

// submit gives the master a job of four ranges.
func (f *vmFarm) submit(id int) {
	f.t.Helper()
	f.do("runuser", "-u", "anna", "--", "olivectl", "submit", "--preset", "lossless", "--split", "4", "-o", fmt.Sprintf("/var/spool/olive/outgoing/film%d.mkv", id), "/rig/project/p.ove")
}

func (f *vmFarm) knows(id int) bool {
	_, err := f.Run(f.t.Context(), "busctl", "introspect", "org.olive.Master1", fmt.Sprintf("/org/olive/Master1/job/%d", id), "org.olive.Master1.Job")
	return err == nil
}

// state is a worker's state; while the master starts there is none.
func (f *vmFarm) state(worker string) string {
	out, err := f.Run(f.t.Context(), "busctl", "get-property", "org.olive.Master1", "/org/olive/Master1/worker/"+worker, "org.olive.Master1.Worker", "State")
	if err != nil {
		return ""
	}
	return strings.Trim(out, "s \"\n")
}

// journal waits until something is said. No program asks again and again: each start of one costs a second.
func (f *vmFarm) journal(match, text string) {
	f.t.Helper()
	f.do("timeout", fmt.Sprint(patience.Seconds()), "bash", "-c", `grep -qm1 "$2" <(exec journalctl -f -n all -o cat "$1" 2>/dev/null)`, "journal", match, text)
}

// done waits until a job is done.
func (f *vmFarm) done(id int) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	defer cancel()
	if out, err := f.Run(ctx, "olivectl", "watch", fmt.Sprint(id)); err != nil {
		f.t.Fatalf("job %d: %v\n%s", id, err, out)
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
	f.submit(3)
	f.journal("OLIVE_JOB=3", "rendered by "+w.Name)
	f.until(w.Name+" to be at it", func() bool { return f.state(w.Name) == dbus.Rendering })
	f.wire.Cut(true)
	f.do("sleep", "60")
	f.wire.Cut(false)
	f.done(3)
	f.film("/var/spool/olive/outgoing/film3.mkv", "lossless")
	f.phase("the wire was cut for a minute")
}

// revoke ends a worker's certificate while it has files open: what it could read a moment ago is out of its reach.
func (f *vmFarm) revoke(w *machine) {
	f.t.Helper()
	f.submit(4)
	w.until("a mount", func() bool { return w.mounts() != "" })
	project := strings.Fields(w.mounts())[1] + "/project.ove"
	read := []string{"timeout", "-s", "KILL", "10", "dd", "iflag=direct", "bs=64k", "of=/dev/null", "if=" + project}
	w.do(read...)
	f.do("olivectl", "worker", "revoke", w.Name)
	if _, err := w.Run(f.t.Context(), read...); err == nil {
		f.t.Error("w2 still reads " + project)
	}
	f.says("olivectl workers", f.do("olivectl", "workers"), "revoked")
}
