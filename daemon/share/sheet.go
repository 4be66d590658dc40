package share

import (
	"bytes"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"olive-distributed/daemon/ove"
	"olive-distributed/daemon/render"
)

// A Sheet says how a job's files are called in its export. It is made once and kept with the job.
type Sheet struct {
	Digest string `json:"digest"` // SHA-256 of the export's project
	Media  []Item `json:"media"`  // those of the plan, in its order
}

// An Item is a medium in an export.
type Item struct {
	Name     string `json:"name"`               // "media/1-clip.mp4"; of an image sequence, a printf pattern
	Numbered bool   `json:"numbered,omitempty"` // it is an image sequence
}

// newSheet names the media of a plan: by their number in it, and by what they are called on the master.
func newSheet(project []byte, plan *render.Plan) (*Sheet, error) {
	p, _, err := render.ParseProject(project)
	if err != nil {
		return nil, err
	}
	footage := map[int]*ove.Footage{}
	for _, f := range p.Footage {
		footage[f.ID] = f
	}
	s := &Sheet{Media: []Item{}}
	for i, m := range plan.Media {
		f := footage[m.Footage]
		if f == nil {
			return nil, fmt.Errorf("the plan names footage %d, which the project does not have", m.Footage)
		}
		s.Media = append(s.Media, name(i+1, m, f))
	}
	return s, nil
}

// number is where an image sequence has its number: %d or %0Nd in the file's name.
var number = regexp.MustCompile(`^([^%]*)(%0?[0-9]*d)([^%]*)$`)

func name(n int, m render.Medium, f *ove.Footage) Item {
	base := filepath.Base(m.Path)
	if parts := number.FindStringSubmatch(base); parts != nil && f.IsImageSequence() && !m.Proxy {
		return Item{
			Name: fmt.Sprintf("media/%d-%s%s%s", n, plain(parts[1]), parts[2], plain(parts[3])), Numbered: true,
		}
	}
	return Item{Name: fmt.Sprintf("media/%d-%s", n, plain(base))}
}

const longest = 64 // bytes of a name, from its end, which tells what it is

// plain replaces what a file's name had better not have, and what ffmpeg would take for a pattern.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '-', r == '_':
			return r
		}
		return '_'
	}, s)
	return s[max(0, len(s)-longest):]
}

// nowhere is where footage lies that the plan leaves out.
const nowhere = "media/left-out"

// rewrite gives a project the paths of the export, relative to itself: so they are good wherever it is mounted, for an
// editor too.
func (s *Sheet) rewrite(project []byte, plan *render.Plan) ([]byte, error) {
	media, proxies := map[int]string{}, map[int]string{}
	for i, m := range plan.Media {
		if m.Proxy {
			proxies[m.Footage] = s.Media[i].Name
		} else {
			media[m.Footage] = s.Media[i].Name
		}
	}
	var b bytes.Buffer
	err := ove.Rewrite(&b, project, func(t *ove.Tag) bool {
		if t.Name() != "footage" {
			return false
		}
		id := t.Number("id")
		path, ok := media[id]
		if !ok {
			path = nowhere
		}
		t.Set("url", path)
		proxy, ok := proxies[id]
		if !ok {
			t.Set("proxy", "0")
		}
		t.Set("proxypath", proxy)
		return true
	})
	return b.Bytes(), err
}
