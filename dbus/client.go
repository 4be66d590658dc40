package dbus

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	godbus "github.com/godbus/dbus/v5"
)

// Nobody has the daemon's name on the bus, and nobody could be started.
var (
	ErrNoMaster = errors.New("no master answers")
	ErrNoWorker = errors.New("no worker answers on this machine")
)

// A Client calls the daemons on a bus. It is safe for concurrent use. Refusals are of type [*Error].
type Client struct {
	// Quiet leaves out the flag by which polkit may ask for a password, NoStart has the bus start no
	// daemon for a call.
	Quiet, NoStart bool
	// Ask is called, once, when a quiet call is refused that a password might allow. It sees to it that there
	// is somebody to be asked: such calls are made again with the flag. nil: they are not.
	// These three are to be set before the first call.
	Ask func()

	conn  *godbus.Conn
	asked sync.Once
}

// Connect dials the bus at address, "" for the system bus. The daemon is started by the first call.
func Connect(ctx context.Context, address string) (*Client, error) {
	conn, err := dial(ctx, address, godbus.WithSignalHandler(godbus.NewSequentialSignalHandler()))
	if err != nil {
		return nil, err
	}
	return &Client{conn: conn}, nil
}

// Close hangs up. Channels of [Client.Follow] are closed.
func (c *Client) Close() { c.conn.Close() }

// call calls a method and stores the answer in outs.
func (c *Client) call(ctx context.Context, name string, path godbus.ObjectPath, method string, args []any, outs ...any) error {
	err := c.try(ctx, !c.Quiet, name, path, method, args, outs...)
	if !c.Quiet || c.Ask == nil || !errors.Is(err, ErrNotAuthorized) {
		return err
	}
	c.asked.Do(c.Ask)
	return c.try(ctx, true, name, path, method, args, outs...) // nothing has happened before
}

func (c *Client) try(ctx context.Context, interactive bool, name string, path godbus.ObjectPath, method string, args []any, outs ...any) error {
	iface, member := method[:strings.LastIndexByte(method, '.')], method[strings.LastIndexByte(method, '.')+1:]
	msg := &godbus.Message{Type: godbus.TypeMethodCall, Body: args, Headers: map[godbus.HeaderField]godbus.Variant{
		godbus.FieldDestination: godbus.MakeVariant(name), godbus.FieldPath: godbus.MakeVariant(path),
		godbus.FieldInterface: godbus.MakeVariant(iface), godbus.FieldMember: godbus.MakeVariant(member),
	}}
	if len(args) > 0 {
		msg.Headers[godbus.FieldSignature] = godbus.MakeVariant(godbus.SignatureOf(args...))
	}
	if interactive {
		msg.Flags |= godbus.FlagAllowInteractiveAuthorization
	}
	if c.NoStart {
		msg.Flags |= godbus.FlagNoAutoStart
	}
	ctx, cancel := context.WithCancel(ctx) // godbus keeps a goroutine until this
	defer cancel()
	answer := <-c.conn.SendWithContext(ctx, msg, make(chan *godbus.Call, 1)).Done
	if answer.Err != nil {
		return fromWire(name, answer.Err)
	}
	if err := answer.Store(outs...); err != nil {
		return fmt.Errorf("%s answers what this program does not understand, is it of another version? (%w)", name, err)
	}
	return nil
}

// fromWire turns an error on the bus into one of ours.
func fromWire(name string, err error) error {
	var e godbus.Error
	if !errors.As(err, &e) {
		return fmt.Errorf("call %s: %w", name, err)
	}
	text := e.Error()
	switch own, ours := strings.CutPrefix(e.Name, errorPrefix); {
	case ours:
		return &Error{own, text}
	case e.Name == "org.freedesktop.DBus.Error.ServiceUnknown", e.Name == "org.freedesktop.DBus.Error.NameHasNoOwner",
		e.Name == "org.freedesktop.DBus.Error.NoReply", strings.HasPrefix(e.Name, "org.freedesktop.DBus.Error.Spawn."):
		if name == WorkerName {
			return fmt.Errorf("%w (%s)", ErrNoWorker, text)
		}
		return fmt.Errorf("%w (%s)", ErrNoMaster, text)
	}
	return fmt.Errorf("call %s: %w", name, err)
}

func (c *Client) manager(ctx context.Context, method string, args []any, outs ...any) error {
	return c.call(ctx, MasterName, masterPath, managerInterface+"."+method, args, outs...)
}

// managed is the answer of GetManagedObjects.
type managed = map[godbus.ObjectPath]map[string]map[string]godbus.Variant

// Status returns the state of the farm. Jobs come without their ranges.
func (c *Client) Status(ctx context.Context) (View, error) {
	var m managed
	if err := c.call(ctx, MasterName, masterPath, objectsInterface+".GetManagedObjects", nil, &m); err != nil {
		return View{}, err
	}
	var degraded godbus.Variant
	if err := c.call(ctx, MasterName, masterPath, propertiesInterface+".Get", []any{managerInterface, "Degraded"}, &degraded); err != nil {
		return View{}, err
	}
	cache := newCache()
	for _, ifaces := range m {
		if _, err := cache.add(ifaces); err != nil {
			return View{}, err
		}
	}
	v := cache.view()
	v.Degraded, _ = degraded.Value().(string)
	return v, nil
}

// Version returns the version of the master.
func (c *Client) Version(ctx context.Context) (version string, err error) {
	var v godbus.Variant
	if err := c.call(ctx, MasterName, masterPath, propertiesInterface+".Get", []any{managerInterface, "Version"}, &v); err != nil {
		return "", err
	}
	version, _ = v.Value().(string)
	return version, nil
}

