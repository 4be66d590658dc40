package rig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Options of a container. The zero value is a machine that is alone.
type Options struct {
	Network *Network // that has a host of the container's name; nil: nothing but lo
	Bind    []string // HOSTPATH:PATH, shared for reading and writing
	BindRO  []string // HOSTPATH:PATH, for reading
}

// A Container is a machine whose first process is systemd.
type Container struct {
	Name    string
	leader  int // process ID of its systemd
	nspawn  *exec.Cmd
	ended   chan error
	console bytes.Buffer // complete when ended is closed
	cgroups []string
}

// powerOff is the signal on which systemd powers a container off: SIGRTMIN+4.
const powerOff = syscall.Signal(34 + 4)

const (
	bootTime = time.Minute
	stopTime = 20 * time.Second
	look     = 20 * time.Millisecond
)

// Start boots a container on the base tree and waits until its boot has ended.
func Start(ctx context.Context, base, name string, o Options) (*Container, error) {
	c := &Container{Name: name, ended: make(chan error, 1)}
	err := c.boot(ctx, base, o)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start container %s: %w", name, err), c.Stop())
	}
	return c, nil
}

func (c *Container) boot(ctx context.Context, base string, o Options) error {
	machine := fmt.Sprintf("olive-rig-%d-%s", os.Getpid(), c.Name)
	if err := c.makeCgroups(machine); err != nil {
		return err
	}
	if err := c.spawn(base, machine, o); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, bootTime)
	defer cancel()
	if err := c.findLeader(ctx); err != nil {
		return err
	}
	// It ends with an error when a unit has failed; rpc_pipefs cannot be mounted in a container, for one.
	if state, err := c.Run(ctx, "systemctl", "is-system-running", "--wait"); err != nil && strings.TrimSpace(state) != "degraded" {
		return err
	}
	return nil
}

// makeCgroups makes a group for the container in every hierarchy that systemd uses. Without one
// nspawn makes groups at the top, where two containers collide.
func (c *Container) makeCgroups(machine string) error {
	const top = "/sys/fs/cgroup"
	hierarchies := []string{top}
	if _, err := os.Stat(top + "/unified"); err == nil {
		hierarchies = []string{top + "/unified", top + "/systemd"}
	}
	for _, h := range hierarchies {
		if err := sweep(h); err != nil {
			return err
		}
		dir := filepath.Join(h, machine)
		if err := os.Mkdir(dir, 0o755); err != nil {
			return fmt.Errorf("make control group: %w", err)
		}
		c.cgroups = append(c.cgroups, dir)
	}
	return nil
}

// sweep removes the empty groups of processes that were killed.
func sweep(hierarchy string) error {
	left, err := filepath.Glob(filepath.Join(hierarchy, "olive-rig-*"))
	if err != nil {
		return fmt.Errorf("look for old control groups: %w", err)
	}
	for _, dir := range left {
		var pid int
		if _, err := fmt.Sscanf(filepath.Base(dir), "olive-rig-%d-", &pid); err != nil || syscall.Kill(pid, 0) == nil {
			continue // it is not ours, or its owner lives
		}
		if err := removeTree(dir); err != nil {
			return err
		}
	}
	return nil
}

func (c *Container) spawn(base, machine string, o Options) error {
	// A process enters groups by writing itself into them before it becomes nspawn.
	const enter = `n=$1; shift; while [ $n -gt 0 ]; do echo $$ >"$1/cgroup.procs" || exit 1; shift; n=$((n-1)); done; exec "$@"`
	args := append([]string{"-c", enter, "enter", strconv.Itoa(len(c.cgroups))}, c.cgroups...)
	// In a process namespace of its own: all die when nspawn does, and nspawn when this process does.
	args = append(args, "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "slave",
		"systemd-nspawn", "--quiet", "--directory="+base, "--machine="+machine, "--hostname="+c.Name,
		"--volatile=overlay", "--register=no", "--keep-unit", "--boot", "--console=read-only", "--link-journal=no",
		// nspawn refuses to lock memory, which every user of a real machine may: libgcrypt complains, in ffprobe.
		"--system-call-filter=@memlock",
		"--resolv-conf=off", "--timezone=off")
	if o.Network != nil {
		args = append(args, "--network-namespace-path=/run/netns/"+o.Network.namespace(c.Name))
	} else {
		args = append(args, "--private-network")
	}
	for _, b := range o.Bind {
		args = append(args, "--bind="+b)
	}
	for _, b := range o.BindRO {
		args = append(args, "--bind-ro="+b)
	}
	args = append(args, "--", "systemd.log_target=journal-or-kmsg")
	c.nspawn = exec.Command("sh", args...)
	c.nspawn.Env = append(os.Environ(), "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1", "SYSTEMD_NSPAWN_API_VFS_WRITABLE=network")
	c.nspawn.Stdout, c.nspawn.Stderr = &c.console, &c.console
	c.nspawn.WaitDelay = stopTime
	c.nspawn.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	if err := c.nspawn.Start(); err != nil {
		return err
	}
	go func() {
		c.ended <- c.nspawn.Wait()
		close(c.ended)
	}()
	return nil
}

