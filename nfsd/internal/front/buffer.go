package front

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"
)

// Sizes in bytes.
const (
	RecordMax = 1<<20 + 8<<10 // of a call, and of a reply
	MediumMax = 64<<10 + 256  // of a reply in a buffer of medium size
	SmallMax  = 4 << 10       // of a reply that need not grow
)

// classes are the sizes of buffers. Those of the first are not counted: there are as many as calls run.
var classes = [...]int{SmallMax, MediumMax, RecordMax}

// A budget gives a connection memory, out of what its identity and the server may have.
type budget struct {
	all, own *semaphore.Weighted
	pools    *[len(classes)]sync.Pool
}

// A buffer is memory that must be given back. The zero buffer is none.
type buffer struct {
	b     *[]byte
	class int
	from  *budget
}

// get waits for a buffer of at least n bytes, at most [RecordMax]; ctx ends the wait.
func (m *budget) get(ctx context.Context, n int) (buffer, error) {
	class := 0
	for classes[class] < n {
		class++
	}
	if class > 0 {
		size := int64(classes[class])
		if err := m.own.Acquire(ctx, size); err != nil {
			return buffer{}, err
		}
		if err := m.all.Acquire(ctx, size); err != nil {
			m.own.Release(size)
			return buffer{}, err
		}
	}
	b, ok := m.pools[class].Get().(*[]byte)
	if !ok {
		fresh := make([]byte, classes[class])
		b = &fresh
	}
	return buffer{b: b, class: class, from: m}, nil
}

// put gives the buffer back; it is none afterwards.
func (f *buffer) put() {
	if f.b == nil {
		return
	}
	f.from.pools[f.class].Put(f.b)
	if f.class > 0 {
		size := int64(classes[f.class])
		f.from.all.Release(size)
		f.from.own.Release(size)
	}
	*f = buffer{}
}
