package dbus

import (
	"context"
	"os"
	"time"

	"olive-distributed/daemon/farm"
	"olive-distributed/dbus/access"
)

// A Master is what the objects of org.olive.Master1 need of the daemon. An error that is, or wraps,
// an [*Error] goes out under its name; so do the sentinels and the StateError of package farm.
// Methods are called from many goroutines.
type Master interface {
	// View returns all jobs by ID, without their ranges, and all workers by name.
	View(ctx context.Context) (View, error)
	// Members returns the workers of a View alone, and Degraded why nothing is taken at the moment. A View
	// takes its time when there are ten thousand jobs.
	Members(ctx context.Context) ([]Member, error)
	Degraded() string
	// Job returns one job with its ranges.
	Job(ctx context.Context, id uint32) (Job, error)
	Log(ctx context.Context, id uint32) ([]LogEntry, error)

	Submit(ctx context.Context, s *Submission) (id uint32, err error)
	Cancel(ctx context.Context, id uint32) error
	Pause(ctx context.Context, id uint32) error
	Resume(ctx context.Context, id uint32) error
	Retry(ctx context.Context, id uint32) error
	SetPriority(ctx context.Context, id uint32, priority int) error
	Forget(ctx context.Context, id uint32) error

	PauseWorker(ctx context.Context, name string) error
	ResumeWorker(ctx context.Context, name string) error
	DrainWorker(ctx context.Context, name string) error

	// CreateToken returns the secret and the HOST:PORT of the master; lifetime 0 is the configured one.
	CreateToken(ctx context.Context, worker string, lifetime time.Duration) (token, address string, err error)
	Revoke(ctx context.Context, worker string) error
	Reload(ctx context.Context) error
}

// A Worker is what the object of org.olive.Worker1 needs of the daemon.
type Worker interface {
	Status(ctx context.Context) (WorkerStatus, error)
	Pause(ctx context.Context) error
	Resume(ctx context.Context) error
	Drain(ctx context.Context) error
	Reload(ctx context.Context) error
}

// A View is the farm at one moment.
type View struct {
	Jobs     []Job
	Workers  []Member
	Degraded string // why nothing is taken at the moment; "": all is well
}

// A Job is a job as it is shown. Its tags name its properties on the bus.
type Job struct {
	ID       uint32     `dbus:"Id"`
	Name     string     `dbus:"Name"`
	Project  string     `dbus:"Project"`
	State    farm.State `dbus:"State"`
	Progress float64    `dbus:"Progress"` // 0..1

	FramesTotal int64     `dbus:"FramesTotal"`
	FramesDone  int64     `dbus:"FramesDone"`
	Speed       float64   `dbus:"FramesPerSecond"`
	ExpectedEnd time.Time `dbus:"ExpectedEndTime"` // zero: unknown, or nothing left

	Submitted time.Time `dbus:"SubmitTime"`
	Started   time.Time `dbus:"StartTime"` // zero: not yet
	Ended     time.Time `dbus:"EndTime"`   // zero: not yet
	Owner     uint32    `dbus:"StartedByUID"`
	Output    string    `dbus:"Output"`
	Error     string    `dbus:"Error"`
	Priority  int32     `dbus:"Priority"`
	Crew      uint32    `dbus:"Crew"`   // live workers that can do it
	Ranges    []Range   `dbus:"Ranges"` // of one job only
}

// A Range is a range of a job as it is shown.
type Range struct {
	Number     uint32
	Content    string // [Picture], [Sound] or [Whole]
	First, End int64  // frames, half-open
	State      farm.State
	Workers    []string // at it, or the one that completed it
}

// Contents of ranges.
const (
	Picture = "picture"
	Sound   = "sound"
	Whole   = "whole"
)

// A Member is a worker as the master sees it.
type Member struct {
	Name    string    `dbus:"Name"`
	State   string    `dbus:"State"` // [Unseen], [Away], [Paused], [Draining], [Drained], [Waiting] or [Rendering]
	Engines []string  `dbus:"Engines"`
	Threads uint32    `dbus:"Threads"`
	Speed   float64   `dbus:"Speed"`       // frames/s over all jobs, 0: unknown
	Job     uint32    `dbus:"Job,jobpath"` // 0: none
	Range   HeldRange `dbus:"Range"`

	FramesDone      int64     `dbus:"FramesDone"` // of the range
	LastSeen        time.Time `dbus:"LastSeen"`
	Failures        uint32    `dbus:"Failures"`
	CertificateEnds time.Time `dbus:"CertificateEnds"` // zero: it has none
	Revoked         bool      `dbus:"Revoked"`
}

// AtWork says that the worker renders its Range, also as the last one before it is drained.
func (m *Member) AtWork() bool { return m.State == Rendering || m.State == Draining }

// A HeldRange is the range that a worker is at.
type HeldRange struct {
	Number     uint32
	Content    string
	First, End int64
}

// States of workers.
const (
	Unseen    = "unseen" // has a certificate and has never said hello
	Away      = "away"
	Paused    = "paused"
	Waiting   = "waiting"
	Rendering = "rendering"
	Resting   = "resting"  // outside its hours
	Draining  = "draining" // finishes its range and gets no other
	Drained   = "drained"  // gets nothing until it is resumed
)

// A WorkerStatus is a worker as it sees itself.
type WorkerStatus struct {
	Name       string       `dbus:"Name"`
	Master     string       `dbus:"Master"` // HOST:PORT
	Status     string       `dbus:"Status"` // [Away], [Resting], [Paused], [Drained], [Waiting] or [Rendering]
	Current    CurrentRange `dbus:"CurrentRange"`
	FramesDone int64        `dbus:"FramesDone"`
	Threads    uint32       `dbus:"Threads"`
}

// A CurrentRange is what a worker renders.
type CurrentRange struct {
	Job, Number uint32
	Content     string
	First, End  int64
}

// A LogEntry is something that has happened to a job.
type LogEntry struct {
	Time       time.Time
	Event      string // "submitted", "range-done", "range-failed", "note", "joining", "done", "failed", "cancelled"
	Text       string
	Worker     string
	First, End int64
}

// A Submission asks for a film.
type Submission struct {
	Options
	Project string // absolute path, as the caller names it
	// File is the project, open for reading: the very file of which it was checked that the caller may read
	// it. The master must read this and not the path. It is closed when Submit returns.
	File *os.File
	// Caller owns the job. The master must ask it for each medium that the project shows whether it is
	// Readable, and for the film, when it has made up the name itself, whether it is Creatable.
	Caller access.Caller
}

// Options are what a film is to be like. Zero values are the defaults; see Submit in the XML.
type Options struct {
	Output            string   `option:"output"` // "": the master's choice; "…/": the folder only
	Sequence          string   `option:"sequence"`
	First             int64    `option:"first"` // frame
	End               int64    `option:"end"`   // frame; 0: that of the sequence
	Engine            string   `option:"engine"`
	Preset            string   `option:"preset"`
	Colour            string   `option:"colour"`
	VideoArgs         []string `option:"video-args"`
	AudioArgs         []string `option:"audio-args"`
	Split             uint32   `option:"split"`
	Priority          int32    `option:"priority"`
	IgnoreUnsupported bool     `option:"ignore-unsupported"`
	IgnoreMissing     bool     `option:"ignore-missing"`
	Resume            bool     `option:"resume"`
}
