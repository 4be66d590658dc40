package vm_test

import (
	"strings"
	"testing"

	"olive-distributed/packaging/rig/vm"
)

// mounter has the mount helper called by a user. The answer is what dbus-send says: of the reply, or of the error.
func (m *machine) mounter(user, method string, args ...string) string {
	m.t.Helper()
	for i := range args {
		args[i] = "string:" + args[i]
	}
	call := append([]string{
		"setpriv", "--reuid=" + user, "--regid=" + user, "--clear-groups", "dbus-send", "--system", "--print-reply=literal", "--reply-timeout=120000",
		"--dest=org.olive.Mounter1", "/org/olive/Mounter1", "org.olive.Mounter1." + method,
	}, args...)
	out, err := m.Run(m.t.Context(), call...)
	if err != nil {
		return err.Error()
	}
	return strings.Join(strings.Fields(out), " ")
}

func (m *machine) mounts() string {
	m.t.Helper()
	return m.sh(`grep " /run/olive/" /proc/1/mounts | cut -d" " -f1,2,3 || true`)
}

// TestMounter is the mount helper on a machine with the kernel's client: from nfsd without its TLS, on a port
// that is not the worker's.
func TestMounter(t *testing.T) {
	t.Parallel()
	m := start(t, "worker", vm.Options{})
	m.sh(`printf 'port = 7482\ntimeout = "5s"\n' >/etc/olive/mounter.toml
systemd-run --quiet --unit=server /rig/serve /srv/export 127.0.0.1:7482 16000000 film-1 film-3`)
	m.until("the server to listen", func() bool { return m.listens("127.0.0.1", 7482) })
	m.onlyTheWorkerMounts()
	m.mountsForAll()
	m.refusesWhatIsWrong()
	m.goesOnWithoutAServer()
	m.sweepsWhatAnEarlierWorkerLeft()
	m.tellsWhyItFails()
	m.leavesWhenIdle()
}

func (m *machine) onlyTheWorkerMounts() {
	m.t.Helper()
	for _, method := range []string{"Mount", "Unmount"} {
		m.says(method+" by bert", m.mounter("bert", method, "film-1"), "org.freedesktop.DBus.Error.AccessDenied")
	}
	m.says("List by bert", m.mounter("bert", "List"), "org.freedesktop.DBus.Error.AccessDenied")
	m.want("the helper, which nobody had a right to start", m.property("olive-mounter", "ActiveState"), "inactive")
}

// mountsForAll mounts, and looks from outside of the helper.
func (m *machine) mountsForAll() {
	m.t.Helper()
	m.want("Mount", m.mounter("olive", "Mount", "film-1"), "/run/olive/mounts/film-1")
	m.want("Mount again", m.mounter("olive", "Mount", "film-1"), "/run/olive/mounts/film-1")
	m.want("mounts", m.mounts(), "127.0.0.1:/film-1 /run/olive/mounts/film-1 nfs")
	m.want("unit", m.property(`run-olive-mounts-film\x2d1.mount`, "ActiveState"), "active")
	options := m.sh(`grep " /run/olive/" /proc/1/mounts | cut -d" " -f4`)
	for _, o := range []string{"nosuid", "nodev", "noexec", "vers=3", "hard", "nolock", "noacl", "proto=tcp", "nconnect=4", "port=7482", "mountport=7482", "rsize=1048576", "wsize=1048576"} {
		m.says("options", ","+options+",", ","+o+",")
	}
	m.want("sum of the film", m.sh("runuser -u olive -- md5sum </run/olive/mounts/film-1/media/big"), m.sh("md5sum </srv/export/big"))
	m.sh("runuser -u olive -- sh -ec 'cd /run/olive/mounts/film-1/parts; echo frames >x.part; sync x.part; mv x.part x'")
	m.want("part", m.do("cat", "/srv/export/parts/x"), "frames")
	if _, err := m.Run(m.t.Context(), "runuser", "-u", "bert", "--", "ls", "/run/olive/mounts"); err == nil {
		m.t.Error("bert sees the mounts")
	}
	m.want("List", m.mounter("root", "List"), "array [ struct { film-1 /run/olive/mounts/film-1 } ]")
	m.want("capabilities of the helper", m.sh(`grep -E "^Cap(Prm|Eff|Bnd)" /proc/$(systemctl show --value -p MainPID olive-mounter)/status | cut -f2 | sort -u`), "0000000000000000")
	m.want("verify", m.sh("systemd-analyze verify --man=no olive-mounter.service olive-worker-nfs.socket 2>&1"), "")
}

