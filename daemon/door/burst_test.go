package door_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	godbus "github.com/godbus/dbus/v5"
)

// A burst is so many projects that a user moves into the hot folder at once, and what happened meanwhile.
type burst struct {
	dropped  time.Duration              // what the user's moves took
	accepted time.Duration              // from the first move until all are jobs
	answers  map[string][]time.Duration // of calls on the bus, until then
	peak     int64                      // memory of the master, bytes
	conn     *godbus.Conn
}

// The calls that other users make meanwhile. The bus's own answer, at the same time, is what the others are
// to be compared with.
var questions = map[string]func(ctx context.Context, conn *godbus.Conn) error{
	"bus": func(ctx context.Context, conn *godbus.Conn) error {
		return conn.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.GetId", 0).Err
	},
	"Get": func(ctx context.Context, conn *godbus.Conn) error {
		return conn.Object("org.olive.Master1", "/org/olive/Master1").CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", 0, "org.olive.Master1.Manager", "Degraded").Err
	},
	"GetJob": func(ctx context.Context, conn *godbus.Conn) error {
		return conn.Object("org.olive.Master1", "/org/olive/Master1").CallWithContext(ctx, "org.olive.Master1.Manager.GetJob", 0, uint32(1)).Err
	},
	"GetAll": func(ctx context.Context, conn *godbus.Conn) error {
		return conn.Object("org.olive.Master1", "/org/olive/Master1/job/1").CallWithContext(ctx, "org.freedesktop.DBus.Properties.GetAll", 0, "org.olive.Master1.Job").Err
	},
	"ListWorkers": func(ctx context.Context, conn *godbus.Conn) error {
		return conn.Object("org.olive.Master1", "/org/olive/Master1").CallWithContext(ctx, "org.olive.Master1.Manager.ListWorkers", 0).Err
	},
}

// prepare writes n projects beside the hot folder.
func (r *rig) prepare(n int) (move func()) {
	r.t.Helper()
	c := credential(r.t, "member")
	text := []byte(project(30, ""))
	for i := range n {
		path := r.path("shared", fmt.Sprintf("burst%05d.ove", i))
		if err := os.WriteFile(path, text, 0o644); err != nil {
			r.t.Fatal(err)
		}
		if err := os.Chown(path, int(c.Uid), int(c.Gid)); err != nil {
			r.t.Fatal(err)
		}
	}
	return func() {
		for i := range n {
			name := fmt.Sprintf("burst%05d.ove", i)
			if err := os.Rename(r.path("shared", name), r.path("spool/incoming", name)); err != nil {
				r.t.Fatal(err)
			}
		}
	}
}

