package dbus_test

import (
	"encoding/xml"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	godbus "github.com/godbus/dbus/v5"
	"github.com/godbus/dbus/v5/introspect"

	"olive-distributed/daemon/farm"
	"olive-distributed/dbus"
)

func TestEveryMemberIsDocumented(t *testing.T) {
	for _, text := range []string{dbus.MasterXML, dbus.WorkerXML} {
		lines := strings.Split(text, "\n")
		members := 0
		for n, line := range lines {
			if !regexp.MustCompile(`^\s*<(method|signal|property) `).MatchString(line) {
				continue
			}
			members++
			if !strings.HasSuffix(lines[n-1], "-->") {
				t.Errorf("line %d has no comment before it: %s", n+1, line)
			}
		}
		if members < 10 {
			t.Errorf("%d members: the test does not see them", members)
		}
	}
}

// interfaceText is an interface as it stands in the file.
func interfaceText(t *testing.T, file, name string) string {
	t.Helper()
	begin := strings.Index(file, `  <interface name="`+name+`">`)
	end := strings.Index(file[max(begin, 0):], "</interface>\n")
	if begin < 0 || end < 0 {
		t.Fatalf("the file has no interface %s", name)
	}
	return file[begin : begin+end+len("</interface>\n")]
}

func TestIntrospectionIsTheFile(t *testing.T) {
	f := newFake()
	f.add(dbus.Job{ID: 7})
	serveMaster(t, f)
	serveWorker(t, &fakeWorker{})
	conn := dialAs(t, "other")
	for path, want := range map[godbus.ObjectPath]struct{ name, iface, children string }{
		"/":                               {dbus.MasterName, "", "org"},
		"/org/olive":                      {dbus.MasterName, "", "Master1"},
		"/org/olive/Master1":              {dbus.MasterName, "org.olive.Master1.Manager", "job worker"},
		"/org/olive/Master1/job":          {dbus.MasterName, "", "7"},
		"/org/olive/Master1/job/7":        {dbus.MasterName, "org.olive.Master1.Job", ""},
		"/org/olive/Master1/worker/w_2d1": {dbus.MasterName, "org.olive.Master1.Worker", ""},
		"/org/olive/Worker1":              {dbus.WorkerName, "org.olive.Worker1", ""},
	} {
		body, err := call(t.Context(), conn, want.name, path, "org.freedesktop.DBus.Introspectable", "Introspect", false)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		text := body[0].(string)
		var n introspect.Node
		if err := xml.Unmarshal([]byte(text), &n); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		var children, ours []string
		for _, c := range n.Children {
			children = append(children, c.Name)
		}
		for _, i := range n.Interfaces {
			if strings.HasPrefix(i.Name, "org.olive.") {
				ours = append(ours, i.Name)
			}
		}
		if got := strings.Join(children, " "); got != want.children {
			t.Errorf("%s has children %q, want %q", path, got, want.children)
		}
		if got := strings.Join(ours, " "); got != want.iface {
			t.Errorf("%s has interfaces %q, want %q", path, got, want.iface)
		}
		file := dbus.MasterXML
		if want.name == dbus.WorkerName {
			file = dbus.WorkerXML
		}
		if want.iface != "" && !strings.Contains(text, interfaceText(t, file, want.iface)) {
			t.Errorf("%s: interface %s is not as in the file", path, want.iface)
		}
	}
}

// TestPropertiesAreThoseOfTheFile compares names and types, with values and without.
func TestPropertiesAreThoseOfTheFile(t *testing.T) {
	f := newFake()
	f.add(dbus.Job{ID: 1})
	f.add(dbus.Job{ID: 2, State: farm.Running, Ranges: []dbus.Range{{Workers: []string{"a"}}}})
	f.workers = append(f.workers, dbus.Member{Name: "empty"})
	serveMaster(t, f)
	serveWorker(t, &fakeWorker{})
	conn := dialAs(t, "other")
	xmls := map[string]introspect.Interface{}
	for _, i := range slices.Concat(parse(t, dbus.MasterXML), parse(t, dbus.WorkerXML)) {
		xmls[i.Name] = i
	}
	for path, iface := range map[godbus.ObjectPath]string{
		"/org/olive/Master1": "org.olive.Master1.Manager", dbus.JobPath(1): "org.olive.Master1.Job", dbus.JobPath(2): "org.olive.Master1.Job",
		dbus.MemberPath("w-1"): "org.olive.Master1.Worker", dbus.MemberPath("empty"): "org.olive.Master1.Worker",
		"/org/olive/Worker1": "org.olive.Worker1",
	} {
		name := dbus.MasterName
		if iface == dbus.WorkerName {
			name = dbus.WorkerName
		}
		var props map[string]godbus.Variant
		if err := conn.Object(name, path).Call("org.freedesktop.DBus.Properties.GetAll", 0, iface).Store(&props); err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		var want []string
		for _, p := range xmls[iface].Properties {
			want = append(want, p.Name)
			one, err := conn.Object(name, path).GetProperty(iface + "." + p.Name)
			if err != nil || one.Signature().String() != p.Type {
				t.Errorf("%s: property %s is %v, %v, want type %s", path, p.Name, one, err, p.Type)
			}
		}
		slices.Sort(want)
		if got := slices.Sorted(maps.Keys(props)); !slices.Equal(got, want) {
			t.Errorf("%s: got %v\nwant %v", path, got, want)
		}
	}
}

