package config

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
)

// Values of a worker's Media.Transport; the master has only the first two.
const (
	Auto   = "auto"
	Local  = "local"
	NFS    = "nfs"
	Shared = "shared"
)

// A PathRule says that what the master knows below From lies below To on the worker.
type PathRule struct{ From, To string }

// rules are a list of tables, [[media.map]] or inline.
type rules struct{ to *[]PathRule }

func (r rules) get() any {
	all := make([]any, len(*r.to))
	for i, rule := range *r.to {
		all[i] = map[string]any{"from": rule.From, "to": rule.To}
	}
	return all
}

func (r rules) set(v any) error {
	var tables []any
	switch v := v.(type) {
	case []any:
		tables = v
	case []map[string]any:
		for _, t := range v {
			tables = append(tables, t)
		}
	default:
		return fmt.Errorf(`must be a list such as [{ from = "/srv/media", to = "/mnt/media" }], not %s`, kind(v))
	}
	if len(tables) > maxList {
		return fmt.Errorf("has %d elements: must be at most %d", len(tables), maxList)
	}
	var list []PathRule
	for i, t := range tables {
		rule, err := ruleOf(t)
		if err == nil && slices.ContainsFunc(list, func(o PathRule) bool { return o.From == rule.From }) {
			err = fmt.Errorf("has %q twice", rule.From)
		}
		if err != nil {
			return fmt.Errorf("element %d: %w", i+1, err)
		}
		list = append(list, rule)
	}
	*r.to = list
	return nil
}

func ruleOf(v any) (rule PathRule, err error) {
	table, ok := v.(map[string]any)
	if !ok {
		return rule, fmt.Errorf(`must be a table such as { from = "/srv/media", to = "/mnt/media" }, not %s`, kind(v))
	}
	for name, v := range table {
		var to *string
		switch name {
		case "from":
			to = &rule.From
		case "to":
			to = &rule.To
		default:
			return rule, fmt.Errorf("there is no %q in it: must be from and to", name)
		}
		s, err := text(v, "/srv/media")
		if err == nil && (!filepath.IsAbs(s) || len(s) > maxPath) {
			err = fmt.Errorf("is %q: must be a path that begins with /", s)
		}
		if err != nil {
			return rule, fmt.Errorf("%s %w", name, err)
		}
		*to = filepath.Clean(s)
	}
	if rule.From == "" || rule.To == "" {
		return rule, errors.New("must have both, from and to")
	}
	return rule, nil
}

// A loopback is a port on this machine that no other can reach.
type loopback struct{ to *string }

func (l loopback) get() any { return *l.to }

func (l loopback) set(v any) error {
	s, err := text(v, *l.to)
	if err != nil {
		return err
	}
	a, err := netip.ParseAddrPort(s)
	if err != nil || !a.Addr().IsLoopback() || a.Port() == 0 {
		return fmt.Errorf(`is %q: must be an address that only this machine reaches, such as "127.0.0.1:7481"`, s)
	}
	*l.to = s
	return nil
}
