package olive

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"

	"olive-distributed/daemon/ove"
	"olive-distributed/daemon/render"
)

// readProject reads the plan's project, once more.
func readProject(p *render.Plan) ([]byte, error) {
	f, err := os.Open(p.Project)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, render.MaxProject))
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != p.Digest {
		return nil, fmt.Errorf("project %s has changed since its export began: start the export again", p.Project)
	}
	return data, nil
}

// changes are what the editor's copy of a project differs in: the media are where the plan has
// found them, the plan's sequence is the open one, and nothing sounds, since nobody would hear it.
type changes struct {
	media    map[int]string // by footage
	proxies  map[int]string
	sequence int
	nowhere  string // path for footage that the plan leaves out
}

func newChanges(s *render.Scene, nowhere string) *changes {
	c := &changes{media: map[int]string{}, proxies: map[int]string{}, sequence: s.Plan.Sequence, nowhere: nowhere}
	for _, m := range s.Plan.Media {
		if m.Proxy {
			c.proxies[m.Footage] = m.Path
		} else {
			c.media[m.Footage] = m.Path
		}
	}
	return c
}

// rewrite copies a project with the changes.
func (c *changes) rewrite(w io.Writer, project []byte) error {
	return ove.Rewrite(w, project, c.change)
}

// change changes a tag, or answers that it stays.
func (c *changes) change(t *ove.Tag) bool {
	switch t.Name() {
	case "footage":
		id := t.Number("id")
		path, ok := c.media[id]
		if !ok {
			path = c.nowhere
		}
		t.Set("url", path)
		proxy, ok := c.proxies[id]
		if !ok {
			t.Set("proxy", "0")
		}
		t.Set("proxypath", proxy)
	case "sequence":
		t.Drop("open")
		if t.Number("id") == c.sequence {
			t.Set("open", "1")
		}
	case "clip":
		if t.Number("track") < 0 { // below 0 are the pictures
			return false
		}
		t.Set("enabled", "0")
	case "effect":
		if t.Get("name") != plugin {
			return false
		}
		t.Set("name", "Left out/VST") // which no editor knows: nobody's program is loaded
	default:
		return false
	}
	return true
}
