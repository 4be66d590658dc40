package front

import (
	"fmt"
	"sync"

	"golang.org/x/sync/semaphore"
)

// rememberedClients is how many identities without a connection are remembered, for
// their calls that may come again.
const rememberedClients = 256

// A client is an identity that is connected, or was lately.
type client struct {
	identity string
	conns    map[*conn]struct{} // under clients.mu
	left     uint64             // the order in which clients lost their last connection
	memory   *semaphore.Weighted
	hands    *semaphore.Weighted
	replays  replays
}

// clients are who is connected. Its limits bound what one of them can take from the others.
type clients struct {
	limits Limits

	mu    sync.Mutex
	all   int // connections
	known map[string]*client
	turn  uint64
}

// enter makes a connection one of its identity's; the error is [ErrLimit].
func (s *clients) enter(c *conn, identity string) (*client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= s.limits.Connections {
		return nil, fmt.Errorf("%w: %d", ErrLimit, s.all)
	}
	who := s.known[identity]
	if who == nil {
		who = &client{
			identity: identity,
			conns:    map[*conn]struct{}{},
			memory:   semaphore.NewWeighted(max(int64(s.limits.Memory)/4, 2*RecordMax)),
			hands:    semaphore.NewWeighted(moreHands / 4),
		}
		s.known[identity] = who
		s.forget()
	}
	if len(who.conns) >= s.limits.PerIdentity {
		return nil, fmt.Errorf("%w of %s: %d", ErrLimit, identity, len(who.conns))
	}
	who.conns[c] = struct{}{}
	s.all++
	return who, nil
}

// leave ends what enter began.
func (s *clients) leave(c *conn, who *client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(who.conns, c)
	s.all--
	s.turn++
	who.left = s.turn
}

// forget drops the identity that has been away the longest when there are too many. The caller holds mu.
func (s *clients) forget() {
	var oldest *client
	away := 0
	for _, who := range s.known {
		if len(who.conns) > 0 || who.left == 0 {
			continue
		}
		away++
		if oldest == nil || who.left < oldest.left {
			oldest = who
		}
	}
	if away > rememberedClients {
		delete(s.known, oldest.identity)
	}
}

// conns are the connections of an identity.
func (s *clients) conns(identity string) []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*conn
	if who := s.known[identity]; who != nil {
		for c := range who.conns {
			out = append(out, c)
		}
	}
	return out
}
