package dbus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	godbus "github.com/godbus/dbus/v5"
)

// maxCalls is how many calls of one caller may be under way. Each may wait for a person who
// types a password.
const maxCalls = 64

// A call is a method call that has come in.
type call struct {
	sender      string // unique name on the bus
	path        godbus.ObjectPath
	iface, name string
	interactive bool  // polkit may ask somebody
	args        []any // fit the XML
}

// A method is one row of the table of methods.
type method struct {
	gate gate
	run  func(ctx context.Context, c *call) ([]any, error)
}

// A service answers calls on one connection. It is godbus's handler, so that every call comes
// through [service.serve].
type service struct {
	spec    *spec
	methods map[string]method // by interface.Name
	tree    tree
	auth    authority
	conn    *godbus.Conn
	debts   *debts

	emitted int // signals

	ctx    context.Context // of all calls
	cancel context.CancelFunc
	calls  sync.WaitGroup

	mu     sync.Mutex
	busy   map[string]int // calls by sender
	closed bool
}

func newService(ctx context.Context, file string, t tree) (*service, error) {
	sp, err := parseSpec(file, standardXML)
	if err != nil {
		return nil, err
	}
	s := &service{spec: sp, tree: t, busy: map[string]int{}, closed: true}
	s.ctx, s.cancel = context.WithCancel(ctx)
	s.methods = s.standardMethods()
	return s, nil
}

// serve carries out a call.
func (s *service) serve(c *call, given string) ([]any, error) {
	if err := s.begin(c.sender); err != nil {
		return nil, err
	}
	defer s.end(c.sender)
	in, known := s.spec.method(c.iface, c.name)
	m := s.methods[c.iface+"."+c.name]
	switch {
	case s.spec.interfaces[c.iface] == nil:
		return nil, standard(errUnknownInterface, fmt.Sprintf("there is no interface %q", c.iface))
	case !known || m.run == nil:
		return nil, standard(errUnknownMethod, fmt.Sprintf("interface %s has no method %q", c.iface, c.name))
	case given != signature(in, "in"):
		return nil, standard(errInvalidArgs, fmt.Sprintf("%s wants arguments %q, not %q", c.name, signature(in, "in"), given))
	}
	if err := s.present(c); err != nil {
		return nil, err
	}
	if err := s.pass(s.ctx, m.gate, c); err != nil {
		return nil, err
	}
	out, err := m.run(s.ctx, c)
	if err != nil {
		return nil, err
	}
	if got, want := godbus.SignatureOf(out...).String(), signature(in, "out"); got != want {
		return nil, fmt.Errorf("%s was done, but its answer is %q instead of %q, which is a bug", c.name, got, want)
	}
	return out, nil
}

// present finds out whether the object has the interface.
func (s *service) present(c *call) error {
	o, err := s.tree.find(s.ctx, c.path)
	if err != nil {
		return err
	}
	if !o.has(c.iface) {
		return standard(errUnknownInterface, fmt.Sprintf("%s has no interface %s", c.path, c.iface))
	}
	return nil
}

// begin counts a call in.
func (s *service) begin(sender string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return ErrUnavailable.With(errors.New("the daemon is starting or stopping: ask again"))
	case s.busy[sender] >= maxCalls:
		return ErrLimitsExceeded
	}
	s.busy[sender]++
	s.calls.Add(1)
	return nil
}

func (s *service) end(sender string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy[sender]--; s.busy[sender] == 0 {
		delete(s.busy, sender)
	}
	s.calls.Done()
}

// stop refuses what comes, ends what is under way, and waits for it.
func (s *service) stop() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.calls.Wait()
}

// connect dials the bus with this service behind the connection, without a name yet. An empty
// address is the system bus.
func (s *service) connect(ctx context.Context, address string) error {
	s.debts = newDebts()
	conn, err := dial(ctx, address, godbus.WithHandler(s), godbus.WithIncomingInterceptor(s.debts.incoming), godbus.WithOutgoingInterceptor(s.debts.outgoing))
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conn, s.auth, s.closed = conn, &polkit{conn}, false // calls to the unique name could have come in
	return nil
}

func dial(ctx context.Context, address string, opts ...godbus.ConnOption) (*godbus.Conn, error) {
	opts = append(opts, godbus.WithContext(context.WithoutCancel(ctx)))
	if address == "" {
		conn, err := godbus.ConnectSystemBus(opts...)
		if err != nil {
			return nil, fmt.Errorf("connect to the system bus: %w", err)
		}
		return conn, nil
	}
	conn, err := godbus.Connect(address, opts...)
	if err != nil {
		return nil, fmt.Errorf("connect to the bus at %s: %w", address, err)
	}
	return conn, nil
}

// claim takes the name on the bus, which must be free. From then on others may call.
func (s *service) claim(ctx context.Context, name string) error {
	var reply godbus.RequestNameReply
	if err := s.conn.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.RequestName", 0, name, godbus.NameFlagDoNotQueue).Store(&reply); err != nil {
		return fmt.Errorf("take the name %s on the bus: %w", name, err)
	}
	if reply != godbus.RequestNameReplyPrimaryOwner {
		return fmt.Errorf("take the name %s on the bus: another process has it: is the daemon running already?", name)
	}
	return nil
}

// close gives the name back, finishes and hangs up.
func (s *service) close(name string) {
	_, _ = s.conn.ReleaseName(name) // the connection's end gives it back too
	s.stop()
	s.settle()
	s.conn.Close()
}

// settle lets the last answers go out, for a second at most. A question to the bus goes the same way,
// behind them.
func (s *service) settle() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s.debts.wait(ctx)
	_ = s.conn.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.GetId", 0).Err // its answer says nothing
}

// LookupObject implements [godbus.Handler].
func (s *service) LookupObject(p godbus.ObjectPath) (godbus.ServerObject, bool) {
	return &entrance{s: s, c: call{path: p}}, true
}

// An entrance is the way that godbus takes to a method.
type entrance struct {
	s     *service
	c     call
	given string // signature of the arguments
}

// LookupInterface implements [godbus.ServerObject].
func (e *entrance) LookupInterface(name string) (godbus.Interface, bool) {
	e.c.iface = name
	return e, true
}

// LookupMethod implements [godbus.Interface].
func (e *entrance) LookupMethod(name string) (godbus.Method, bool) {
	e.c.name = name
	return e, true
}

// DecodeArguments implements [godbus.ArgumentDecoder].
func (e *entrance) DecodeArguments(_ *godbus.Conn, sender string, msg *godbus.Message, args []any) ([]any, error) {
	e.c.sender, e.c.args = sender, args
	e.c.interactive = msg.Flags&godbus.FlagAllowInteractiveAuthorization != 0
	if sig, ok := msg.Headers[godbus.FieldSignature].Value().(godbus.Signature); ok {
		e.given = sig.String()
	}
	return nil, nil
}

// Call implements [godbus.Method].
func (e *entrance) Call(...any) ([]any, error) {
	defer closeFiles(e.c.args)
	out, err := e.s.serve(&e.c, e.given)
	if err != nil {
		return nil, toWire(err)
	}
	return out, nil
}

// NumArguments implements [godbus.Method]; like the three below, godbus asks only its own decoder.
func (e *entrance) NumArguments() int     { return 0 }
func (e *entrance) NumReturns() int       { return 0 }
func (e *entrance) ArgumentValue(int) any { return nil }
func (e *entrance) ReturnValue(int) any   { return nil }
