package systemd

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestAFloodOfEntriesIsHeldBackAndTold(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(0, 0)
	log := slog.New(newQuiet(slog.NewTextHandler(&out, nil), func() time.Time { return now })).With("a", 1)
	for i := range 1000 {
		log.Info(fmt.Sprintf("refused number %d", i), "from", i)
		if i%100 == 0 {
			log.WithGroup("g").Warn(fmt.Sprintf("%c happens", 'a'+i/100))
		}
	}
	if got := strings.Count(out.String(), "refused number"); got != quietMost {
		t.Errorf("%d entries of 1000, want %d", got, quietMost)
	}
	if got := strings.Count(out.String(), "happens"); got != 10 {
		t.Errorf("%d of 10 other entries", got)
	}
	now = now.Add(quietWindow)
	log.Info("refused number 1000")
	if got := out.String(); !strings.Contains(got, `800 entries like \"refused number \" were held back`) || strings.Count(got, "refused number 1000") != 1 {
		t.Errorf("after the window it says %q", got[max(0, len(got)-300):])
	}
}
