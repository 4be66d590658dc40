// Package mounter mounts what the master shows of a job on a worker's machine: it has systemd do it.
//
// The process needs no privilege but to be root to systemd. A caller says a job's name and nothing else; the
// rest is constant or comes from the settings. A mount is a transient unit of systemd's, so it outlives
// this process, and it belongs to the run of the worker in which it was made: after that it is stale.
//
// A call that returns an error has left no mount behind that was not there before, unless it was cut
// short by its context. Errors are of type [*dbus.Error] and tell what to do.
package mounter

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"github.com/coreos/go-systemd/v22/unit"

	"olive-distributed/dbus"
)

// Folder is where jobs are mounted, each in a folder of its own. It is root's: whoever could rename
// something in it, or above it, could have systemd mount elsewhere.
const Folder = "/run/olive/mounts"

// Settings are what the administrator may choose.
type Settings struct {
	Port    int           // of the worker on 127.0.0.1
	Timeout time.Duration // for one mount
}

// A Unit is what systemd says of a mount unit.
type Unit struct {
	Name   string
	State  string        // active, activating, inactive, failed, …
	Result string        // of the last attempt: success, timeout, exit-code, …
	What   string        // is mounted
	Type   string        // of file system
	Where  string        // absolute path
	Since  time.Duration // since when it is active, from boot on
}

// A Request is a mount unit that is to be made.
type Request struct {
	Name, Description          string
	What, Where, Type, Options string
	Timeout                    time.Duration
}

// Systemd is what a [Mounter] needs of the service manager. Start and Stop wait for the end of their
// jobs, and an error of theirs tells only that there was no job: look at the unit.
type Systemd interface {
	// Unit returns a unit; one that systemd does not know is inactive.
	Unit(ctx context.Context, name string) (Unit, error)
	// Units returns the mount units that a pattern of names fits.
	Units(ctx context.Context, pattern string) ([]Unit, error)
	Start(ctx context.Context, r Request) error
	Stop(ctx context.Context, name string) error
	// Forget drops what systemd remembers of a unit that has failed.
	Forget(ctx context.Context, name string) error
	// Started is when the worker's process was started, from boot on; 0 if it is not running.
	Started(ctx context.Context) (time.Duration, error)
}

// A Mounter implements [dbus.Mounter]. Make it with [New].
type Mounter struct {
	systemd  Systemd
	settings func() (Settings, error) // asked for each mount
	folder   string
	log      *slog.Logger
	busy     locks
}

// New makes a mounter for a folder, [Folder] but for tests.
func New(s Systemd, settings func() (Settings, error), folder string, log *slog.Logger) *Mounter {
	return &Mounter{systemd: s, settings: settings, folder: folder, log: log}
}

var jobForm = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)

// checkName refuses what is no job's name.
func checkName(job string) error {
	if !jobForm.MatchString(job) {
		return dbus.ErrBadJobName.With(fmt.Errorf("%.80q is no job's name: it must be 1 to 64 of a-z, 0-9 and -", job))
	}
	return nil
}

func (m *Mounter) path(job string) string { return m.folder + "/" + job }

// unitName is the name that systemd wants of a unit that mounts there.
func unitName(path string) string { return unit.UnitNamePathEscape(path) + ".mount" }

// host is where the kernel finds the worker, as it stands in front of an export's name.
const host = "127.0.0.1:/"

// ours says whether a unit mounts that job.
func ours(u Unit, job string) bool { return u.What == host+job && u.Type == "nfs" }

// request is the mount of a job. Media are protected by the server: the mount has a folder to write to.
func (m *Mounter) request(job string, s Settings) Request {
	return Request{
		Name: unitName(m.path(job)), Description: "Media of the Olive job " + job,
		What: host + job, Where: m.path(job), Type: "nfs", Timeout: s.Timeout,
		Options: fmt.Sprintf("vers=3,proto=tcp,port=%d,mountport=%d,mountproto=tcp,retry=0,nolock,noacl,nosuid,nodev,noexec,"+
			"rsize=1048576,wsize=1048576,nconnect=4,hard", s.Port, s.Port),
	}
}
