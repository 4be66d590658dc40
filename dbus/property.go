package dbus

import (
	"fmt"
	"path"
	"reflect"
	"strconv"
	"strings"
	"time"

	godbus "github.com/godbus/dbus/v5"
)

// jobPath is the object of a job, "/" for 0.
func jobPath(id uint32) godbus.ObjectPath {
	if id == 0 {
		return "/"
	}
	return masterPath + "/job/" + godbus.ObjectPath(strconv.FormatUint(uint64(id), 10))
}

// jobOf is the job of an object, 0 for none.
func jobOf(p godbus.ObjectPath) uint32 {
	name, ok := strings.CutPrefix(string(p), string(masterPath)+"/job/")
	id, err := strconv.ParseUint(name, 10, 32)
	if !ok || err != nil || jobPath(uint32(id)) != p { // "+7" and "007" are no job
		return 0
	}
	return uint32(id)
}

// memberPath is the object of a worker. Letters and digits stand for themselves, a digit not at
// the begin; anything else becomes _XX. An empty name is "_".
func memberPath(name string) godbus.ObjectPath {
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' && i > 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "_%02x", c)
		}
	}
	if name == "" {
		b.WriteByte('_')
	}
	return masterPath + "/worker/" + godbus.ObjectPath(b.String())
}

// memberOf is the worker of an object.
func memberOf(p godbus.ObjectPath) (name string, ok bool) {
	dir, text := path.Split(string(p))
	if dir != string(masterPath)+"/worker/" {
		return "", false
	}
	var b strings.Builder
	for i := 0; i < len(text) && text != "_"; i++ {
		c := text[i]
		if c == '_' {
			if i+3 > len(text) {
				return "", false
			}
			n, err := strconv.ParseUint(text[i+1:i+3], 16, 8)
			if err != nil {
				return "", false
			}
			c = byte(n)
			i += 2
		}
		b.WriteByte(c)
	}
	return b.String(), memberPath(b.String()) == p
}

// properties returns what an object shows: the tagged fields of a struct, as D-Bus has them.
// Points in time become microseconds.
func properties(v any) map[string]any {
	props := map[string]any{}
	s := reflect.ValueOf(v)
	for i := range s.NumField() {
		name, as, ok := tag(s.Type().Field(i))
		if !ok {
			continue
		}
		switch f := s.Field(i).Interface().(type) {
		case time.Time:
			props[name] = microseconds(f)
		case uint32:
			props[name] = f
			if as == "jobpath" {
				props[name] = jobPath(f)
			}
		default:
			props[name] = plain(s.Field(i))
		}
	}
	return props
}

func tag(f reflect.StructField) (name, as string, ok bool) {
	text, ok := f.Tag.Lookup("dbus")
	name, as, _ = strings.Cut(text, ",")
	return name, as, ok
}

// plain turns named strings, which no receiver knows, into strings, and nil lists into empty ones.
func plain(v reflect.Value) any {
	switch {
	case v.Kind() == reflect.String:
		return v.String()
	case v.Kind() == reflect.Slice && v.IsNil():
		return reflect.MakeSlice(v.Type(), 0, 0).Interface()
	}
	return v.Interface()
}

func microseconds(t time.Time) uint64 {
	if t.IsZero() || t.Unix() < 0 {
		return 0
	}
	return uint64(t.UnixMicro())
}

func moment(us uint64) time.Time {
	if us == 0 || us > 1<<62 {
		return time.Time{}
	}
	return time.UnixMicro(int64(us))
}

// setProperties puts what the bus says into the tagged fields of the struct that v points to.
// Names that it does not have are from a newer daemon, and are left out.
func setProperties(v any, props map[string]godbus.Variant) error {
	s := reflect.ValueOf(v).Elem()
	for i := range s.NumField() {
		name, as, _ := tag(s.Type().Field(i))
		value, ok := props[name]
		if !ok {
			continue
		}
		var err error
		switch f := s.Field(i).Addr().Interface().(type) {
		case *time.Time:
			var us uint64
			err = value.Store(&us)
			*f = moment(us)
		case *uint32:
			if as == "jobpath" {
				var p godbus.ObjectPath
				err = value.Store(&p)
				*f = jobOf(p)
			} else {
				err = value.Store(f)
			}
		default:
			err = value.Store(f)
		}
		if err != nil {
			return fmt.Errorf("property %s: %w", name, err)
		}
	}
	return nil
}

// variants wraps values for the bus.
func variants(props map[string]any) map[string]godbus.Variant {
	m := make(map[string]godbus.Variant, len(props))
	for name, v := range props {
		m[name] = godbus.MakeVariant(v)
	}
	return m
}
