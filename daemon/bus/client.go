package bus

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// ClientConfig is how a worker connects. Name is required, and for [Dial] Addr and TLS.
type ClientConfig struct {
	Name    string // of the worker, as in its certificate
	Addr    string // host:port of the master
	TLS     *tls.Config
	Notices []Notice
	Codes   []Code // of errors that the master's handlers return
	// OnState is called when the connection comes (nil) and goes or cannot be made (the reason;
	// the same reason is not told twice in a row). It must be quick. nil: nobody listens.
	OnState func(err error)
}

// A Client is a worker's end of the bus. It reconnects for ever, until it is closed.
type Client struct {
	cfg  ClientConfig
	nc   *nats.Conn
	ctx  context.Context // ends with the client
	stop context.CancelFunc
	gone chan struct{} // nats.go has ended

	mu     sync.Mutex
	link   context.Context // of the present connection; nil: there is none
	cut    context.CancelFunc
	change chan struct{} // closed when link changes
	told   string        // the reason that was told last
}

type dialer func(network, address string) (net.Conn, error)

func (d dialer) Dial(network, address string) (net.Conn, error) { return d(network, address) }

// SkipTLSHandshake tells nats.go that the dialer has done it.
func (d dialer) SkipTLSHandshake() bool { return true }

// Dial returns a client of a master elsewhere. It does not wait for the connection, which is made,
// and made again whenever it is lost, beside; see OnState. Tries follow each other after 0.1 s
// at first and at last after 5 s, spread at random.
func Dial(cfg ClientConfig) (*Client, error) {
	if cfg.TLS == nil {
		return nil, errors.New("connect to the master: no TLS configuration")
	}
	conf := cfg.TLS.Clone()
	conf.MinVersion, conf.NextProtos = tls.VersionTLS13, []string{Protocol}
	if host, _, err := net.SplitHostPort(cfg.Addr); err != nil {
		return nil, fmt.Errorf("connect to the master: %w", err)
	} else if conf.ServerName == "" {
		conf.ServerName = host
	}
	return connect(cfg, func(ctx context.Context) (net.Conn, error) {
		d := tls.Dialer{NetDialer: &net.Dialer{Timeout: handshakeTimeout}, Config: conf}
		c, err := d.DialContext(ctx, "tcp", cfg.Addr)
		if err == nil {
			watchLink(c.(*tls.Conn).NetConn())
		}
		return c, err
	})
}

func connect(cfg ClientConfig, dial func(ctx context.Context) (net.Conn, error)) (*Client, error) {
	if !ValidName(cfg.Name) {
		return nil, fmt.Errorf("connect to the master: %q is no name for a worker", cfg.Name)
	}
	c := &Client{cfg: cfg, change: make(chan struct{}), gone: make(chan struct{})}
	c.ctx, c.stop = context.WithCancel(context.Background())
	notices := map[string]Notice{}
	for _, n := range cfg.Notices {
		if !word.MatchString(n.kind) || notices[n.kind].kind != "" {
			return nil, fmt.Errorf("connect to the master: bad or double kind of notice %q", n.kind)
		}
		notices[n.kind] = n
	}
	var err error
	c.nc, err = nats.Connect("nats://127.0.0.1", // the dialer knows better
		nats.Name(cfg.Name), nats.CustomInboxPrefix("_INBOX."+cfg.Name),
		nats.SetCustomDialer(dialer(func(string, string) (net.Conn, error) { return c.dial(dial) })),
		nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.IgnoreAuthErrorAbort(), nats.IgnoreDiscoveredServers(),
		nats.CustomReconnectDelay(delay), nats.ReconnectBufSize(-1), nats.Timeout(handshakeTimeout),
		nats.PingInterval(quiet/2), nats.MaxPingsOutstanding(2), nats.FlusherTimeout(writeTimeout),
		nats.ConnectHandler(func(*nats.Conn) { c.connected() }),
		nats.ReconnectHandler(func(*nats.Conn) { c.connected() }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { c.lost(err) }),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { c.tell(err) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { c.tell(err) }),
		nats.ClosedHandler(func(*nats.Conn) { close(c.gone) }),
	)
	if err != nil {
		return nil, fmt.Errorf("connect to the master: %w", err)
	}
	prefix := "olive.down." + cfg.Name + "."
	if _, err := c.nc.Subscribe(prefix+"*", func(m *nats.Msg) { c.notice(notices, m.Subject[len(prefix):], m.Data) }); err != nil {
		c.Close()
		return nil, fmt.Errorf("connect to the master: %w", err)
	}
	return c, nil
}

// delay is how long to wait before the next try: doubled each time, between half and all of it.
func delay(attempts int) time.Duration {
	d := min(100*time.Millisecond<<min(max(0, attempts-1), 10), 5*time.Second)
	return d/2 + rand.N(d/2)
}

func (c *Client) dial(dial func(ctx context.Context) (net.Conn, error)) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(c.ctx, handshakeTimeout)
	defer cancel()
	conn, err := dial(ctx)
	if err == nil {
		conn, err = welcomed(conn)
	}
	if err != nil {
		c.tell(err)
	}
	return conn, err
}

