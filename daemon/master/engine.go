package master

import (
	"fmt"
	"slices"
	"strings"

	"olive-distributed/daemon/render"
)

// engine finds an engine by its name.
func (m *Master) engine(name string) (render.Engine, error) {
	if name == "" {
		return m.cfg.Engine, nil
	}
	var names []string
	for _, e := range append([]render.Engine{m.cfg.Engine}, m.cfg.More...) {
		if e.Name() == name {
			return e, nil
		}
		names = append(names, e.Name())
	}
	return nil, fmt.Errorf("there is no engine %q: use one of %s", name, strings.Join(names, ", "))
}

// engineMark is the mark, "NAME@…", of the build of an engine that most workers have: parts of
// different builds cannot be joined. It is empty when no worker announces one, as for an engine
// that is the same everywhere.
func (m *Master) engineMark(name string) []string {
	votes := map[string]int{}
	for _, w := range m.farm.Workers() {
		for _, mark := range w.Spec.Presets {
			if w.Live && strings.HasPrefix(mark, name+"@") {
				votes[mark]++
			}
		}
	}
	best := ""
	for mark, n := range votes {
		if n > votes[best] || n == votes[best] && mark < best {
			best = mark
		}
	}
	return slices.DeleteFunc([]string{best}, func(s string) bool { return s == "" })
}
