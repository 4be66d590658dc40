package machine

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// SetPriority makes this process, and the children that it starts from now on, more modest. nice
// is 0 to 19; a process that is more modest already stays so, as only root can go back. ionice is
// "none" (left as it is), "idle" or "best-effort:0" to "best-effort:7", see ioprio_set(2).
//
// On Linux each thread has a priority of its own and gives it to the threads that it makes, so all
// threads are set. Call it early, before work begins. After an error some may be set.
func SetPriority(nice int, ionice string) error {
	if nice < 0 || nice > 19 {
		return fmt.Errorf("set nice %d: it must be from 0 to 19", nice)
	}
	io, err := parseIONice(ionice)
	if err != nil {
		return err
	}
	if err := eachThread(func(id int) error { return setThread(id, nice, io) }); err != nil {
		return fmt.Errorf("set priority: %w", err)
	}
	return nil
}

// SetThreads keeps this process, and what it starts from now on, on so many of the CPUs that it may use;
// 0: on all. Encoders have a number of threads of their own, on which their bytes depend: it is the CPUs
// that bound what they take. Workers that share a machine begin at different ones.
func SetThreads(n int) error {
	var may, set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &may); err != nil {
		return fmt.Errorf("limit threads: %w", err)
	}
	count := may.Count()
	if n <= 0 || n >= count {
		return nil
	}
	var cpus []int
	for cpu := 0; len(cpus) < count; cpu++ {
		if may.IsSet(cpu) {
			cpus = append(cpus, cpu)
		}
	}
	for i := range n {
		set.Set(cpus[(os.Getpid()+i)%count])
	}
	if err := eachThread(func(id int) error { return unix.SchedSetaffinity(id, &set) }); err != nil {
		return fmt.Errorf("limit threads: %w", err)
	}
	return nil
}

// eachThread does something to all threads of this process.
func eachThread(do func(id int) error) error {
	done := map[int]bool{}
	// A thread that was not set yet may have made another one meanwhile: until a pass finds none.
	for range 100 {
		ids, err := threads()
		if err != nil {
			return err
		}
		news := false
		for _, id := range ids {
			if done[id] {
				continue
			}
			done[id], news = true, true
			if err := do(id); err != nil && !errors.Is(err, unix.ESRCH) { // it has ended
				return fmt.Errorf("thread %d: %w", id, err)
			}
		}
		if !news {
			return nil
		}
	}
	return errors.New("this process makes threads without end")
}

func threads() ([]int, error) {
	dir, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return nil, err
	}
	var ids []int
	for _, e := range dir {
		id, err := strconv.Atoi(e.Name())
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// setThread sets one thread; io 0 leaves the disk's priority as it is.
func setThread(id, nice, io int) error {
	const whoProcess = 1 // IOPRIO_WHO_PROCESS: one thread, whatever its name
	raw, err := unix.Getpriority(unix.PRIO_PROCESS, id)
	if err != nil {
		return err
	}
	if now := 20 - raw; now < nice { // the system call answers 40 to 1
		if err := unix.Setpriority(unix.PRIO_PROCESS, id, nice); err != nil {
			return fmt.Errorf("nice: %w", err)
		}
	}
	if io == 0 {
		return nil
	}
	if _, _, errno := unix.Syscall(unix.SYS_IOPRIO_SET, whoProcess, uintptr(id), uintptr(io)); errno != 0 {
		return fmt.Errorf("ionice: %w", errno)
	}
	return nil
}

// parseIONice gives the number that ioprio_set(2) takes, class and level; 0 for none.
func parseIONice(s string) (int, error) {
	const bestEffort, idle, classShift = 2, 3, 13
	level, ok := strings.CutPrefix(s, "best-effort:")
	switch {
	case s == "none":
		return 0, nil
	case s == "idle":
		return idle << classShift, nil
	case ok && len(level) == 1 && level[0] >= '0' && level[0] <= '7':
		return bestEffort<<classShift | int(level[0]-'0'), nil
	}
	return 0, fmt.Errorf("set ionice %q: it must be none, idle or best-effort:0 to best-effort:7", s)
}
