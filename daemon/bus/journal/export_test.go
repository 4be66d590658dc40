package journal

import "time"

// Hooks for tests of failures.

func (c Config) WithoutSync() Config { c.unsafeNoSync = true; return c }

func (c Config) Impatient(publish, retry time.Duration) Config {
	c.timeout, c.retry = publish, retry
	return c
}

var (
	AppendEvent = appendEvent
	OpenRecord  = open
)

func DecodeEvent(b []byte) (any, error) { return newDecoder().event(b) }
