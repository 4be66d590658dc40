package config

import (
	"strconv"
	"time"

	"olive-distributed/daemon/worker/hours"
)

// Values of Worker.OnStop.
const (
	Finish   = "finish"
	HandBack = "hand-back"
)

// Worker holds the settings of olive-worker.
type Worker struct {
	Name    string         // never empty once it is loaded
	Master  string         // HOST:PORT, "" for the master that it has joined
	State   string         // folder of the key and the certificate
	Cache   string         // folder of indexes and remuxed media
	Bus     string         // D-Bus on which the worker has its name: [SystemBus], [NoBus] or an address
	Threads int            // to render with, 0 for all
	Memory  int64          // bytes to render with, 0 for all
	Nice    int            // 0 to 19, larger is more modest
	IONice  string         // "idle", "none" or "best-effort:0" to "best-effort:7"
	Hours   hours.Schedule // in which it may work, by local time
	Engines []string       // that it may use, none for all there are
	Editor  string         // program of the engine olive: a name or a path

	Media struct {
		Transport string     // how it gets at the media: [Auto], [Local], [NFS] or [Shared]
		Map       []PathRule // of Shared
		Forward   string     // address on loopback at which it takes the kernel's NFS
	}

	OnStop       string        // what becomes of the range in hand: Finish or HandBack
	StopTimeout  time.Duration // for finishing before it is handed back
	StallTimeout time.Duration // time without one more frame after which a range has failed
}

func defaultWorker() Worker {
	w := Worker{
		Editor: "olive-editor", State: "/var/lib/olive-worker", Cache: "/var/cache/olive-worker", Bus: SystemBus,
		Nice: 10, IONice: "best-effort:7",
		OnStop: Finish, StopTimeout: 10 * time.Minute, StallTimeout: 2 * time.Minute,
	}
	w.Media.Transport = Auto
	w.Media.Forward = "127.0.0.1:7481"
	return w
}

func (w *Worker) keys() []key {
	const least = 256 << 20 // bytes that one 1080p range needs
	return []key{
		{"name", name{&w.Name}},
		{"master", address{&w.Master, false}},
		{"state", path{to: &w.State}},
		{"bus", busAddress{&w.Bus}},
		{"cache", path{to: &w.Cache}},
		{"engines", words{&w.Engines}},
		{"editor", program{&w.Editor}},
		{"threads", integer{&w.Threads, 0, 1024}},
		{"memory", size{to: &w.Memory, min: least, max: 1 << 44, zero: true}},
		{"nice", integer{&w.Nice, 0, 19}},
		{"ionice", choice{to: &w.IONice, words: ioniceWords()}},
		{"hours", week{to: &w.Hours}},
		{"media.transport", choice{to: &w.Media.Transport, words: []string{Auto, Local, NFS, Shared}}},
		{"media.map", rules{&w.Media.Map}},
		{"media.forward", loopback{&w.Media.Forward}},
		{"on_stop", choice{to: &w.OnStop, words: []string{Finish, HandBack}}},
		{"stop_timeout", duration{&w.StopTimeout, time.Second, 24 * time.Hour}},
		{"stall_timeout", duration{&w.StallTimeout, 5 * time.Second, 24 * time.Hour}},
	}
}

func ioniceWords() []string {
	words := []string{"idle", "none"}
	for level := range 8 {
		words = append(words, "best-effort:"+strconv.Itoa(level))
	}
	return words
}
