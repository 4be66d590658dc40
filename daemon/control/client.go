package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"

	"olive-distributed/daemon/master"
)

// A Client calls the master behind a socket. It is safe for concurrent use.
type Client struct {
	path string
	http http.Client
}

// NewClient returns a client of the socket at path. It does not connect yet.
func NewClient(path string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
	return &Client{path: path, http: http.Client{Transport: &http.Transport{DialContext: dial}}}
}

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// ErrNoMaster means that nobody serves the socket.
var ErrNoMaster = errors.New("no master answers")

// call posts a request, or gets an answer without one.
func (c *Client) call(ctx context.Context, method, path string, request, answer any) error {
	var body bytes.Buffer
	if request != nil {
		if err := json.NewEncoder(&body).Encode(request); err != nil {
			return err
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://master/v1/"+path, &body)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return c.explain(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		e := &Error{Code: codeFailed}
		if err := json.NewDecoder(resp.Body).Decode(e); err != nil || e.Text == "" {
			return fmt.Errorf("the master at %s answers %s: is it of another version?", c.path, resp.Status)
		}
		return e
	}
	if answer == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(answer); err != nil {
		return c.explain(ctx, fmt.Errorf("read answer: %w", err))
	}
	return nil
}

// explain tells why there is no answer.
func (c *Client) explain(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("the master's socket %s is not yours: become root, or the user of olive-master", c.path)
	}
	var call *url.Error
	if errors.As(err, &call) { // its method and address say nothing to a user
		err = call.Err
	}
	return fmt.Errorf("%w at %s: is olive-master running? (%w)", ErrNoMaster, c.path, err)
}

// Status returns the state of the farm.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	err = c.call(ctx, http.MethodGet, "status", nil, &s)
	return s, err
}

// Submit adds a job. An [Error] with [CodeRefused] says what is wrong with the project.
func (c *Client) Submit(ctx context.Context, r master.Request) (id uint32, err error) {
	err = c.call(ctx, http.MethodPost, "jobs", r, &id)
	return id, err
}

// Job does something to a job: cancel, pause, resume, retry or forget.
func (c *Client) Job(ctx context.Context, id uint32, verb string) error {
	return c.call(ctx, http.MethodPost, jobPath(id)+verb, nil, nil)
}

// SetPriority moves a job in the queue; higher comes first.
func (c *Client) SetPriority(ctx context.Context, id uint32, priority int) error {
	return c.call(ctx, http.MethodPost, jobPath(id)+"priority/"+strconv.Itoa(priority), nil, nil)
}

// Log returns what has happened to a job.
func (c *Client) Log(ctx context.Context, id uint32) (log []master.Event, err error) {
	err = c.call(ctx, http.MethodGet, jobPath(id)+"log", nil, &log)
	return log, err
}

func jobPath(id uint32) string { return fmt.Sprintf("jobs/%d/", id) }

// Worker does something to a worker: pause, resume or revoke.
func (c *Client) Worker(ctx context.Context, name, verb string) error {
	path, err := workerPath(name)
	if err != nil {
		return err
	}
	return c.call(ctx, http.MethodPost, path+verb, nil, nil)
}

// workerPath is where a worker's calls go. What a path cannot say no worker is called.
func workerPath(name string) (string, error) {
	switch name {
	case "":
		return "", &Error{CodeRequest, "a worker needs a name"}
	case ".", "..":
		return "", &Error{"no-such-worker", fmt.Sprintf("%q is no name of a worker", name)}
	}
	return "workers/" + url.PathEscape(name) + "/", nil
}

// Invite returns the line to run on the machine that is to become the worker.
func (c *Client) Invite(ctx context.Context, name string) (line string, err error) {
	path, err := workerPath(name)
	if err != nil {
		return "", err
	}
	err = c.call(ctx, http.MethodPost, path+"invite", nil, &line)
	return line, err
}
