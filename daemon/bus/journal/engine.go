package journal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	logStream  = "LOG"
	logSubject = "log"
	snapStream = "SNAP"
	maxPayload = 8 << 20
)

// An engine is a running nats-server with the two streams. It listens nowhere: no worker can reach it.
type engine struct {
	srv  *server.Server
	nc   *nats.Conn
	js   jetstream.JetStream
	log  jetstream.Stream
	snap jetstream.Stream
}

// startEngine starts nats-server on the folder. Without create it makes no streams.
func startEngine(ctx context.Context, cfg *Config, create bool) (e *engine, err error) {
	srv, err := server.NewServer(&server.Options{
		ServerName: "olive-journal", DontListen: true, NoSigs: true,
		JetStream: true, StoreDir: cfg.Dir, SyncAlways: !cfg.unsafeNoSync, DisableJetStreamBanner: true,
		JetStreamMaxMemory: 16 << 20, JetStreamMaxStore: 1 << 50, // the disk is watched here
		MaxPayload: maxPayload,
	})
	if err != nil {
		return nil, fmt.Errorf("start the log: %w", err)
	}
	srv.SetLoggerV2(&serverLog{cfg.Log}, false, false, false)
	srv.Start()
	started := &engine{srv: srv}
	e = started
	defer func() {
		if err != nil {
			started.stop()
		}
	}()
	if !srv.ReadyForConnections(30*time.Second) || !srv.JetStreamEnabled() {
		return nil, errors.New("start the log: nats-server does not start, see the messages before")
	}
	if e.nc, err = nats.Connect("", nats.InProcessServer(srv), nats.Name("journal"), nats.NoReconnect()); err != nil {
		return nil, fmt.Errorf("start the log: %w", err)
	}
	if e.js, err = jetstream.New(e.nc, jetstream.WithDefaultTimeout(10*time.Second)); err != nil {
		return nil, fmt.Errorf("start the log: %w", err)
	}
	if err := e.streams(ctx, cfg, create); err != nil {
		return nil, fmt.Errorf("start the log: %w", err)
	}
	return e, nil
}

func (e *engine) streams(ctx context.Context, cfg *Config, create bool) (err error) {
	set := func(c jetstream.StreamConfig) (jetstream.Stream, error) {
		c.Storage, c.AllowDirect, c.DenyDelete = jetstream.FileStorage, true, true
		if create {
			return e.js.CreateStream(ctx, c)
		}
		return e.js.UpdateStream(ctx, c) // the limit may be another one now
	}
	e.log, err = set(jetstream.StreamConfig{
		Name: logStream, Subjects: []string{logSubject}, MaxBytes: cfg.MaxBytes, Discard: jetstream.DiscardNew,
	})
	if err != nil {
		return fmt.Errorf("stream %s: %w", logStream, err)
	}
	e.snap, err = set(jetstream.StreamConfig{
		Name: snapStream, Subjects: []string{"snap.>"}, MaxMsgsPerSubject: 1,
	})
	if err != nil {
		return fmt.Errorf("stream %s: %w", snapStream, err)
	}
	return nil
}

// append publishes a record that must become number seq. An error leaves open whether it did.
func (e *engine) append(ctx context.Context, record []byte, seq uint64) error {
	m := &nats.Msg{Subject: logSubject, Data: record, Header: nats.Header{}}
	m.Header.Set(jetstream.ExpectedLastSeqHeader, strconv.FormatUint(seq-1, 10))
	ack, err := e.js.PublishMsg(ctx, m, jetstream.WithRetryAttempts(0))
	if err != nil {
		return err
	}
	if ack.Sequence != seq {
		return fmt.Errorf("%w: record %d became number %d", ErrFenced, seq, ack.Sequence)
	}
	return nil
}

// serves checks that JetStream has the log that is in its files.
func (e *engine) serves(ctx context.Context, last *stored) error {
	info, err := e.log.Info(ctx)
	if err != nil {
		return fmt.Errorf("look at the log: %w", err)
	}
	if s := info.State; s.LastSeq != last.seq || s.Msgs != s.LastSeq-s.FirstSeq+1 || s.NumDeleted != 0 {
		return last.damage("nats-server has records %d to %d (%d of them), but the files end with %d",
			s.FirstSeq, s.LastSeq, s.Msgs, last.seq)
	}
	m, err := e.log.GetMsg(ctx, last.seq)
	if err != nil {
		return fmt.Errorf("look at the end of the log: %w", err)
	}
	if string(m.Data) != string(last.data) {
		return last.damage("nats-server has another record %d than the files", last.seq)
	}
	return nil
}

// stop ends the server and waits for it.
func (e *engine) stop() {
	if e.nc != nil {
		e.nc.Close()
	}
	e.srv.Shutdown()
	e.srv.WaitForShutdown()
}

// serverLog passes nats-server's complaints on.
type serverLog struct{ log *slog.Logger }

func (l *serverLog) write(level slog.Level, format string, v []any) {
	if l.log.Enabled(context.Background(), level) {
		l.log.Log(context.Background(), level, "nats-server says", "text", fmt.Sprintf(format, v...))
	}
}
func (l *serverLog) Noticef(format string, v ...any) { l.write(slog.LevelDebug, format, v) }
func (l *serverLog) Debugf(format string, v ...any)  { l.write(slog.LevelDebug, format, v) }
func (l *serverLog) Tracef(format string, v ...any)  { l.write(slog.LevelDebug, format, v) }
func (l *serverLog) Warnf(format string, v ...any)   { l.write(slog.LevelWarn, format, v) }
func (l *serverLog) Errorf(format string, v ...any)  { l.write(slog.LevelWarn, format, v) }
func (l *serverLog) Fatalf(format string, v ...any)  { l.write(slog.LevelError, format, v) }
