package dbus

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	godbus "github.com/godbus/dbus/v5"
)

// A tree is the objects of a service at the moment.
type tree interface {
	// find returns one object with its properties; nodes between objects have none.
	find(ctx context.Context, p godbus.ObjectPath) (object, error)
	// managed returns the objects that come and go.
	managed(ctx context.Context) ([]object, error)
}

// An object is what a path stands for.
type object struct {
	path  godbus.ObjectPath
	iface string         // of ours; "": none
	props map[string]any // of iface; nil when they have to be asked for
	ask   func(context.Context) (map[string]any, error)
	root  bool // manages others
	inner bool // has others below
}

func (o *object) has(iface string) bool { return slices.Contains(o.interfaces(), iface) }

// interfaces are all that the object has.
func (o *object) interfaces() []string {
	list := []string{"org.freedesktop.DBus.Introspectable", "org.freedesktop.DBus.Peer"}
	if o.iface != "" {
		list = append(list, propertiesInterface, o.iface)
	}
	if o.root {
		list = append(list, objectsInterface)
	}
	return list
}

// errNoObject is the answer for a path that stands for nothing.
func errNoObject(p godbus.ObjectPath) error {
	return standard(errUnknownObject, fmt.Sprintf("there is no object %s", p))
}

// standardMethods are those that every service has.
func (s *service) standardMethods() map[string]method {
	return map[string]method{
		"org.freedesktop.DBus.Introspectable.Introspect": {open, s.introspect},
		propertiesInterface + ".Get":                     {open, s.get},
		propertiesInterface + ".GetAll":                  {open, s.getAll},
		propertiesInterface + ".Set":                     {open, s.set},
		objectsInterface + ".GetManagedObjects":          {open, s.managedObjects},
	}
}

func (s *service) introspect(ctx context.Context, c *call) ([]any, error) {
	o, err := s.tree.find(ctx, c.path)
	if err != nil {
		return nil, err
	}
	children, err := s.children(ctx, &o)
	return []any{s.spec.document(o.interfaces(), children)}, err
}

// children are the next names below an object.
func (s *service) children(ctx context.Context, o *object) ([]string, error) {
	if !o.inner {
		return nil, nil
	}
	all, err := s.tree.managed(ctx)
	if err != nil {
		return nil, err
	}
	paths := s.places()
	for _, m := range all {
		paths = append(paths, m.path)
	}
	var names []string
	for _, p := range paths {
		if rest, below := strings.CutPrefix(string(p), strings.TrimSuffix(string(o.path), "/")+"/"); below {
			name, _, _ := strings.Cut(rest, "/")
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// places are the nodes that are always there.
func (s *service) places() []godbus.ObjectPath {
	switch {
	case s.spec.interfaces[managerInterface] != nil:
		return []godbus.ObjectPath{masterPath + "/job", masterPath + "/worker"}
	case s.spec.interfaces[mounterInterface] != nil:
		return []godbus.ObjectPath{mounterPath}
	}
	return []godbus.ObjectPath{workerPath}
}

// shown is the object of a call about the properties of an interface.
func (s *service) shown(ctx context.Context, c *call) (*object, error) {
	o, err := s.tree.find(ctx, c.path)
	if err != nil {
		return nil, err
	}
	iface := c.args[0].(string)
	if iface != "" && iface != o.iface { // "" is any, by the specification
		if o.has(iface) {
			return &object{}, nil // without properties
		}
		return nil, standard(errUnknownInterface, fmt.Sprintf("%s has no interface %q", c.path, iface))
	}
	if o.ask != nil {
		o.props, err = o.ask(ctx)
	}
	return &o, err
}

func (s *service) get(ctx context.Context, c *call) ([]any, error) {
	o, err := s.shown(ctx, c)
	if err != nil {
		return nil, err
	}
	name := c.args[1].(string)
	v, ok := o.props[name]
	if !ok {
		return nil, standard(errUnknownProperty, fmt.Sprintf("there is no property %q", name))
	}
	return []any{godbus.MakeVariant(v)}, nil
}

func (s *service) getAll(ctx context.Context, c *call) ([]any, error) {
	o, err := s.shown(ctx, c)
	if err != nil {
		return nil, err
	}
	return []any{variants(o.props)}, nil
}

// set refuses: no property can be written.
func (s *service) set(ctx context.Context, c *call) ([]any, error) {
	if _, err := s.get(ctx, c); err != nil {
		return nil, err
	}
	return nil, standard(errReadOnly, fmt.Sprintf("property %s is read only", c.args[1]))
}

func (s *service) managedObjects(ctx context.Context, _ *call) ([]any, error) {
	all, err := s.tree.managed(ctx)
	if err != nil {
		return nil, err
	}
	m := make(map[godbus.ObjectPath]map[string]map[string]godbus.Variant, len(all))
	for _, o := range all {
		m[o.path] = s.added(&o)
	}
	return []any{m}, nil
}

// added is what GetManagedObjects and InterfacesAdded tell of an object.
func (s *service) added(o *object) map[string]map[string]godbus.Variant {
	props := variants(o.props)
	for _, p := range s.spec.interfaces[o.iface].Properties {
		if emits(p) == emitInvalidates {
			delete(props, p.Name) // too long for all at once
		}
	}
	return map[string]map[string]godbus.Variant{o.iface: props}
}

// inARow is how many signals go out before the bus must have taken them all. It carries one message after the
// other, and an answer would wait behind a thousand signals.
const inARow = 32

// emit sends a signal. One goroutine does.
func (s *service) emit(path godbus.ObjectPath, name string, values ...any) error {
	if s.emitted++; s.emitted%inARow == 0 {
		if err := s.conn.BusObject().CallWithContext(s.ctx, "org.freedesktop.DBus.GetId", 0).Err; err != nil {
			return err
		}
	}
	return s.conn.Emit(path, name, values...)
}

// change tells of the properties that differ, as the XML has it. skip are left for later.
func (s *service) change(old, now *object, skip func(name string) bool) (left bool, err error) {
	changed, invalid := map[string]godbus.Variant{}, []string{}
	for _, p := range s.spec.interfaces[now.iface].Properties {
		if reflect.DeepEqual(old.props[p.Name], now.props[p.Name]) {
			continue
		}
		how := emits(p)
		if how != emitTrue && how != emitInvalidates {
			continue
		}
		if skip(p.Name) {
			now.props[p.Name] = old.props[p.Name]
			left = true
			continue
		}
		if how == emitTrue {
			changed[p.Name] = godbus.MakeVariant(now.props[p.Name])
		} else {
			invalid = append(invalid, p.Name)
		}
	}
	if len(changed)+len(invalid) == 0 {
		return left, nil
	}
	return left, s.emit(now.path, propertiesInterface+".PropertiesChanged", now.iface, changed, invalid)
}