// TestEveryChangeIsSeen changes each property of a job of which a change is to be told.
func TestEveryChangeIsSeen(t *testing.T) {
	emits := map[string]bool{}
	for _, i := range parse(t, dbus.MasterXML) {
		for _, p := range i.Properties {
			if i.Name == "org.olive.Master1.Job" && len(p.Annotations) == 0 {
				emits[p.Name] = true
			}
		}
	}
	fields := reflect.VisibleFields(reflect.TypeFor[dbus.Job]())
	for _, f := range fields {
		name, _, _ := strings.Cut(f.Tag.Get("dbus"), ",")
		if !emits[name] {
			continue
		}
		var j dbus.Job
		switch v := reflect.ValueOf(&j).Elem().FieldByIndex(f.Index); {
		case v.Kind() == reflect.String:
			v.SetString("x")
		case v.CanInt():
			v.SetInt(1)
		case v.CanUint():
			v.SetUint(1)
		case v.CanFloat():
			v.SetFloat(1)
		default:
			v.Set(reflect.ValueOf(time.Unix(1, 0)))
		}
		if dbus.SameJob(dbus.Job{}, j) {
			t.Errorf("a change of %s is not seen", f.Name)
		}
	}
	if len(emits) < 8 || !dbus.SameJob(dbus.Job{}, dbus.Job{}) {
		t.Errorf("%d properties; the test does not see them", len(emits))
	}
}

func TestRefusedCalls(t *testing.T) {
	f := newFake()
	f.add(dbus.Job{ID: 1})
	serveMaster(t, f)
	conn := dialAs(t, "root")
	const manager, job, properties = "org.olive.Master1.Manager", "org.olive.Master1.Job", "org.freedesktop.DBus.Properties"
	const root = godbus.ObjectPath("/org/olive/Master1")
	for name, c := range map[string]struct {
		path          godbus.ObjectPath
		iface, member string
		args          []any
		want          string
	}{
		"a job that is not there":               {root, manager, "Cancel", []any{uint32(9)}, "org.olive.Error.NoSuchJob"},
		"job 0":                                 {root, manager, "GetJob", []any{uint32(0)}, "org.olive.Error.NoSuchJob"},
		"the object of one":                     {dbus.JobPath(9), job, "Cancel", nil, "org.freedesktop.DBus.Error.UnknownObject"},
		"another spelling of a job":             {"/org/olive/Master1/job/01", job, "Cancel", nil, "org.freedesktop.DBus.Error.UnknownObject"},
		"a worker that is not there":            {dbus.MemberPath("x"), "org.olive.Master1.Worker", "Pause", nil, "org.freedesktop.DBus.Error.UnknownObject"},
		"a method that is not there":            {root, manager, "Explode", nil, "org.freedesktop.DBus.Error.UnknownMethod"},
		"a method of another object":            {root, job, "Cancel", nil, "org.freedesktop.DBus.Error.UnknownInterface"},
		"a wrong type":                          {root, manager, "Cancel", []any{int32(1)}, "org.freedesktop.DBus.Error.InvalidArgs"},
		"too few":                               {root, manager, "Cancel", nil, "org.freedesktop.DBus.Error.InvalidArgs"},
		"too many":                              {root, manager, "ListJobs", []any{"x"}, "org.freedesktop.DBus.Error.InvalidArgs"},
		"a property that is not there":          {root, properties, "Get", []any{manager, "Colour"}, "org.freedesktop.DBus.Error.UnknownProperty"},
		"a property of an interface not there":  {root, properties, "Get", []any{"x.y", "Version"}, "org.freedesktop.DBus.Error.UnknownInterface"},
		"writing":                               {root, properties, "Set", []any{manager, "Version", godbus.MakeVariant("2")}, "org.freedesktop.DBus.Error.PropertyReadOnly"},
		"an option that is none":                {root, manager, "Submit", []any{"/x.ove", map[string]godbus.Variant{"colour-of-sky": godbus.MakeVariant("blue")}}, "org.freedesktop.DBus.Error.InvalidArgs"},
		"an option of a wrong type":             {root, manager, "Submit", []any{"/x.ove", map[string]godbus.Variant{"split": godbus.MakeVariant("two")}}, "org.freedesktop.DBus.Error.InvalidArgs"},
		"an output with dots":                   {root, manager, "Submit", []any{"/x.ove", map[string]godbus.Variant{"output": godbus.MakeVariant("/srv/../etc/x.mp4")}}, "org.freedesktop.DBus.Error.InvalidArgs"},
		"a project that is not there":           {root, manager, "Submit", []any{"/nothing.ove", map[string]godbus.Variant{}}, "org.olive.Error.BadProject"},
		"a project without a folder":            {root, manager, "Submit", []any{"film.ove", map[string]godbus.Variant{}}, "org.olive.Error.AccessDenied"},
		"one sequence of a folder of projects":  {root, manager, "SubmitFolder", []any{"/tmp", map[string]godbus.Variant{"sequence": godbus.MakeVariant("x")}}, "org.freedesktop.DBus.Error.InvalidArgs"},
		"a lifetime beyond all times":           {root, manager, "CreateToken", []any{"w", map[string]godbus.Variant{"lifetime": godbus.MakeVariant(^uint64(0))}}, "org.freedesktop.DBus.Error.InvalidArgs"},
		"objects of an object that has none":    {dbus.JobPath(1), "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", nil, "org.freedesktop.DBus.Error.UnknownInterface"},
		"introspection of nothing":              {"/org/olive/Master2", "org.freedesktop.DBus.Introspectable", "Introspect", nil, "org.freedesktop.DBus.Error.UnknownObject"},
		"an empty variant list for the options": {root, manager, "Submit", []any{"/x.ove", map[string]string{}}, "org.freedesktop.DBus.Error.InvalidArgs"},
	} {
		t.Run(name, func(t *testing.T) {
			body, err := call(t.Context(), conn, dbus.MasterName, c.path, c.iface, c.member, false, c.args...)
			if errorName(err) != c.want {
				t.Errorf("got %v, %s (%v), want %s", body, errorName(err), err, c.want)
			}
			if did := f.done(); len(did) > 0 {
				t.Errorf("refused, and yet the master was told to %q", did)
			}
		})
	}
}

