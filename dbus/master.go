package dbus

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	godbus "github.com/godbus/dbus/v5"

	"olive-distributed/daemon/farm"
)

// A MasterService is a master on the bus.
type MasterService struct {
	*service
	master  Master
	version string
	poked   chan struct{} // something has changed
	logs    chan logged   // on their way out
	seen    seen
}

// ServeMaster puts a master on the bus at address, "" for the system bus: objects first, then the name,
// which must be free. The master must answer already. From its return on callers are answered; signals
// come from [MasterService.Run]. Close it.
func ServeMaster(ctx context.Context, address, version string, m Master) (*MasterService, error) {
	ms := &MasterService{master: m, version: version, poked: make(chan struct{}, 1), logs: make(chan logged, maxLogs)}
	s, err := newService(context.WithoutCancel(ctx), masterXML, ms)
	if err != nil {
		return nil, err
	}
	ms.service = s
	for name, row := range ms.table() {
		s.methods[name] = row
	}
	if err := ms.prime(ctx); err != nil {
		return nil, err
	}
	if err := s.connect(ctx, address); err != nil {
		return nil, err
	}
	if err := s.claim(ctx, MasterName); err != nil {
		s.close(MasterName)
		return nil, err
	}
	return ms, nil
}

// Close gives the name back, ends the calls that are under way, and hangs up. A call that comes in at
// this moment is refused as Unavailable. Run must have ended.
func (ms *MasterService) Close() { ms.close(MasterName) }

// Lost is closed when the bus has gone. systemd then starts the daemon again.
func (ms *MasterService) Lost() <-chan struct{} { return ms.conn.Context().Done() }

// table has every method that changes something, and who may call it.
func (ms *MasterService) table() map[string]method {
	m := ms.master
	t := map[string]method{
		managerInterface + ".Submit":       {needs(actionSubmit), ms.submit},
		managerInterface + ".SubmitFd":     {needs(actionSubmit), ms.submitFd},
		managerInterface + ".SubmitFolder": {needs(actionSubmit), ms.submitFolder},
		managerInterface + ".SetPriority":  {ms.owned(), ms.setPriority},
		managerInterface + ".GetJob":       {open, ms.getJob},
		managerInterface + ".GetLog":       {open, ms.getLog},
		managerInterface + ".ListJobs":     {open, ms.listJobs},
		managerInterface + ".ListWorkers":  {open, ms.listWorkers},
		managerInterface + ".CreateToken":  {needs(actionEnroll), ms.createToken},
		managerInterface + ".Revoke":       {needs(actionEnroll), ms.revoke},
		managerInterface + ".Reload":       {needs(actionManage), ms.reload},
	}
	for name, f := range map[string]func(context.Context, uint32) error{"Cancel": m.Cancel, "Pause": m.Pause, "Resume": m.Resume, "Retry": m.Retry, "Forget": m.Forget} {
		row := method{ms.owned(), func(ctx context.Context, c *call) ([]any, error) { return nil, f(ctx, c.job()) }}
		t[managerInterface+"."+name] = row
		if _, ok := ms.spec.method(jobInterface, name); ok {
			t[jobInterface+"."+name] = row
		}
	}
	for name, f := range map[string]func(context.Context, string) error{"Pause": m.PauseWorker, "Resume": m.ResumeWorker, "Drain": m.DrainWorker} {
		t[memberInterface+"."+name] = method{needs(actionWorkerControl), func(ctx context.Context, c *call) ([]any, error) {
			worker, _ := memberOf(c.path) // of an object that is there
			return nil, f(ctx, worker)
		}}
	}
	return t
}

// job is the job that a call is about: the object's, or else the first argument.
func (c *call) job() uint32 {
	if c.iface == jobInterface {
		return jobOf(c.path)
	}
	return c.args[0].(uint32)
}

// owned is the gate of what an owner may do to a job, and others with more rights.
func (ms *MasterService) owned() gate {
	return gate{action: func(ctx context.Context, c *call) (string, error) {
		j, err := ms.master.Job(ctx, c.job())
		if err != nil {
			return "", err
		}
		who, err := ms.auth.caller(ctx, c.sender)
		if err != nil {
			return "", err
		}
		if who.UID == j.Owner {
			return actionControlOwn, nil
		}
		return actionControlAll, nil
	}}
}

func (ms *MasterService) setPriority(ctx context.Context, c *call) ([]any, error) {
	return nil, ms.master.SetPriority(ctx, c.job(), int(c.args[1].(int32)))
}

func (ms *MasterService) getJob(ctx context.Context, c *call) ([]any, error) {
	j, err := ms.master.Job(ctx, c.job())
	return []any{jobPath(j.ID)}, err
}