// Job returns one job with its ranges.
func (c *Client) Job(ctx context.Context, id uint32) (j Job, err error) {
	var path godbus.ObjectPath
	if err := c.manager(ctx, "GetJob", []any{id}, &path); err != nil {
		return j, err
	}
	var props map[string]godbus.Variant
	if err := c.call(ctx, MasterName, path, propertiesInterface+".GetAll", []any{jobInterface}, &props); err != nil {
		return j, err
	}
	return j, setProperties(&j, props)
}

// Submit adds a job for the project at an absolute path. An error that is [ErrBadProject] or
// [ErrMissingMedia] says what is wrong with it.
func (c *Client) Submit(ctx context.Context, project string, o Options) (id uint32, err error) {
	var path godbus.ObjectPath
	err = c.manager(ctx, "Submit", []any{project, o.variants()}, &id, &path)
	return id, err
}

// SubmitFile is Submit for a project that the caller has opened and the master may not be able to;
// its name must be an absolute path. Where the bus takes no files of this caller, as of one who is not in
// the group olive, the master must open it by that.
func (c *Client) SubmitFile(ctx context.Context, project *os.File, o Options) (id uint32, err error) {
	options := o.variants()
	options["path"] = godbus.MakeVariant(project.Name())
	var path godbus.ObjectPath
	err = c.manager(ctx, "SubmitFd", []any{godbus.UnixFD(project.Fd()), options}, &id, &path)
	var policy godbus.Error
	if errors.As(err, &policy) && policy.Name == errBusPolicy {
		return c.Submit(ctx, project.Name(), o)
	}
	return id, err
}

// A Refusal is a project that became no job.
type Refusal struct{ Project, Reason string }

// SubmitFolder adds a job for each project in the folder at an absolute path.
func (c *Client) SubmitFolder(ctx context.Context, folder string, o Options) (ids []uint32, refused []Refusal, err error) {
	var jobs []submitted
	err = c.manager(ctx, "SubmitFolder", []any{folder, o.variants()}, &jobs, &refused)
	for _, j := range jobs {
		ids = append(ids, j.ID)
	}
	return ids, refused, err
}

// jobVerbs are the methods of what is done to a job.
var jobVerbs = map[string]string{"cancel": "Cancel", "pause": "Pause", "resume": "Resume", "retry": "Retry", "forget": "Forget"}

// DoJob does something to a job: cancel, pause, resume, retry or forget.
func (c *Client) DoJob(ctx context.Context, id uint32, verb string) error {
	method, ok := jobVerbs[verb]
	if !ok {
		return fmt.Errorf("jobs cannot be told to %q", verb)
	}
	return c.manager(ctx, method, []any{id})
}

// SetPriority moves a job in the queue; higher comes first.
func (c *Client) SetPriority(ctx context.Context, id uint32, priority int32) error {
	return c.manager(ctx, "SetPriority", []any{id, priority})
}

// Log returns what has happened to a job.
func (c *Client) Log(ctx context.Context, id uint32) ([]LogEntry, error) {
	var lines []logLine
	if err := c.manager(ctx, "GetLog", []any{id}, &lines); err != nil {
		return nil, err
	}
	log := make([]LogEntry, len(lines))
	for i, l := range lines {
		log[i] = l.entry()
	}
	return log, nil
}

func (l *logLine) entry() LogEntry {
	return LogEntry{moment(l.Time), l.Event, l.Text, l.Worker, l.First, l.End}
}

// memberVerbs are the methods of what is done to a worker.
var memberVerbs = map[string]string{"pause": "Pause", "resume": "Resume", "drain": "Drain"}

// DoWorker does something to a worker of the farm: pause, resume, drain or revoke.
func (c *Client) DoWorker(ctx context.Context, name, verb string) error {
	if verb == "revoke" {
		return c.manager(ctx, "Revoke", []any{name})
	}
	method, ok := memberVerbs[verb]
	if !ok {
		return fmt.Errorf("workers cannot be told to %q", verb)
	}
	err := c.call(ctx, MasterName, memberPath(name), memberInterface+"."+method, nil)
	var e godbus.Error
	if errors.As(err, &e) && e.Name == errUnknownObject {
		return ErrNoSuchWorker.With(fmt.Errorf("there is no worker %q", name))
	}
	return err
}

// Invite returns the line to run on the machine that is to become the worker; the secret in it
// works once. lifetime 0 is the master's.
func (c *Client) Invite(ctx context.Context, name string, lifetime time.Duration) (line string, err error) {
	options := map[string]godbus.Variant{}
	if lifetime > 0 {
		options["lifetime"] = godbus.MakeVariant(uint64(lifetime / time.Second))
	}
	var token, address string
	if err := c.manager(ctx, "CreateToken", []any{name, options}, &token, &address); err != nil {
		return "", err
	}
	return fmt.Sprintf("olivectl join %s --token %s", address, token), nil
}

// Reload has the master read its configuration again.
func (c *Client) Reload(ctx context.Context) error { return c.manager(ctx, "Reload", nil) }

// WorkerStatus returns the state of the worker on this machine.
func (c *Client) WorkerStatus(ctx context.Context) (s WorkerStatus, err error) {
	var props map[string]godbus.Variant
	if err := c.call(ctx, WorkerName, workerPath, propertiesInterface+".GetAll", []any{workerInterface}, &props); err != nil {
		return s, err
	}
	return s, setProperties(&s, props)
}

// DoLocalWorker does something to the worker on this machine: pause, resume, drain or reload.
func (c *Client) DoLocalWorker(ctx context.Context, verb string) error {
	method := memberVerbs[verb]
	if verb == "reload" {
		method = "Reload"
	}
	if method == "" {
		return fmt.Errorf("workers cannot be told to %q", verb)
	}
	return c.call(ctx, WorkerName, workerPath, workerInterface+"."+method, nil)
}