// welcomed waits for the master's first words: only they say that it has accepted the certificate.
func welcomed(conn net.Conn) (net.Conn, error) {
	buf := make([]byte, 4096)
	err := conn.SetReadDeadline(time.Now().Add(handshakeTimeout))
	n := 0
	if err == nil {
		n, err = conn.Read(buf)
	}
	if err == nil {
		err = conn.SetReadDeadline(time.Time{})
	}
	if err == nil {
		err = turnedAway(buf[:n])
	}
	if err != nil {
		_ = conn.Close()
		hint := ""
		if alert := new(net.OpError); errors.As(err, &alert) && alert.Op == "remote error" { // a TLS alert
			hint = "; if it was revoked, or its certificate has ended, let it join again: `olivectl worker add` on the master"
		}
		return nil, fmt.Errorf("the master does not let this worker in: %w%s", err, hint)
	}
	return &greeted{Conn: conn, first: io.MultiReader(bytes.NewReader(buf[:n]), conn)}, nil
}

// greeted is a connection of which something was read already.
type greeted struct {
	net.Conn
	first io.Reader
}

func (g *greeted) Read(b []byte) (int, error) { return g.first.Read(b) }

func (c *Client) connected() {
	c.mu.Lock()
	if c.cut != nil {
		c.cut()
	}
	c.link, c.cut = context.WithCancel(c.ctx)
	close(c.change)
	c.change, c.told = make(chan struct{}), ""
	c.mu.Unlock()
	if c.cfg.OnState != nil {
		c.cfg.OnState(nil)
	}
}

func (c *Client) lost(err error) {
	c.mu.Lock()
	cut := c.cut
	c.link, c.cut = nil, nil
	c.mu.Unlock()
	if cut != nil && c.nc.Barrier(cut) != nil { // answers that came before the end count
		cut()
	}
	if err == nil {
		err = errors.New("the master has closed the connection")
	}
	c.tell(err)
}

// tell tells a reason for trouble, once.
func (c *Client) tell(err error) {
	c.mu.Lock()
	again := c.told == err.Error() || c.ctx.Err() != nil
	c.told = err.Error()
	c.mu.Unlock()
	if !again && c.cfg.OnState != nil {
		c.cfg.OnState(fmt.Errorf("connection to the master: %w", err))
	}
}

func (c *Client) notice(notices map[string]Notice, kind string, data []byte) {
	n, known := notices[kind]
	if !known {
		c.tell(fmt.Errorf("notice %q: %w", kind, ErrNoHandler))
		return
	}
	e, err := unseal(kind, data)
	if err == nil {
		err = n.handle(&e)
	}
	if err != nil {
		c.tell(err)
	}
}

// up waits for a connection and returns its context.
func (c *Client) up(ctx context.Context) (context.Context, error) {
	for {
		c.mu.Lock()
		link, change := c.link, c.change
		c.mu.Unlock()
		if link != nil {
			return link, nil
		}
		select {
		case <-change:
		case <-c.ctx.Done():
			return nil, ErrClosed
		case <-ctx.Done():
			return nil, fmt.Errorf("no connection to the master: %w", context.Cause(ctx))
		}
	}
}

// Request sends a request and waits for its answer, which it writes into reply unless that is nil.
// While there is no connection it waits. Errors: those of ctx, [RemoteError] (which wraps the error
// of its code), [VersionError], [ErrInterrupted], [ErrClosed].
func (c *Client) Request(ctx context.Context, kind string, request, reply any) error {
	data, err := seal(request, maxMessage)
	if err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	m, err := c.exchange(ctx, kind, data)
	if err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	e, err := unseal(kind, m.Data)
	if err != nil {
		return err
	}
	if err := e.err(c.cfg.Codes, kind); err != nil || reply == nil {
		return err
	}
	return e.into(kind, reply)
}

// exchange sends until it has surely been sent.
func (c *Client) exchange(ctx context.Context, kind string, data []byte) (*nats.Msg, error) {
	for {
		link, err := c.up(ctx)
		if err != nil {
			return nil, err
		}
		both, cancel := context.WithCancel(ctx)
		release := context.AfterFunc(link, cancel)
		m, err := c.nc.RequestWithContext(both, "olive.up."+c.cfg.Name+"."+kind, data)
		release()
		cancel()
		switch {
		case err == nil:
			return m, nil
		case c.ctx.Err() != nil:
			return nil, ErrClosed
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case errors.Is(err, nats.ErrNoResponders) || errors.Is(err, nats.ErrReconnectBufExceeded): // never sent, or nobody there yet
		case link.Err() != nil:
			return nil, ErrInterrupted
		default:
			return nil, err
		}
		select {
		case <-time.After(delay(1)):
		case <-ctx.Done():
		case <-c.ctx.Done():
		}
	}
}

// Send sends a message that wants no answer. It is lost if the connection is; without one it
// returns an error at once.
func (c *Client) Send(kind string, message any) error {
	data, err := seal(message, maxMessage)
	if err == nil {
		err = c.nc.Publish("olive.up."+c.cfg.Name+"."+kind, data)
	}
	if err != nil {
		return fmt.Errorf("send %s: %w", kind, err)
	}
	return nil
}

// Close ends the client. What was sent before goes out first, if there is a connection.
func (c *Client) Close() {
	if c.nc.IsConnected() {
		_ = c.nc.FlushTimeout(time.Second)
	}
	c.stop()
	c.nc.Close()
	<-c.gone
}
