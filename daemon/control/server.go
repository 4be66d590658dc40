package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"olive-distributed/daemon/master"
)

// Members are the workers that may join. [pki.Authority] and the bus are behind it.
type Members interface {
	// Invite returns the line to run on the new worker.
	Invite(ctx context.Context, worker string) (string, error)
	// Revoke ends a worker's certificates and connections.
	Revoke(ctx context.Context, worker string) error
	Enrolled() []Enrolled
}

// Limits of a request.
const (
	maxBody     = 1 << 20
	headTimeout = 5 * time.Second
	idleTimeout = time.Minute
)

// Listen makes the socket, in place of one that a killed master has left. A socket that somebody
// serves is an error.
func Listen(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("make control socket: %w", err)
	}
	if c, err := net.Dial("unix", path); err == nil {
		c.Close()
		return nil, fmt.Errorf("make control socket: %s is served already: is another olive-master running?", path)
	}
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() != fs.ModeSocket {
		return nil, fmt.Errorf("make control socket: %s is not a socket: move it away, or choose another name", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("make control socket: %w", err)
	}
	// The socket must not be open to others even for a moment.
	mask := unix.Umask(0o177)
	ln, err := net.Listen("unix", path)
	unix.Umask(mask)
	if err != nil {
		return nil, fmt.Errorf("make control socket: %w", err)
	}
	return ln, nil
}

// Serve answers until the context ends, and then lets running calls finish for a moment.
func Serve(ctx context.Context, ln net.Listener, m *master.Master, members Members) error {
	s := &server{m, members}
	h := &http.Server{
		Handler: s.routes(), ReadHeaderTimeout: headTimeout, IdleTimeout: idleTimeout,
		BaseContext: func(net.Listener) context.Context { return ctx },
		ConnContext: withPeer,
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		<-ctx.Done()
		wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if h.Shutdown(wait) != nil {
			h.Close()
		}
	}()
	err := h.Serve(ln)
	if errors.Is(err, http.ErrServerClosed) {
		<-stopped
		return nil
	}
	return fmt.Errorf("serve control socket: %w", err)
}

type peerKey struct{}

// withPeer notes the uid of the caller.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	raw, err := c.(*net.UnixConn).SyscallConn()
	if err != nil {
		return ctx
	}
	_ = raw.Control(func(fd uintptr) {
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			ctx = context.WithValue(ctx, peerKey{}, cred.Uid)
		}
	})
	return ctx
}

type server struct {
	master  *master.Master
	members Members
}

func (s *server) routes() http.Handler {
	m := s.master
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", answer(s.status))
	mux.HandleFunc("POST /v1/jobs", answer(s.submit))
	mux.HandleFunc("GET /v1/jobs/{id}/log", answer(s.log))
	mux.HandleFunc("POST /v1/jobs/{id}/priority/{priority}", answer(s.priority))
	for verb, f := range map[string]func(context.Context, uint32) error{
		"cancel": m.Cancel, "pause": m.Pause, "resume": m.Resume, "retry": m.Retry, "forget": m.Forget,
	} {
		mux.HandleFunc("POST /v1/jobs/{id}/"+verb, answer(func(r *http.Request) (any, error) {
			id, err := jobID(r)
			if err != nil {
				return nil, err
			}
			return nil, f(r.Context(), id)
		}))
	}
	for verb, f := range map[string]func(context.Context, string) error{
		"pause": m.PauseWorker, "resume": m.ResumeWorker, "revoke": s.members.Revoke,
	} {
		mux.HandleFunc("POST /v1/workers/{name}/"+verb, answer(func(r *http.Request) (any, error) {
			return nil, f(r.Context(), r.PathValue("name"))
		}))
	}
	mux.HandleFunc("POST /v1/workers/{name}/invite", answer(func(r *http.Request) (any, error) {
		return s.members.Invite(r.Context(), r.PathValue("name"))
	}))
	return mux
}

// answer turns a call into a handler.
func answer(f func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		w.Header().Set("Content-Type", "application/json")
		v, err := f(r)
		if err != nil {
			e := new(Error)
			if !errors.As(err, &e) {
				e = toWire(err)
			}
			w.WriteHeader(http.StatusUnprocessableEntity)
			v = e
		}
		_ = json.NewEncoder(w).Encode(v) // the caller has gone
	}
}

func jobID(r *http.Request) (uint32, error) {
	id, err := strconv.ParseUint(r.PathValue("id"), 10, 32)
	if err != nil {
		return 0, &Error{CodeRequest, fmt.Sprintf("%q is no job: want its number", r.PathValue("id"))}
	}
	return uint32(id), nil
}

func (s *server) status(r *http.Request) (any, error) {
	v, err := s.master.View(r.Context())
	return Status{v, s.members.Enrolled()}, err
}

func (s *server) submit(r *http.Request) (any, error) {
	var req master.Request
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		return nil, &Error{CodeRequest, fmt.Sprintf("read request: %v", err)}
	}
	if !filepath.IsAbs(req.Project) || !filepath.IsAbs(req.Output) {
		return nil, &Error{CodeRequest, "project and output must be absolute paths"}
	}
	req.Owner, _ = r.Context().Value(peerKey{}).(uint32)
	return s.master.Submit(r.Context(), req)
}

func (s *server) log(r *http.Request) (any, error) {
	id, err := jobID(r)
	if err != nil {
		return nil, err
	}
	return s.master.Log(r.Context(), id)
}

func (s *server) priority(r *http.Request) (any, error) {
	id, err := jobID(r)
	if err != nil {
		return nil, err
	}
	p, err := strconv.ParseInt(r.PathValue("priority"), 10, 32)
	if err != nil {
		return nil, &Error{CodeRequest, fmt.Sprintf("%q is no priority: want a number", r.PathValue("priority"))}
	}
	return nil, s.master.SetPriority(r.Context(), id, int(p))
}
