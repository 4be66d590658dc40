// Package vm runs virtual machines with Debian's kernel and systemd, in which tests use what containers do
// not have: the kernel's NFS client, a machine that loses its power.
//
// The processor is emulated, so everything is slow; a machine resumes a snapshot of one that has booted. It
// needs root, QEMU, and, for the first image, Debian's mirrors. What a machine has changed is
// thrown away when it stops; no machine outlives its process. An error leaves nothing running.
package vm

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"olive-distributed/packaging/rig/vm/guest"
)

// Sizes of every machine: a snapshot fits only the machine that it is of.
const (
	memory  = "1024" // MiB
	payload = 96 << 20
)

const (
	bootTime   = 20 * time.Minute // cold, on a machine that is busy
	resumeTime = 3 * time.Minute
)

// A Machine is a virtual machine that runs.
type Machine struct {
	Name string

	folder string // of this run
	qemu   *exec.Cmd
	said   bytes.Buffer // by QEMU, complete when ended is closed
	ended  chan struct{}
	agent  *agent
}

// Options of a machine.
type Options struct {
	Network *Network // nil: nothing but lo
	Number  int      // in the network, from 1
	Files   string   // folder whose files are in /rig
}

// Start resumes a machine from an image. It has the host name, and in a network the
// address 10.77.49.Number; the files are there.
func (i *Image) Start(ctx context.Context, name string, o Options) (*Machine, error) {
	m := &Machine{Name: name, ended: make(chan struct{})}
	err := m.resume(ctx, i, o)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start machine %s: %w", name, err), m.Stop())
	}
	return m, nil
}

func (m *Machine) resume(ctx context.Context, i *Image, o Options) error {
	var err error
	if m.folder, err = os.MkdirTemp("", "olive-vm-"); err != nil {
		return err
	}
	file := filepath.Join(m.folder, disk)
	if _, err := run(ctx, "cp", "--reflink=auto", i.file(warm), file); err != nil {
		return err
	}
	if err := os.Symlink(i.file("root.qcow2"), filepath.Join(m.folder, "root.qcow2")); err != nil { // the disk is a difference to it
		return err
	}
	if err := pack(ctx, o.Files, filepath.Join(m.folder, "payload")); err != nil {
		return err
	}
	if err := m.spawn(i, file, o.Network, "-loadvm", snapshot); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, resumeTime)
	defer cancel()
	if m.agent, err = m.connect(ctx); err != nil {
		return err
	}
	return m.wake(ctx, o)
}

// wake makes the machine one of its own: all come from one snapshot.
func (m *Machine) wake(ctx context.Context, o Options) error {
	seed := make([]byte, 32)
	_, _ = rand.Read(seed) // never fails
	if err := m.agent.wake(ctx, guest.Wake{Time: time.Now().UnixNano(), Seed: seed}); err != nil {
		return err
	}
	script := `hostname "$1"; echo "$1" >/etc/hostname
ip link set lo up
mkdir -p /rig; tar -C /rig -xf /dev/vdb; chown -R root:root /rig; chmod 755 /rig
[ "$2" = 0 ] || { ip link set eth0 address 52:54:00:4d:31:$(printf %02x "$2"); ip addr add 10.77.49.$2/24 dev eth0; ip link set eth0 up; }`
	_, err := m.Run(ctx, "sh", "-ec", script, "wake", m.Name, fmt.Sprint(o.Number))
	return err
}

