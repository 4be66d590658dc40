package dbus_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	godbus "github.com/godbus/dbus/v5"

	"olive-distributed/dbus"
)

// An asker is the agent that asks a person for a password, in a process of the caller's. It hands the
// question on to the test and waits for the answer.
type asker struct{ answers *bufio.Scanner }

type identity struct {
	Kind    string
	Details map[string]godbus.Variant
}

// BeginAuthentication implements org.freedesktop.PolicyKit1.AuthenticationAgent.
func (a *asker) BeginAuthentication(action, message, _ string, _ map[string]string, cookie string, _ []identity) *godbus.Error {
	fmt.Printf("asked\t%s\t%s\t%s\n", action, message, cookie)
	if a.answers.Scan() && a.answers.Text() == "yes" {
		return nil
	}
	return godbus.NewError("org.freedesktop.PolicyKit1.Error.Cancelled", []any{"no"})
}

// CancelAuthentication implements it too.
func (a *asker) CancelAuthentication(string) *godbus.Error { return nil }

// agent is the caller's process: it registers an agent for itself and makes a call.
func agent(args []string) int {
	conn, err := godbus.ConnectSystemBus()
	if err == nil {
		defer conn.Close()
		err = register(conn)
	}
	if err != nil {
		fmt.Println("failed\t" + err.Error())
		return 1
	}
	_, err = call(context.Background(), conn, dbus.MasterName, "/org/olive/Master1", "org.olive.Master1.Manager", "Revoke", args[0] == "interactive", "w-1")
	fmt.Printf("result\t%v\n", errorName(err))
	return 0
}

func register(conn *godbus.Conn) error {
	const path = "/agent"
	if err := conn.Export(&asker{bufio.NewScanner(os.Stdin)}, path, "org.freedesktop.PolicyKit1.AuthenticationAgent"); err != nil {
		return err
	}
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return err
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	start, err := strconv.ParseUint(fields[19], 10, 64) // field 22 of proc(5)
	if err != nil {
		return err
	}
	self := identity{"unix-process", map[string]godbus.Variant{
		"pid": godbus.MakeVariant(uint32(os.Getpid())), "start-time": godbus.MakeVariant(start), "uid": godbus.MakeVariant(int32(os.Getuid())),
	}}
	return conn.Object("org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority").
		Call("org.freedesktop.PolicyKit1.Authority.RegisterAuthenticationAgent", 0, self, "C", path).Err
}

// TestPolkitAsksOnlyWithLeave has a user, who may not, call with an agent at hand: polkit asks for the
// administrator's password if the call allows it, and what was answered counts.
func TestPolkitAsksOnlyWithLeave(t *testing.T) {
	f := newFake()
	serveMaster(t, f)
	for name, test := range map[string]struct {
		mode, answer string
		asked        bool
		want         string
		did          int
	}{
		"the password is right": {"interactive", "yes", true, "<nil>", 1},
		"nobody gives it":       {"interactive", "no", true, "org.olive.Error.NotAuthorized", 0},
		"without leave to ask":  {"silent", "yes", false, "org.olive.Error.NotAuthorized", 0},
	} {
		t.Run(name, func(t *testing.T) {
			asked, result := converse(t, test.mode, test.answer)
			if asked != test.asked || result != test.want {
				t.Errorf("asked %v, result %s, want %v, %s", asked, result, test.asked, test.want)
			}
			if did := f.done(); len(did) != test.did {
				t.Errorf("the master was told to %q", did)
			}
		})
	}
}

// converse runs the process of the user other and plays the person and the administrator.
func converse(t *testing.T, mode, answer string) (asked bool, result string) {
	t.Helper()
	// It dies with the rig; not by Pdeathsig, since [as] ends threads, one of which may have started it.
	cmd := exec.CommandContext(t.Context(), publicSelf(t), "agent", mode)
	uid, gid, _ := ids(t, "other")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid}}
	cmd.Dir, cmd.Stderr = "/", os.Stderr
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		switch words := strings.Split(lines.Text(), "\t"); words[0] {
		case "asked":
			asked = true
			if want := "Authentication is required to add a machine to the render farm, or to remove one."; words[1] != "org.olive.master.enroll" || words[2] != want {
				t.Errorf("asked %q about %s, want %q", words[2], words[1], want)
			}
			if answer == "yes" {
				root := identity{"unix-user", map[string]godbus.Variant{"uid": godbus.MakeVariant(uint32(0))}}
				err := dialAs(t, "root").Object("org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority").
					Call("org.freedesktop.PolicyKit1.Authority.AuthenticationAgentResponse2", 0, uid, words[3], root).Err
				if err != nil {
					t.Error(err)
				}
			}
			fmt.Fprintln(in, answer)
		default:
			return asked, words[1]
		}
	}
	return asked, "nothing"
}

// publicSelf is a copy of this program that every user may run.
func publicSelf(t *testing.T) string {
	t.Helper()
	path := filepath.Join(filepath.Dir(project(t, 0o644)), "self")
	from, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	to, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(to, from); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}
