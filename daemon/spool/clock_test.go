package spool_test

import (
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"olive-distributed/daemon/spool"
)

// still moves the clock; the spool does what is due.
func still(d time.Duration) {
	time.Sleep(d) // of the bubble's clock
	synctest.Wait()
}

func TestASlowWriterIsTakenOnceAndWhole(t *testing.T) {
	for name, hints := range map[string]bool{"with events": true, "without events, as over NFS": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := open(t, t.TempDir(), newFarm(), spool.Options{})
				heard := r.Script(spool.Lost())
				r.run()
				still(time.Second)
				f, err := os.Create(r.in("incoming", "a.ove"))
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				text := "<project>" + strings.Repeat("<clip/>", 1000) + "</project>"
				if hints {
					heard <- spool.Made("a.ove")
				}
				const bursts = 20 // 3 s apart: each could be taken for the last
				for i := range bursts {
					if _, err := f.WriteString(text[i*len(text)/bursts : (i+1)*len(text)/bursts]); err != nil {
						t.Fatal(err)
					}
					if hints {
						heard <- spool.Wrote("a.ove")
					}
					if i < bursts-1 {
						still(3 * time.Second)
						r.none()
					}
				}
				last := time.Now()
				d := <-r.drops
				took := time.Since(last)
				t.Logf("accepted %v after the last write", took)
				if hints && took > 5*time.Second || took > 34*time.Second {
					t.Errorf("accepted %v after the last write", took)
				}
				if data, err := os.ReadFile(d.Project); string(data) != text {
					t.Errorf("taken with %d of %d bytes, %v", len(data), len(text), err)
				}
				still(time.Hour)
				r.none()
				r.wantNames("failed", "")
				r.stop()
			})
		})
	}
}

func TestABrokenProjectHasFiveMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, t.TempDir(), newFarm(), spool.Options{})
		r.Script(spool.Blind()) // no events at all, as at the limit of inotify
		r.run()
		r.write("<project>", "incoming", "broken.ove")
		r.write("<project>", "incoming", "mended.ove")
		still(4 * time.Minute)
		r.wantNames("incoming", "broken.ove mended.ove")
		if p := r.Pending(); len(p) != 2 || !strings.Contains(p[0].Why, "ends in the middle") {
			t.Errorf("pending %v", p)
		}
		r.write(whole, "incoming", "mended.ove")
		still(5 * time.Second) // blind, it is looked at every 2 s
		if d := <-r.drops; d.Name != "mended.ove" {
			t.Errorf("submitted %+v", d)
		}
		still(90 * time.Second)
		r.wantNames("failed", "broken.ove broken.ove.log")
		r.wantLog("failed/broken.ove.log", errNoEnd.Error())
		r.stop()
	})
}

func TestWhatNoEventTellsIsFoundByTheRegularLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, t.TempDir(), newFarm(), spool.Options{})
		heard := r.Script(spool.Lost())
		r.run()
		still(time.Minute)
		r.write(whole, "incoming", "silent.ove")
		still(33 * time.Second)
		if d := <-r.drops; d.Name != "silent.ove" {
			t.Errorf("submitted %+v", d)
		}
		r.write(whole, "incoming", "overflow.ove")
		heard <- spool.Lost()
		still(2200 * time.Millisecond)
		if d := <-r.drops; d.Name != "overflow.ove" {
			t.Errorf("submitted %+v", d)
		}
		r.stop()
	})
}