// A logLine is a LogEntry on the bus.
type logLine struct {
	Time                uint64
	Event, Text, Worker string
	First, End          int64
}

func (e *LogEntry) line() logLine {
	return logLine{microseconds(e.Time), e.Event, e.Text, e.Worker, e.First, e.End}
}

func (ms *MasterService) getLog(ctx context.Context, c *call) ([]any, error) {
	log, err := ms.master.Log(ctx, c.job())
	lines := make([]logLine, len(log))
	for i := range log {
		lines[i] = log[i].line()
	}
	return []any{lines}, err
}

type jobRow struct {
	ID                   uint32
	Name, State, Project string
	Progress             float64
	Path                 godbus.ObjectPath
}

func (ms *MasterService) listJobs(ctx context.Context, _ *call) ([]any, error) {
	v, err := ms.master.View(ctx)
	rows := make([]jobRow, len(v.Jobs))
	for i := range v.Jobs {
		j := &v.Jobs[i]
		rows[i] = jobRow{j.ID, j.Name, string(j.State), j.Project, j.Progress, jobPath(j.ID)}
	}
	return []any{rows}, err
}

type memberRow struct {
	Name, State, Engines string
	Speed                float64
	Path                 godbus.ObjectPath
}

func (ms *MasterService) listWorkers(ctx context.Context, _ *call) ([]any, error) {
	members, err := ms.master.Members(ctx)
	rows := make([]memberRow, len(members))
	for i := range members {
		w := &members[i]
		rows[i] = memberRow{w.Name, w.State, strings.Join(w.Engines, " "), w.Speed, memberPath(w.Name)}
	}
	return []any{rows}, err
}

func (ms *MasterService) createToken(ctx context.Context, c *call) ([]any, error) {
	var lifetime time.Duration
	for name, v := range c.args[1].(map[string]godbus.Variant) {
		seconds, ok := v.Value().(uint64)
		if name != "lifetime" || !ok || seconds > math.MaxInt64/uint64(time.Second) {
			return nil, standard(errInvalidArgs, fmt.Sprintf("option %q with %v: CreateToken has only lifetime, seconds as t", name, v))
		}
		lifetime = time.Duration(seconds) * time.Second
	}
	token, address, err := ms.master.CreateToken(ctx, c.args[0].(string), lifetime)
	return []any{token, address}, err
}

func (ms *MasterService) revoke(ctx context.Context, c *call) ([]any, error) {
	return nil, ms.master.Revoke(ctx, c.args[0].(string))
}

func (ms *MasterService) reload(ctx context.Context, _ *call) ([]any, error) {
	return nil, ms.master.Reload(ctx)
}

// find implements tree.
func (ms *MasterService) find(ctx context.Context, p godbus.ObjectPath) (object, error) {
	switch p {
	case "/", "/org", "/org/olive", masterPath + "/job", masterPath + "/worker":
		return object{path: p, inner: true}, nil
	case masterPath:
		return ms.manager(), nil
	}
	if id := jobOf(p); id != 0 {
		j, err := ms.master.Job(ctx, id)
		if errors.Is(err, farm.ErrNoJob) {
			return object{}, errNoObject(p)
		}
		return jobObject(&j), err
	}
	if name, ok := memberOf(p); ok {
		members, err := ms.master.Members(ctx)
		if err != nil {
			return object{}, err
		}
		for i := range members {
			if members[i].Name == name {
				return memberObject(&members[i]), nil
			}
		}
	}
	return object{}, errNoObject(p)
}

// managed implements tree.
func (ms *MasterService) managed(ctx context.Context) ([]object, error) {
	v, err := ms.master.View(ctx)
	if err != nil {
		return nil, err
	}
	return v.objects(), nil
}

func (v *View) objects() []object {
	all := make([]object, 0, len(v.Jobs)+len(v.Workers))
	for i := range v.Jobs {
		all = append(all, jobObject(&v.Jobs[i]))
	}
	for i := range v.Workers {
		all = append(all, memberObject(&v.Workers[i]))
	}
	return all
}

func (ms *MasterService) manager() object {
	props := map[string]any{"Version": ms.version, "Degraded": ms.master.Degraded()}
	return object{path: masterPath, iface: managerInterface, props: props, root: true, inner: true}
}

func jobObject(j *Job) object {
	return object{path: jobPath(j.ID), iface: jobInterface, props: properties(*j)}
}

func memberObject(w *Member) object {
	return object{path: memberPath(w.Name), iface: memberInterface, props: properties(*w)}
}
