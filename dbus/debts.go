package dbus

import (
	"context"
	"sync"

	godbus "github.com/godbus/dbus/v5"
)

// debts are the calls that have come in and have no answer yet. godbus answers when the method has
// returned and tells nobody, so its messages are counted on their way.
type debts struct {
	mu   sync.Mutex
	owed map[debt]bool
	none chan struct{} // closed while nothing is owed
}

// A debt is an answer that a caller waits for.
type debt struct {
	caller string
	serial uint32
}

func newDebts() *debts {
	d := &debts{owed: map[debt]bool{}, none: make(chan struct{})}
	close(d.none)
	return d
}

// incoming is a [godbus.Interceptor].
func (d *debts) incoming(m *godbus.Message) {
	if m.Type != godbus.TypeMethodCall || m.Flags&godbus.FlagNoReplyExpected != 0 {
		return
	}
	caller, _ := m.Headers[godbus.FieldSender].Value().(string)
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.owed) == 0 {
		d.none = make(chan struct{})
	}
	d.owed[debt{caller, m.Serial()}] = true
}

// outgoing is a [godbus.Interceptor]. The message is sent right after it.
func (d *debts) outgoing(m *godbus.Message) {
	if m.Type != godbus.TypeMethodReply && m.Type != godbus.TypeError {
		return
	}
	caller, _ := m.Headers[godbus.FieldDestination].Value().(string)
	serial, _ := m.Headers[godbus.FieldReplySerial].Value().(uint32)
	d.mu.Lock()
	defer d.mu.Unlock()
	if k := (debt{caller, serial}); d.owed[k] {
		if delete(d.owed, k); len(d.owed) == 0 {
			close(d.none)
		}
	}
}

// wait returns when nothing is owed, or ctx ends.
func (d *debts) wait(ctx context.Context) {
	d.mu.Lock()
	none := d.none
	d.mu.Unlock()
	select {
	case <-none:
	case <-ctx.Done():
	}
}
