package main

import (
	"io"
	"os"
	"os/exec"
	"syscall"
)

// An agent is pkttyagent(1), by which polkit asks for a password on this terminal where no desktop does.
type agent struct{ cmd *exec.Cmd }

// start starts the agent and waits until polkit knows it. Without the program there may still be the agent
// of a desktop.
func (a *agent) start(bus string) {
	ready, end, err := os.Pipe()
	if err != nil {
		return
	}
	defer ready.Close()
	const endFD = "3" // the first of ExtraFiles
	args := []string{"--notify-fd", endFD}
	if os.Getenv("XDG_SESSION_ID") != "" { // a session may have an agent, which comes first
		args = append(args, "--fallback")
	}
	cmd := exec.Command("pkttyagent", args...)
	cmd.ExtraFiles = []*os.File{end}
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if bus != "" {
		cmd.Env = append(os.Environ(), "DBUS_SYSTEM_BUS_ADDRESS="+bus)
	}
	err = cmd.Start()
	end.Close()
	if err == nil {
		a.cmd = cmd
		_, _ = io.Copy(io.Discard, ready) // ends when it is ready, or not there any more
	}
}

// stop ends the agent, which puts the terminal in order.
func (a *agent) stop() {
	if a.cmd != nil {
		_ = a.cmd.Process.Signal(syscall.SIGTERM)
		_ = a.cmd.Wait() // its exit code is the signal's
	}
}
