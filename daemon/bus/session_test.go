package bus_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"olive-distributed/daemon/bus"
)

func TestTheSecondOfTwoWithOneIdentityWaits(t *testing.T) {
	f := newFarm(t, bus.Config{Handlers: []bus.Handler{echo()}})
	first, states := f.dial("ada")
	await(t, states, true)
	second, twins := f.dial("ada")
	if err := await(t, twins, false); !errors.Is(err, bus.ErrTwice) || !strings.Contains(err.Error(), "127.0.0.1:") {
		t.Errorf("the second hears %v, want %v and where the first is", err, bus.ErrTwice)
	}
	if err := first.Request(t.Context(), "work", ask{}, nil); err != nil {
		t.Errorf("the first: %v", err)
	}
	if len(states) != 0 {
		t.Errorf("the first was disturbed: %v", <-states)
	}
	first.Close()
	await(t, twins, true)
	if err := second.Request(t.Context(), "work", ask{}, nil); err != nil {
		t.Errorf("the second, after the first has gone: %v", err)
	}
}

func TestAHostThatFloodsLeavesRoomForOthers(t *testing.T) {
	f := newFarm(t, bus.Config{
		Handlers: []bus.Handler{echo()}, Limits: bus.Limits{Handshakes: 8, Anonymous: 8},
		Services: map[string]bus.Service{"olive-join": {Anonymous: true, Serve: func(_ context.Context, c *bus.Conn) {
			fmt.Fprint(c, "welcome")
			_, _ = io.Copy(io.Discard, c)
		}}},
	})
	stranger := &net.Dialer{Timeout: 10 * time.Second, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 66)}}
	for range 100 { // they say nothing, for 5 s
		c, err := stranger.Dial("tcp", f.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	if why := refused(f.addr, f.tls("ada")); why != "" {
		t.Errorf("a worker elsewhere, beside silent strangers: %s", why)
	}
	joining := f.tls("ada")
	joining.Certificates, joining.NextProtos = nil, []string{"olive-join"}
	if why := refused(f.addr, joining); why != "" {
		t.Errorf("somebody who joins, beside silent strangers: %s", why)
	}
}

func TestAWorkerIsAnsweredAtAPace(t *testing.T) {
	f := newFarm(t, bus.Config{Handlers: []bus.Handler{echo()}, Limits: bus.Limits{Rate: 5, Requests: 10}})
	eve, _ := f.raw("eve")
	good, _ := f.dial("good")
	answers, err := eve.SubscribeSync("_INBOX.eve.>")
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if err := eve.PublishRequest("olive.up.eve.work", "_INBOX.eve.x", []byte(`{"v":1,"body":{"text":"x"}}`)); err != nil {
			t.Fatal(err)
		}
	}
	if err := good.Request(t.Context(), "work", ask{}, nil); err != nil {
		t.Errorf("another worker: %v", err)
	}
	busy, done := 0, 0
	for range 50 {
		m, err := answers.NextMsg(20 * time.Second)
		switch {
		case err != nil:
			t.Fatal(err)
		case strings.Contains(string(m.Data), `"busy"`):
			busy++
		default:
			done++
		}
	}
	if busy < 30 || done < 10 {
		t.Errorf("%d answered, %d told to come again", done, busy)
	}
}
