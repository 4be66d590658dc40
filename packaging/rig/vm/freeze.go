package vm

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"
)

// freeze boots a machine and keeps a snapshot in its disk.
func (m *Machine) freeze(ctx context.Context, i *Image) error {
	if err := pack(ctx, "", filepath.Join(m.folder, "payload")); err != nil {
		return err
	}
	if err := m.spawn(i, i.file(warm), nil); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, bootTime)
	defer cancel()
	var err error
	if m.agent, err = m.connect(ctx); err != nil {
		return err
	}
	select {
	case <-m.agent.ready:
	case <-m.ended:
		return fmt.Errorf("QEMU has ended: %s", &m.said)
	case <-ctx.Done():
		return fmt.Errorf("wait for the machine to boot: %w", ctx.Err())
	}
	// It ends with an error when a unit has failed, which tests would find out.
	if _, err := m.Run(ctx, "systemctl", "is-system-running", "--wait"); err != nil {
		return err
	}
	return m.save(ctx)
}

// save stops the machine and writes the snapshot. The protocol: QEMU's docs/interop/qmp-spec.
func (m *Machine) save(ctx context.Context) error {
	conn, err := m.dial(ctx, "qmp")
	if err != nil {
		return err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return err
		}
	}
	in := bufio.NewScanner(conn)
	human := func(line string) map[string]any {
		return map[string]any{"execute": "human-monitor-command", "arguments": map[string]any{"command-line": line}}
	}
	for _, command := range []map[string]any{{"execute": "qmp_capabilities"}, {"execute": "stop"}, human("savevm " + snapshot), {"execute": "quit"}} {
		if err := json.NewEncoder(conn).Encode(command); err != nil {
			return fmt.Errorf("tell QEMU %v: %w", command, err)
		}
		if err := reply(in); err != nil {
			return fmt.Errorf("tell QEMU %v: %w", command, err)
		}
	}
	select {
	case <-m.ended:
		return nil
	case <-time.After(time.Minute):
		return errors.New("QEMU does not end")
	}
}

// reply waits for the answer to a command, behind any number of events.
func reply(in *bufio.Scanner) error {
	for in.Scan() {
		var a struct {
			Return *json.RawMessage `json:"return"`
			Error  *struct {
				Text string `json:"desc"`
			} `json:"error"`
		}
		if err := json.Unmarshal(in.Bytes(), &a); err != nil {
			return err
		}
		switch {
		case a.Error != nil:
			return errors.New(a.Error.Text)
		case a.Return != nil && string(*a.Return) != "{}" && string(*a.Return) != `""`: // what savevm says, it says of a failure
			return errors.New(string(*a.Return))
		case a.Return != nil:
			return nil
		}
	}
	return errors.Join(errors.New("no answer"), in.Err())
}
