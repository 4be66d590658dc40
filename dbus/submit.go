package dbus

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	godbus "github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"

	"olive-distributed/dbus/access"
)

type submitted struct {
	ID   uint32
	Path godbus.ObjectPath
}

// submit opens the project as the caller could have done.
func (ms *MasterService) submit(ctx context.Context, c *call) ([]any, error) {
	o, err := parseOptions(c.args[1])
	if err != nil {
		return nil, err
	}
	who, err := ms.auth.caller(ctx, c.sender)
	if err != nil {
		return nil, err
	}
	id, err := ms.submitPath(ctx, who, c.args[0].(string), o)
	return []any{id, jobPath(id)}, err
}

func (ms *MasterService) submitPath(ctx context.Context, who access.Caller, project string, o Options) (uint32, error) {
	f, err := who.Open(project)
	if err != nil {
		return 0, advise(err)
	}
	defer f.Close()
	return ms.hand(ctx, &Submission{o, project, f, who})
}

// hand gives a submission to the master, if the film is one that the caller may write.
func (ms *MasterService) hand(ctx context.Context, s *Submission) (uint32, error) {
	if s.Output != "" {
		target := s.Output
		if strings.HasSuffix(target, "/") {
			target += strings.TrimSuffix(filepath.Base(s.Project), ".ove")
		}
		if err := s.Caller.Creatable(target); err != nil {
			return 0, err
		}
	}
	return ms.master.Submit(ctx, s)
}

// advise tells what to do about a project that cannot be opened by its path.
func advise(err error) error {
	var e *access.Error
	switch {
	case !errors.As(err, &e) || e.Err == fs.ErrPermission:
		return err
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: let the group olive read it, or hand it over with SubmitFd", err)
	case errors.Is(err, fs.ErrNotExist) && strings.HasPrefix(e.Path, "/tmp/"):
		return fmt.Errorf("%w: the master has a /tmp of its own, use another folder or SubmitFd", err)
	}
	return err
}

// submitFd takes a file that the caller has opened.
func (ms *MasterService) submitFd(ctx context.Context, c *call) ([]any, error) {
	given, ok := c.args[0].(godbus.UnixFD)
	if !ok {
		return nil, standard(errInvalidArgs, "there is no file descriptor")
	}
	rest := map[string]godbus.Variant{}
	var path string
	for name, v := range c.args[1].(map[string]godbus.Variant) {
		if name != "path" {
			rest[name] = v
		} else if path, ok = v.Value().(string); !ok || !filepath.IsAbs(path) {
			return nil, standard(errInvalidArgs, "option path wants an absolute path")
		}
	}
	o, err := parseOptions(rest)
	if err != nil {
		return nil, err
	}
	f, err := checkFile(int(given))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if path == "" {
		if path, err = os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd())); err != nil {
			return nil, fmt.Errorf("find out where the project lies: %w", err)
		}
	}
	who, err := ms.auth.caller(ctx, c.sender)
	if err != nil {
		return nil, err
	}
	id, err := ms.hand(ctx, &Submission{o, path, f, who})
	return []any{id, jobPath(id)}, err
}

// checkFile makes a file of a descriptor of the caller's, which stays the call's to close. It must be
// open for reading, or the caller has not shown that it may read.
func checkFile(fd int) (*os.File, error) {
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return nil, fmt.Errorf("look at the project: %w", err)
	}
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		return nil, fmt.Errorf("look at the project: %w", err)
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFREG || flags&unix.O_ACCMODE == unix.O_WRONLY || flags&unix.O_PATH != 0 {
		return nil, ErrAccessDenied.With(errors.New("the project's descriptor is not of a regular file that is open for reading"))
	}
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, fmt.Errorf("keep the project: %w", err)
	}
	return os.NewFile(uintptr(own), "project"), nil
}

// maxFolder is the most projects that SubmitFolder takes.
const maxFolder = 10_000

type refusal struct{ Project, Reason string }

// submitFolder submits what the caller can see in a folder.
func (ms *MasterService) submitFolder(ctx context.Context, c *call) ([]any, error) {
	folder := c.args[0].(string)
	o, err := parseOptions(c.args[1])
	if err != nil {
		return nil, err
	}
	if o.Sequence != "" || o.First != 0 || o.End != 0 {
		return nil, standard(errInvalidArgs, "options sequence, first and end are for one project")
	}
	who, err := ms.auth.caller(ctx, c.sender)
	if err != nil {
		return nil, err
	}
	names, err := who.List(folder)
	if err != nil {
		return nil, advise(err)
	}
	jobs, refused := []submitted{}, []refusal{}
	if o.Output != "" {
		o.Output = strings.TrimSuffix(o.Output, "/") + "/"
	}
	for _, name := range names {
		if filepath.Ext(name) != ".ove" || strings.HasPrefix(name, ".") {
			continue
		}
		if len(jobs)+len(refused) >= maxFolder {
			return nil, fmt.Errorf("%s has more than %d projects: the others were not submitted", folder, maxFolder)
		}
		project := filepath.Join(folder, name)
		id, err := ms.submitPath(ctx, who, project, o)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			refused = append(refused, refusal{project, err.Error()})
		default:
			jobs = append(jobs, submitted{id, jobPath(id)})
		}
	}
	return []any{jobs, refused}, nil
}

// parseOptions reads a{sv} into Options. A wrong type or a name that is none is refused.
func parseOptions(arg any) (Options, error) {
	given := arg.(map[string]godbus.Variant)
	var o Options
	v := reflect.ValueOf(&o).Elem()
	known := 0
	for i := range v.NumField() {
		value, ok := given[v.Type().Field(i).Tag.Get("option")]
		if !ok {
			continue
		}
		known++
		if got := reflect.ValueOf(value.Value()); got.Type() != v.Field(i).Type() {
			name := v.Type().Field(i).Tag.Get("option")
			return o, standard(errInvalidArgs, fmt.Sprintf("option %s wants type %s, not %s", name, godbus.SignatureOfType(v.Field(i).Type()), value.Signature()))
		}
		v.Field(i).Set(reflect.ValueOf(value.Value()))
	}
	if known < len(given) {
		return o, standard(errInvalidArgs, fmt.Sprintf("the options are %s", strings.Join(optionNames(), ", ")))
	}
	// Without "..", by which the master could mean another folder than the one that is checked.
	if plain := strings.TrimSuffix(o.Output, "/"); o.Output != "" && (!filepath.IsAbs(plain) || filepath.Clean(plain) != plain) {
		return o, standard(errInvalidArgs, "option output wants an absolute path without dots and double slashes")
	}
	return o, nil
}

func optionNames() []string {
	var names []string
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Options]()) {
		names = append(names, f.Tag.Get("option"))
	}
	return names
}

// variants are the options that are not zero, for a call.
func (o *Options) variants() map[string]godbus.Variant {
	m := map[string]godbus.Variant{}
	v := reflect.ValueOf(o).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); !f.IsZero() {
			m[v.Type().Field(i).Tag.Get("option")] = godbus.MakeVariant(f.Interface())
		}
	}
	return m
}