// findLeader waits until the container's systemd takes commands.
func (c *Container) findLeader(ctx context.Context) error {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		select {
		case err := <-c.ended:
			return fmt.Errorf("systemd-nspawn has ended: %w\n%s", err, &c.console)
		case <-ctx.Done():
			return fmt.Errorf("wait for systemd: %w", context.Cause(ctx))
		case <-tick.C:
		}
		for _, pid := range descendants(c.nspawn.Process.Pid) {
			if isSystemd(pid) {
				c.leader = pid
				return nil
			}
		}
	}
}

// isSystemd says whether a process is a systemd that takes commands.
func isSystemd(pid int) bool {
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil || !slices.Contains([]string{"systemd\n", "init\n"}, string(name)) {
		return false // nspawn itself, before it becomes systemd; this machine's root is its own
	}
	_, err = os.Stat(fmt.Sprintf("/proc/%d/root/run/systemd/private", pid))
	return err == nil
}

// descendants are the processes below one, the nearest first.
func descendants(pid int) []int {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	var list []int
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue // the thread has ended
		}
		for _, word := range strings.Fields(string(text)) {
			if child, err := strconv.Atoi(word); err == nil {
				list = append(list, child)
			}
		}
	}
	for _, child := range slices.Clone(list) {
		list = append(list, descendants(child)...)
	}
	return list
}

// Run runs a program as root in the container and returns what it writes to standard output.
func (c *Container) Run(ctx context.Context, args ...string) (string, error) {
	return c.Feed(ctx, nil, args...)
}

// Feed is Run with a standard input.
func (c *Container) Feed(ctx context.Context, stdin []byte, args ...string) (string, error) {
	in := []string{
		"--target", strconv.Itoa(c.leader), "--all", "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
		"TERM=dumb", "HOME=/root", "LANG=C.UTF-8", "SYSTEMD_PAGER=cat", "DEBIAN_FRONTEND=noninteractive",
	}
	out, err := run(ctx, stdin, "nsenter", append(in, args...)...)
	if err != nil {
		err = fmt.Errorf("on %s: %w", c.Name, err)
	}
	return out, err
}

// Root is the container's root folder as this machine sees it.
func (c *Container) Root() string { return fmt.Sprintf("/proc/%d/root", c.leader) }

// Stop powers the container off and throws away what has changed in it.
func (c *Container) Stop() error {
	if c.nspawn != nil && c.nspawn.Process != nil {
		if c.leader != 0 {
			_ = syscall.Kill(c.leader, powerOff) // it may have ended by itself
		} else {
			_ = c.nspawn.Process.Kill()
		}
		select {
		case <-c.ended:
		case <-time.After(stopTime):
			_ = c.nspawn.Process.Kill()
			<-c.ended
		}
	}
	var errs []error
	for _, dir := range c.cgroups {
		errs = append(errs, removeTree(dir))
	}
	c.cgroups = nil
	return errors.Join(errs...)
}

// removeTree removes control groups, the innermost first. The kernel may need a moment to empty them.
func removeTree(dir string) error {
	var err error
	for deadline := time.Now().Add(stopTime); time.Now().Before(deadline); <-time.After(look) {
		var dirs []string
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, path)
			}
			return nil
		})
		slices.Reverse(dirs)
		err = nil
		for _, d := range dirs {
			err = errors.Join(err, syscall.Rmdir(d))
		}
		if err == nil {
			return nil
		}
	}
	return fmt.Errorf("remove control groups %s: %w", dir, err)
}