func TestErrorsHaveTheirNames(t *testing.T) {
	f := newFake()
	f.add(dbus.Job{ID: 1})
	serveMaster(t, f)
	client := clientAs(t, "root")
	for name, test := range map[string]struct{ give, want error }{
		"no job":        {farm.ErrNoJob, dbus.ErrNoSuchJob},
		"no worker":     {farm.ErrNoWorker, dbus.ErrNoSuchWorker},
		"wrong state":   {&farm.StateError{Job: 1, State: farm.Done, Want: "cancel"}, dbus.ErrWrongState},
		"bad project":   {dbus.ErrBadProject.With(farm.ErrBadSpec), dbus.ErrBadProject},
		"missing media": {dbus.ErrMissingMedia, dbus.ErrMissingMedia},
		"full":          {dbus.ErrUnavailable, dbus.ErrUnavailable},
		"anything":      {farm.ErrBadEvent, dbus.ErrFailed},
	} {
		f.mu.Lock()
		f.fail = test.give
		f.mu.Unlock()
		err := client.DoJob(t.Context(), 1, "cancel")
		if e, ok := err.(*dbus.Error); !ok || !e.Is(test.want) || e.Text != test.give.Error() {
			t.Errorf("%s: got %v, want %v with the text %q", name, err, test.want, test.give)
		}
	}
}

func FuzzPaths(f *testing.F) {
	for _, s := range []string{"", "w-1", "_", "7", "a.b_c", "ä", "\x00", "/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		p := dbus.MemberPath(name)
		if back, ok := dbus.MemberOf(p); !p.IsValid() || !ok || back != name {
			t.Errorf("%q → %s → %q, %v", name, p, back, ok)
		}
		if back, ok := dbus.MemberOf(godbus.ObjectPath("/org/olive/Master1/worker/" + name)); ok && string(dbus.MemberPath(back)) != "/org/olive/Master1/worker/"+name {
			t.Errorf("%q is the worker %q, whose path is another", name, back)
		}
		if id := dbus.JobOf(godbus.ObjectPath("/org/olive/Master1/job/" + name)); id != 0 && string(dbus.JobPath(id)) != "/org/olive/Master1/job/"+name {
			t.Errorf("%q is job %d", name, id)
		}
	})
}
