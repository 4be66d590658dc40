package bus

import (
	"slices"
	"strings"
	"sync"
)

// routes says which subscriptions of workers a subject reaches.
type routes struct {
	mu sync.RWMutex
	by map[string][]*interest // by their prefix
}

// An interest is a worker's subscription: to one subject, or to those below one.
type interest struct {
	session *session
	sid     string
	prefix  string // without the wildcard
	wild    string // "", "*" for one more word, ">" for one or more
}

// newInterest reads a subject with a wildcard, which only the last word may be.
func newInterest(s *session, subject, sid string) (*interest, bool) {
	i := &interest{session: s, sid: sid, prefix: subject}
	if at := strings.LastIndexByte(subject, '.'); at >= 0 {
		if last := subject[at+1:]; last == "*" || last == ">" {
			i.prefix, i.wild = subject[:at], last
		}
	}
	for w := range strings.SplitSeq(i.prefix, ".") {
		if w == "" || w == "*" || w == ">" {
			return nil, false
		}
	}
	return i, true
}

func (r *routes) add(i *interest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.by[i.prefix] = append(r.by[i.prefix], i)
}

func (r *routes) remove(i *interest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.by[i.prefix]
	list = slices.DeleteFunc(list, func(other *interest) bool { return other == i })
	if r.by[i.prefix] = list; len(list) == 0 {
		delete(r.by, i.prefix)
	}
}

// each calls f for the interests that a subject reaches. F must not wait.
func (r *routes) each(subject string, f func(i *interest)) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	r.visit(subject, "", f)
	wilds := "*>" // one word below the first prefix, several below the others
	for at := strings.LastIndexByte(subject, '.'); at >= 0; at = strings.LastIndexByte(subject[:at], '.') {
		r.visit(subject[:at], wilds, f)
		wilds = ">"
	}
}

func (r *routes) visit(prefix, wilds string, f func(i *interest)) {
	for _, i := range r.by[prefix] {
		if i.wild == wilds || i.wild != "" && strings.Contains(wilds, i.wild) {
			f(i)
		}
	}
}