func (m *machine) refusesWhatIsWrong() {
	m.t.Helper()
	for _, job := range []string{"../film-1", "a,suid,dev", "", `a\x2db`, strings.Repeat("a", 65)} {
		m.says("Mount of "+job, m.mounter("olive", "Mount", job), "org.olive.Error.BadJobName")
	}
	m.says("Unmount of a path", m.mounter("root", "Unmount", "../../../home"), "org.olive.Error.BadJobName")
	for _, spoil := range []string{"chmod g+w /etc/olive/mounter.toml", "chown olive /etc/olive/mounter.toml", "chown olive /run/olive", "chmod 777 /run/olive/mounts"} {
		m.do("sh", "-c", spoil)
		m.says("Mount after "+spoil, m.mounter("olive", "Mount", "film-2"), "org.olive.Error.BadSettings")
		m.sh("chmod 644 /etc/olive/mounter.toml; chown root:root /etc/olive/mounter.toml; systemd-tmpfiles --create /usr/lib/tmpfiles.d/olive.conf")
	}
	m.do("mount", "-t", "tmpfs", "-o", "size=4k", "other", m.sh("mkdir /run/olive/mounts/taken; echo /run/olive/mounts/taken"))
	m.says("Mount where something is", m.mounter("olive", "Mount", "taken"), "org.olive.Error.MountPointTaken")
	m.says("Unmount of what is not ours", m.mounter("olive", "Unmount", "taken"), "org.olive.Error.MountPointTaken")
	m.sh("umount /run/olive/mounts/taken; rmdir /run/olive/mounts/taken")
	m.want("mounts after all that", m.mounts(), "127.0.0.1:/film-1 /run/olive/mounts/film-1 nfs")
}

// goesOnWithoutAServer has somebody read while the server says nothing: Unmount does not wait, and the reader can be killed.
func (m *machine) goesOnWithoutAServer() {
	m.t.Helper()
	m.do("systemctl", "kill", "--signal=STOP", "server")
	m.do("systemd-run", "--quiet", "--unit=reader", "dd", "if=/run/olive/mounts/film-1/media/big", "of=/dev/null", "bs=1M", "iflag=direct")
	m.says("Unmount", m.mounter("olive", "Unmount", "film-1")+".", ".")
	m.want("mounts without a server", m.mounts(), "")
	m.want("folders", m.do("ls", "/run/olive/mounts"), "")
	m.sh("systemctl kill --signal=KILL reader 2>/dev/null || true") // it may have got an error
	m.until("the reader to end", func() bool { return m.property("reader", "MainPID") == "0" })
	m.do("systemctl", "kill", "--signal=CONT", "server")
	m.says("Unmount again", m.mounter("olive", "Unmount", "film-1")+".", ".")
}

// sweepsWhatAnEarlierWorkerLeft needs a worker only for its process.
func (m *machine) sweepsWhatAnEarlierWorkerLeft() {
	m.t.Helper()
	m.sh(`mkdir -p /etc/systemd/system/olive-worker.service.d
printf '[Service]\nType=exec\nExecStart=\nExecStart=sleep infinity\n' >/etc/systemd/system/olive-worker.service.d/test.conf
systemctl daemon-reload; systemctl start olive-worker`)
	m.want("the worker's port", m.property("olive-worker-nfs.socket", "ActiveState"), "active")
	m.want("Mount", m.mounter("olive", "Mount", "film-3"), "/run/olive/mounts/film-3")
	m.do("systemctl", "stop", "olive-mounter")
	m.says("List of the next helper", m.mounter("olive", "List"), "film-3")
	// The worker dies, and its master with it. systemd starts another worker.
	m.do("systemctl", "kill", "--signal=STOP", "server")
	m.do("systemctl", "kill", "--signal=KILL", "olive-worker")
	m.until("the next worker", func() bool {
		return m.property("olive-worker", "NRestarts") == "1" && m.property("olive-worker", "MainPID") != "0"
	})
	m.do("systemctl", "stop", "olive-mounter")
	m.want("List after the worker's end", m.mounter("olive", "List"), "array [ ]")
	m.want("mounts after the worker's end", m.mounts(), "")
	m.do("systemctl", "kill", "--signal=CONT", "server")
	m.want("Mount for the next worker", m.mounter("olive", "Mount", "film-3"), "/run/olive/mounts/film-3")
	// Whoever stops the worker stops all that is its.
	m.do("systemctl", "stop", "olive-worker")
	m.until("the mount to go", func() bool { return m.mounts() == "" })
	m.want("the worker's port, later", m.property("olive-worker-nfs.socket", "ActiveState"), "inactive")
}

func (m *machine) tellsWhyItFails() {
	m.t.Helper()
	m.do("systemctl", "kill", "--signal=STOP", "server")
	m.says("nobody answers", m.mounter("olive", "Mount", "film-4"), "org.olive.Error.NoServer")
	m.do("systemctl", "kill", "--signal=KILL", "server")
	m.until("the server's end", func() bool { return m.property("server", "MainPID") == "0" })
	m.says("nobody is there", m.mounter("olive", "Mount", "film-4"), "org.olive.Error.MountRefused")
	m.want("mounts after failures", m.mounts(), "")
	m.want("units after failures", m.sh("systemctl list-units --all --no-legend 'run-olive-mounts*'"), "")
}

func (m *machine) leavesWhenIdle() {
	m.t.Helper()
	m.sh(`echo 'idle = "1s"' >>/etc/olive/mounter.toml; systemctl stop olive-mounter`)
	m.want("List", m.mounter("olive", "List"), "array [ ]")
	m.want("folders", m.do("ls", "/run/olive/mounts"), "")
	m.until("the helper to leave", func() bool { return m.property("olive-mounter", "ActiveState") == "inactive" })
	m.want("how it left", m.property("olive-mounter", "Result"), "success")
	m.want("List by another helper", m.mounter("olive", "List"), "array [ ]")
}
