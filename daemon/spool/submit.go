package spool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// advance submits a claim, or puts it away when its job has ended.
func (s *Spool) advance(ctx context.Context, c *claim) {
	c.mu.Lock()
	c.waits = false
	if c.busy || c.gone || c.Kept {
		c.mu.Unlock()
		return
	}
	c.busy = true
	ended, d := c.Outcome != nil, s.drop(c)
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.busy = false
		c.mu.Unlock()
	}()
	var err error
	if ended {
		err = s.end(c, nil)
	} else {
		err = s.submit(ctx, c, d) // without the lock: the job may end, and Finish be called, before it returns
	}
	if ctx.Err() == nil {
		s.complain(fmt.Sprintf("process the dropped project %q (key %s)", c.Name, c.key), err)
	}
}

func (s *Spool) submit(ctx context.Context, c *claim, d Drop) error {
	receipt, err := s.intake.Submit(ctx, d)
	var refusal *RefusalError
	switch {
	case errors.As(err, &refusal):
		return s.end(c, &Outcome{Result: Failed, Reason: refusal.Error(), Advice: refusal.Advice})
	case errors.Is(err, ErrForgotten):
		return s.end(c, &Outcome{
			Result: Failed, Reason: fmt.Sprintf("job %d of this project has been forgotten, nobody knows how it ended", d.Job),
			Advice: fmt.Sprintf("Look for %s. If it is not there, drop the project again.", d.Output),
		})
	case err != nil:
		return fmt.Errorf("submit: %w", err)
	case receipt.Ended != nil:
		return s.end(c, receipt.Ended)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.submitted = true
	if c.gone || c.job == receipt.Job {
		return nil
	}
	c.job = receipt.Job
	number := strconv.FormatUint(uint64(c.job), 10)
	if err := os.WriteFile(filepath.Join(c.dir, jobFile), []byte(number), 0o640); err != nil { // the key alone will do
		s.log.Warn("note the job of a dropped project", "job", c.job, "error", err)
	}
	return nil
}

// Finish says how the job of a drop has ended: the film is made readable for its owner, and the
// project goes to done or failed, with a log. It may be called more than once, and before Submit
// has returned. An unknown key is one that has been finished before. After an error the spool tries
// again by itself. It works on the disk: do not call it from a loop that must not wait.
func (s *Spool) Finish(key string, o Outcome) error {
	s.mu.Lock()
	c := s.claims[key]
	s.mu.Unlock()
	if c == nil {
		return nil
	}
	if err := s.end(c, &o); err != nil {
		return fmt.Errorf("put away the project %q: %w", c.Name, err)
	}
	return nil
}

// end records the outcome, if there is none yet, and puts the claim away.
func (s *Spool) end(c *claim, o *Outcome) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone || c.Kept {
		return nil
	}
	if c.Outcome == nil {
		c.Outcome = o
		if err := c.save(); err != nil {
			return err // known in memory; after a crash the intake says it again
		}
	}
	if err := s.putAway(c); err != nil {
		return err
	}
	s.release(s.path(outgoing, c.Output))
	if c.Kept {
		return nil
	}
	c.gone = true
	s.mu.Lock()
	delete(s.claims, c.key)
	s.mu.Unlock()
	return nil
}
