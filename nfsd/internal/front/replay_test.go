package front

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestACallIsDoneOnce(t *testing.T) {
	var r replays
	n := 0
	do := func() []byte { n++; return []byte{byte(n)} }
	ask := func(xid, proc uint32, args string) byte { return r.once(xid, proc, []byte(args), do)[0] }
	for i, c := range []struct {
		xid, proc uint32
		args      string
		want      byte
	}{
		{1, 8, "a", 1}, {1, 8, "a", 1}, // again
		{2, 8, "a", 2}, {1, 9, "a", 3}, {1, 8, "b", 4}, // number, procedure or arguments differ
		{2, 8, "a", 2},
	} {
		if got := ask(c.xid, c.proc, c.args); got != c.want {
			t.Errorf("call %d got answer %d, want %d", i, got, c.want)
		}
	}
}

func TestACallWithoutAnAnswerMayComeAgain(t *testing.T) {
	var r replays
	func() {
		defer func() { recover() }()
		r.once(1, 8, nil, func() []byte { panic("broken") })
	}()
	if got := r.once(1, 8, nil, func() []byte { return nil }); got != nil {
		t.Errorf("got %q", got)
	}
	if got := r.once(1, 8, nil, func() []byte { return []byte("done") }); string(got) != "done" {
		t.Errorf("after a panic and a loss the answer is %q", got)
	}
}

func TestTheSameCallAtTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r replays
		var done atomic.Int32
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				got := r.once(1, 8, nil, func() []byte {
					time.Sleep(time.Second) // of the bubble's clock
					done.Add(1)
					return []byte("made")
				})
				if string(got) != "made" {
					t.Errorf("got %q", got)
				}
			})
		}
		group.Wait()
		if done.Load() != 1 {
			t.Errorf("it was done %d times", done.Load())
		}
	})
}

func TestAnAnswerIsKeptForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r replays
		n := byte(0)
		ask := func() byte { return r.once(1, 8, nil, func() []byte { n++; return []byte{n} })[0] }
		ask()
		time.Sleep(replayedFor - time.Second)
		if got := ask(); got != 1 {
			t.Errorf("just before its time is over the answer is %d", got)
		}
		time.Sleep(2 * time.Second)
		if got := ask(); got != 2 {
			t.Errorf("a client that begins to count anew got answer %d", got)
		}
	})
}

func TestWhoIsAwayTheLongestIsForgotten(t *testing.T) {
	s := clients{limits: Limits{Connections: 1000, PerIdentity: 1, Memory: 1}, known: map[string]*client{}}
	name := func(i int) string { return string(rune('a'+i/100)) + string(rune(i%100+200)) }
	stay := &conn{}
	if _, err := s.enter(stay, "stays"); err != nil {
		t.Fatal(err)
	}
	for i := range 2 * rememberedClients {
		c := &conn{}
		who, err := s.enter(c, name(i))
		if err != nil {
			t.Fatal(err)
		}
		s.leave(c, who)
	}
	if len(s.known) > rememberedClients+3 {
		t.Errorf("%d are known", len(s.known))
	}
	if s.known["stays"] == nil || s.known[name(2*rememberedClients-1)] == nil || s.known[name(0)] != nil {
		t.Error("the wrong ones are forgotten")
	}
}