// spawn starts QEMU. Its serial ports: what the kernel says, and the agent's.
func (m *Machine) spawn(i *Image, disk string, n *Network, more ...string) error {
	in := func(name string) string { return filepath.Join(m.folder, name) }
	args := []string{
		"-machine", "q35", "-accel", "tcg,thread=multi,tb-size=256", "-cpu", processor, "-smp", "1", "-m", memory,
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-kernel", i.file("vmlinuz"), "-initrd", i.file("initrd.gz"), "-append", kernelArguments,
		"-drive", "id=root,if=none,format=qcow2,cache=unsafe,file=" + disk, "-device", "virtio-blk-pci,drive=root",
		"-drive", "id=files,if=none,format=raw,readonly=on,file=" + in("payload"), "-device", "virtio-blk-pci,drive=files",
		"-device", "virtio-rng-pci",
		"-netdev", n.netdev(), "-device", "virtio-net-pci,netdev=net0",
		"-serial", "file:" + in("console"), "-serial", "unix:" + in("agent") + ",server=on,wait=off",
		"-qmp", "unix:" + in("qmp") + ",server=on,wait=off",
	}
	m.qemu = exec.Command("qemu-system-x86_64", append(args, more...)...)
	m.qemu.Stdout, m.qemu.Stderr = &m.said, &m.said
	m.qemu.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	if err := m.qemu.Start(); err != nil {
		return fmt.Errorf("%w: install what packaging/deps.sh test installs: qemu-system-x86", err)
	}
	go func() {
		_ = m.qemu.Wait() // killed, as a rule
		close(m.ended)
	}()
	return nil
}

// Run runs a program as root in the machine and returns what it writes to standard output.
func (m *Machine) Run(ctx context.Context, args ...string) (string, error) {
	return m.Feed(ctx, nil, args...)
}

// Feed is Run with a standard input.
func (m *Machine) Feed(ctx context.Context, stdin []byte, args ...string) (string, error) {
	a, err := m.agent.call(ctx, guest.Call{Args: args, Stdin: stdin})
	if err == nil && a.Code != 0 {
		err = fmt.Errorf("exit code %d", a.Code)
	}
	if err != nil {
		const tail = 4000 // bytes
		text := strings.TrimSpace(string(a.Out) + string(a.Said))
		err = fmt.Errorf("on %s: %s: %w\n%s", m.Name, strings.Join(args, " "), err, text[max(0, len(text)-tail):])
	}
	return string(a.Out), err
}

// Used is the time that this machine's processors have spent on it, of which nothing is known before it has stopped.
func (m *Machine) Used() time.Duration {
	if m.qemu == nil || m.qemu.ProcessState == nil {
		return 0
	}
	return m.qemu.ProcessState.UserTime() + m.qemu.ProcessState.SystemTime()
}

// Console is what the kernel has said.
func (m *Machine) Console() string {
	text, err := os.ReadFile(filepath.Join(m.folder, "console"))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Stop takes the power away, and throws away what has changed.
func (m *Machine) Stop() error {
	m.kill()
	if m.folder == "" {
		return nil
	}
	return os.RemoveAll(m.folder)
}

// kill ends QEMU and the conversation with the agent.
func (m *Machine) kill() {
	if m.qemu != nil && m.qemu.Process != nil {
		_ = m.qemu.Process.Kill() // it may have ended by itself
		<-m.ended
	}
	if m.agent != nil {
		m.agent.close()
	}
}

// pack makes the disk with the files: a tar archive, filled up to the size that the snapshot knows.
func pack(ctx context.Context, folder, disk string) error {
	if folder != "" {
		if _, err := run(ctx, "tar", "-C", folder, "-cf", disk, "."); err != nil {
			return err
		}
		info, err := os.Stat(disk)
		if err != nil {
			return err
		}
		if info.Size() > payload {
			return fmt.Errorf("the files in %s are %d bytes, a machine takes %d", folder, info.Size(), payload)
		}
	} else if err := os.WriteFile(disk, nil, 0o600); err != nil {
		return err
	}
	return os.Truncate(disk, payload)
}

// run runs a program of this machine. The error holds the end of what it said.
func run(ctx context.Context, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	if err != nil {
		const tail = 4000 // bytes
		text := strings.TrimSpace(out.String() + said.String())
		err = fmt.Errorf("%s %s: %w\n%s", program, strings.Join(args, " "), err, text[max(0, len(text)-tail):])
	}
	return out.String(), err
}
