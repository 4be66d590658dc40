package vm

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"time"

	"olive-distributed/packaging/rig/vm/guest"
)

// An agent is this end of the serial port. Any number of calls can be under way.
type agent struct {
	conn  net.Conn
	ready chan struct{} // closed when the machine has booted
	read  chan struct{} // closed when nothing is read any more

	mu     sync.Mutex
	last   int
	waits  map[int]chan guest.Answer
	failed error
}

// dial connects to a socket of QEMU's.
func (m *Machine) dial(ctx context.Context, name string) (net.Conn, error) {
	for {
		conn, err := net.Dial("unix", filepath.Join(m.folder, name))
		if err == nil {
			return conn, nil
		}
		select {
		case <-m.ended:
			return nil, fmt.Errorf("QEMU has ended: %s", &m.said)
		case <-ctx.Done():
			return nil, fmt.Errorf("connect to QEMU: %w", errors.Join(ctx.Err(), err))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// connect connects to the agent.
func (m *Machine) connect(ctx context.Context) (*agent, error) {
	conn, err := m.dial(ctx, "agent")
	if err != nil {
		return nil, err
	}
	a := &agent{conn: conn, ready: make(chan struct{}), read: make(chan struct{}), waits: map[int]chan guest.Answer{}}
	go a.listen()
	return a, nil
}

func (a *agent) listen() {
	defer close(a.read)
	in := bufio.NewReaderSize(a.conn, guest.Most)
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			a.fail(fmt.Errorf("the machine has gone: %w", err))
			return
		}
		var answer guest.Answer
		if json.Unmarshal(line, &answer) != nil {
			continue // the rest of a line from before
		}
		if answer.ID == 0 {
			close(a.ready)
			continue
		}
		a.mu.Lock()
		wait := a.waits[answer.ID]
		delete(a.waits, answer.ID)
		a.mu.Unlock()
		if wait != nil {
			wait <- answer
		}
	}
}

// fail ends all calls.
func (a *agent) fail(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failed = err
	for id, wait := range a.waits {
		close(wait)
		delete(a.waits, id)
	}
}

func (a *agent) call(ctx context.Context, c guest.Call) (guest.Answer, error) {
	wait := make(chan guest.Answer, 1)
	if err := a.send(c, wait); err != nil {
		return guest.Answer{}, err
	}
	select {
	case answer, ok := <-wait:
		if !ok {
			return guest.Answer{}, a.failed
		}
		return answer, nil
	case <-ctx.Done():
		return guest.Answer{}, fmt.Errorf("wait for an answer: %w", ctx.Err())
	}
}

func (a *agent) send(c guest.Call, wait chan guest.Answer) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.failed != nil {
		return a.failed
	}
	a.last++
	c.ID = a.last
	line, err := json.Marshal(c)
	if err != nil {
		return err
	}
	a.waits[c.ID] = wait
	if _, err := a.conn.Write(append(line, '\n')); err != nil {
		delete(a.waits, c.ID)
		return fmt.Errorf("send to the machine: %w", err)
	}
	return nil
}

func (a *agent) wake(ctx context.Context, w guest.Wake) error {
	answer, err := a.call(ctx, guest.Call{Wake: &w})
	if err == nil && len(answer.Said) > 0 {
		err = fmt.Errorf("wake the machine: %s", answer.Said)
	}
	return err
}

// close hangs up and waits for the reader.
func (a *agent) close() {
	a.conn.Close()
	<-a.read
}