// ask puts the questions again and again until ctx ends.
func (b *burst) ask(ctx context.Context, t testing.TB) {
	t.Helper()
	for ctx.Err() == nil {
		for name, question := range questions {
			begin := time.Now()
			if err := question(ctx, b.conn); err != nil && ctx.Err() == nil && len(b.answers["GetAll"]) > 0 { // before, there is no job 1
				t.Errorf("%s: %v", name, err)
				return
			} else if err == nil {
				b.answers[name] = append(b.answers[name], time.Since(begin))
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// throw lets n projects fall into the hot folder.
func (r *rig) throw(n int) *burst {
	r.t.Helper()
	b := &burst{answers: map[string][]time.Duration{}}
	as(r.t, "member", func() (err error) {
		b.conn, err = godbus.ConnectSystemBus()
		return err
	})
	defer b.conn.Close()
	move := r.prepare(n)
	r.appears("state/machine.json") // the master has tried the encoders, as it does once on a machine
	ctx, stop := context.WithCancel(r.t.Context())
	var asking sync.WaitGroup
	begin := time.Now()
	asking.Go(func() { b.ask(ctx, r.t) })
	move()
	b.dropped = time.Since(begin)
	last := uint32(n)
	for deadline := begin.Add(5 * time.Minute); ; <-time.After(20 * time.Millisecond) {
		if _, err := r.root.Job(ctx, last); err == nil {
			break
		}
		if time.Now().After(deadline) {
			r.t.Errorf("waited in vain for job %d", last)
			break
		}
	}
	b.accepted = time.Since(begin)
	stop()
	asking.Wait()
	b.peak = r.memory("VmHWM")
	return b
}

// memory is a line of the master's status in /proc, in bytes.
func (r *rig) memory(field string) int64 {
	r.t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.master.Process.Pid))
	if err != nil {
		r.t.Fatal(err)
	}
	for line := range bytes.Lines(data) {
		if words := bytes.Fields(line); len(words) == 3 && string(words[0]) == field+":" {
			n, err := strconv.ParseInt(string(words[1]), 10, 64)
			if err != nil {
				r.t.Fatal(err)
			}
			return n << 10
		}
	}
	r.t.Fatalf("there is no %s", field)
	return 0
}

func (b *burst) quantile(name string, q float64) time.Duration {
	list := slices.Sorted(slices.Values(b.answers[name]))
	if len(list) == 0 {
		return 0
	}
	return list[int(q*float64(len(list)-1))]
}

// TestABurst is the small form of BenchmarkBurst.
func TestABurst(t *testing.T) {
	const n = 500
	r := newRig(t)
	b := r.throw(n)
	t.Logf("%d projects were accepted in %v, the master has %d MB at most; half of the answers on the bus came within %v", n, b.accepted, b.peak>>20, b.quantile("GetJob", .5))
	if b.peak > 200<<20 {
		t.Errorf("the master has %d MB", b.peak>>20)
	}
	v, err := r.root.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	member := credential(t, "member")
	names, films := map[string]bool{}, map[string]bool{}
	for _, j := range v.Jobs {
		names[j.Name], films[j.Output] = true, true
		if j.Owner != member.Uid {
			t.Errorf("%s belongs to %d", j.Name, j.Owner)
		}
	}
	if len(v.Jobs) != n || len(names) != n || len(films) != n {
		t.Errorf("%d jobs of %d projects with %d films, want %d", len(v.Jobs), len(names), len(films), n)
	}
	if left, err := os.ReadDir(r.path("spool/incoming")); err != nil || len(left) != 0 {
		t.Errorf("%d projects still lie in the hot folder, %v", len(left), err)
	}
}

// BenchmarkBurst lets a thousand and ten thousand projects fall into the hot folder of a whole master at once.
func BenchmarkBurst(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) { benchmarkBurst(b, n) })
	}
}

func benchmarkBurst(b *testing.B, n int) {
	for b.Loop() {
		r := newRig(b)
		got := r.throw(n)
		b.ReportMetric(got.accepted.Seconds(), "s-accepted")
		b.ReportMetric(got.dropped.Seconds(), "s-dropping")
		b.ReportMetric(float64(got.peak)/1e6, "peak-MB")
		for name := range questions {
			for what, q := range map[string]float64{"p50": .5, "p99": .99, "max": 1} {
				b.ReportMetric(float64(got.quantile(name, q).Microseconds())/1000, name+"-"+what+"-ms")
			}
		}
		for name, size := range r.answers() {
			b.ReportMetric(float64(size)/1e6, name+"-MB")
		}
	}
}

// answers are the sizes of the longest ones, in bytes on the bus.
func (r *rig) answers() map[string]int {
	r.t.Helper()
	conn, err := godbus.ConnectSystemBus()
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Close()
	sizes := map[string]int{}
	for name, method := range map[string]string{"ListJobs": "org.olive.Master1.Manager.ListJobs", "GetManagedObjects": "org.freedesktop.DBus.ObjectManager.GetManagedObjects"} {
		call := conn.Object("org.olive.Master1", "/org/olive/Master1").CallWithContext(r.t.Context(), method, 0)
		if call.Err != nil {
			r.t.Fatalf("%s: %v", method, call.Err)
		}
		var buf bytes.Buffer
		msg := &godbus.Message{Type: godbus.TypeSignal, Headers: map[godbus.HeaderField]godbus.Variant{
			godbus.FieldPath: godbus.MakeVariant(godbus.ObjectPath("/")), godbus.FieldInterface: godbus.MakeVariant("a.b"), godbus.FieldMember: godbus.MakeVariant("C"),
			godbus.FieldSignature: godbus.MakeVariant(godbus.SignatureOf(call.Body...)),
		}, Body: call.Body}
		if _, err := msg.CountFds(); err != nil {
			r.t.Fatal(err)
		}
		if err := msg.EncodeTo(&buf, binary.LittleEndian); err != nil {
			r.t.Fatal(err)
		}
		sizes[name] = buf.Len()
	}
	return sizes
}
