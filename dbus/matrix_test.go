package dbus_test

import (
	"encoding/xml"
	"fmt"
	"os"
	"strings"
	"testing"

	godbus "github.com/godbus/dbus/v5"
	"github.com/godbus/dbus/v5/introspect"

	"olive-distributed/daemon/farm"
	"olive-distributed/dbus"
)

// own is how a matrix row tells an own job from another's.
type who struct {
	name string
	own  uint32 // job
}

var people = []who{{"root", 1}, {"member", 2}, {"other", 3}}

const strangers = 4 // a job that belongs to none of them

// A right says who gets through: everybody, the group and root, root, or nobody but owners.
type right int

const (
	all    right = iota
	group        // members, and root
	admin        // root
	owners       // whose job it is, members, and root
	fds          // as group, and the bus itself refuses others
)

// rights has each method that the XML has.
var rights = map[string]right{
	"Manager.Submit": group, "Manager.SubmitFd": fds, "Manager.SubmitFolder": group,
	"Manager.Cancel": owners, "Manager.Pause": owners, "Manager.Resume": owners, "Manager.Retry": owners,
	"Manager.SetPriority": owners, "Manager.Forget": owners,
	"Manager.GetJob": all, "Manager.GetLog": all, "Manager.ListJobs": all, "Manager.ListWorkers": all,
	"Manager.CreateToken": admin, "Manager.Revoke": admin, "Manager.Reload": admin,
	"Job.Cancel": owners, "Job.Pause": owners, "Job.Resume": owners,
	"Worker.Pause": group, "Worker.Resume": group, "Worker.Drain": group,
}

func (r right) allows(p who, job uint32) bool {
	switch r {
	case all:
		return true
	case group, fds:
		return p.name != "other"
	case owners:
		return p.name != "other" || job == p.own
	}
	return p.name == "root"
}

func parse(t testing.TB, text string) []introspect.Interface {
	t.Helper()
	var n introspect.Node
	if err := xml.Unmarshal([]byte(text), &n); err != nil {
		t.Fatal(err)
	}
	return n.Interfaces
}

// arguments are such as the XML asks for.
func arguments(t testing.TB, m introspect.Method, job uint32, path string) []any {
	var args []any
	for _, a := range m.Args {
		if a.Direction != "in" {
			continue
		}
		switch {
		case a.Type == "u":
			args = append(args, job)
		case a.Type == "i":
			args = append(args, int32(5))
		case a.Type == "s" && a.Name == "worker":
			args = append(args, "w-1")
		case a.Type == "s" && a.Name == "folder":
			args = append(args, path[:strings.LastIndex(path, "/")])
		case a.Type == "s":
			args = append(args, path)
		case a.Type == "a{sv}":
			args = append(args, map[string]godbus.Variant{})
		case a.Type == "h":
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { f.Close() })
			args = append(args, godbus.UnixFD(f.Fd()))
		default:
			t.Fatalf("%s: no argument of type %s", m.Name, a.Type)
		}
	}
	return args
}

func object(iface string, job uint32) godbus.ObjectPath {
	switch iface {
	case "Job":
		return dbus.JobPath(job)
	case "Worker":
		return dbus.MemberPath("w-1")
	}
	return "/org/olive/Master1"
}

func fakeJobs() *fakeMaster {
	f := newFake()
	f.add(dbus.Job{ID: strangers, Owner: 54321, State: farm.Running})
	return f
}

// TestMatrix calls every method as everybody, about an own job and another's, with and without
// leave to ask for a password. Nobody is there to be asked.
func TestMatrix(t *testing.T) {
	f := fakeJobs()
	path := project(t, 0o644)
	conns := map[string]*godbus.Conn{}
	for _, p := range people {
		uid, _, _ := ids(t, p.name)
		f.add(dbus.Job{ID: p.own, Owner: uid, State: farm.Running})
		conns[p.name] = dialAs(t, p.name)
	}
	serveMaster(t, f)
	calls, seen := 0, map[string]bool{}
	for _, i := range parse(t, dbus.MasterXML) {
		iface := i.Name[strings.LastIndex(i.Name, ".")+1:]
		for _, m := range i.Methods {
			name := iface + "." + m.Name
			right, known := rights[name]
			if !known {
				t.Errorf("%s is in the XML and not in this test", name)
			}
			seen[name] = true
			for _, p := range people {
				for _, job := range []uint32{p.own, strangers} {
					for _, interactive := range []bool{false, true} {
						f.done()
						calls++
						_, err := call(t.Context(), conns[p.name], dbus.MasterName, object(iface, job), i.Name, m.Name, interactive, arguments(t, m, job, path)...)
						checkRight(t, fmt.Sprintf("%s by %s about job %d, interactive %v", name, p.name, job, interactive), right, right.allows(p, job), err, f.done())
					}
				}
			}
		}
	}
	for name := range rights {
		if !seen[name] {
			t.Errorf("%s is in this test and not in the XML", name)
		}
	}
	t.Logf("%d calls", calls)
}

func checkRight(t *testing.T, what string, r right, allowed bool, err error, did []string) {
	t.Helper()
	want := "org.olive.Error.NotAuthorized"
	if r == fds {
		want = "org.freedesktop.DBus.Error.AccessDenied"
	}
	switch {
	case allowed && err != nil:
		t.Errorf("%s: got %v, want it done", what, err)
	case allowed && r != all && len(did) == 0:
		t.Errorf("%s: nothing was done", what)
	case !allowed && errorName(err) != want:
		t.Errorf("%s: got %v, want %s", what, err, want)
	case !allowed && len(did) > 0:
		t.Errorf("%s: refused, and yet the master was told to %q", what, did)
	}
}

// TestWorkerMatrix is the same for the worker's own service.
func TestWorkerMatrix(t *testing.T) {
	f := &fakeWorker{}
	serveWorker(t, f)
	for _, m := range parse(t, dbus.WorkerXML)[0].Methods {
		for _, p := range people {
			for _, interactive := range []bool{false, true} {
				f.done()
				_, err := call(t.Context(), dialAs(t, p.name), dbus.WorkerName, "/org/olive/Worker1", "org.olive.Worker1", m.Name, interactive)
				checkRight(t, fmt.Sprintf("%s by %s", m.Name, p.name), group, group.allows(p, 0), err, f.done())
			}
		}
	}
}

func TestEveryMethodHasItsGate(t *testing.T) {
	services := map[string]map[string][2]bool{dbus.MasterXML: serveMaster(t, newFake()).Gates(), dbus.WorkerXML: serveWorker(t, &fakeWorker{}).Gates()}
	for text, gates := range services {
		methods := map[string]bool{}
		for _, i := range parse(t, text) {
			for _, m := range i.Methods {
				name := i.Name + "." + m.Name
				methods[name] = true
				if g, ok := gates[name]; !ok || !g[1] {
					t.Errorf("%s has no gate", name)
				}
			}
		}
		for name, g := range gates {
			if !methods[name] && !strings.HasPrefix(name, "org.freedesktop.DBus.") {
				t.Errorf("%s is served and not in the XML", name)
			}
			if short := strings.TrimPrefix(name, "org.olive.Master1."); g[0] && methods[name] && rights[short] != all {
				t.Errorf("%s is open to everybody", name)
			}
		}
	}
}
