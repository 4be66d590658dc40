package ove_test

import (
	"testing"

	"olive-distributed/daemon/ove"
)

func TestRate(t *testing.T) {
	for fps, want := range map[float64]string{
		24: "24/1", 25: "25/1", 30: "30/1", 60: "60/1", 1000: "1000/1", 1: "1/1",
		23.976: "24000/1001", 23.98: "24000/1001", 23.976024: "24000/1001",
		29.97: "30000/1001", 29.97003: "30000/1001", 59.94: "60000/1001", 119.88: "120000/1001", 47.952: "48000/1001",
		12.5: "25/2", 7.5: "15/2", 23.9: "239/10", 29.96: "749/25", 15.0001: "150001/10000", 25.00001: "25/1",
		0.01: "1/100", 0.3333: "3333/10000", 0.99998: "1/1", 999.5: "1999/2",
	} {
		if got := (&ove.Sequence{FPS: fps}).Rate().String(); got != want {
			t.Errorf("Rate of %v = %s, want %s", fps, got, want)
		}
	}
}

func TestLength(t *testing.T) {
	for name, c := range map[string]struct {
		clips string
		want  ove.Frame
	}{
		"no clips":             {"", 0},
		"disabled clips count": {`<clip in="0" out="10" track="-1"/><clip enabled="0" in="10" out="30" track="-1"/>`, 30},
		"audio counts":         {`<clip in="0" out="10" track="-1"/><clip in="0" out="40" track="3"/>`, 40},
		"the last in the file need not be the last in time": {`<clip in="50" out="60" track="-1"/><clip in="0" out="10" track="-1"/>`, 60},
		"extension by a shared transition does not count":   {`<clip id="0" in="0" out="10" track="-1"><closing length="5" name="/Cross Dissolve"/></clip><clip in="10" out="12" track="-1"><opening shared="0"/></clip>`, 12},
	} {
		t.Run(name, func(t *testing.T) {
			if got := parse(t, head+c.clips+tail).Sequences[0].Length(); got != c.want {
				t.Errorf("Length = %d, want %d", got, c.want)
			}
		})
	}
}
