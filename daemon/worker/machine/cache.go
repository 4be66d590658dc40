package machine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// cacheVersion changes with the meaning of a Spec, and with everything that is tried out.
const cacheVersion = "olive-machine-1"

const maxCache = 1 << 20

// A record is a Spec as it lies on disk. Sum is over Spec: a flipped bit must not become a
// fingerprint.
type record struct {
	Key  string          `json:"key"`
	Sum  string          `json:"sum"`
	Spec json.RawMessage `json:"spec"`
}

// load reads the Spec for key; any fault means that it is made anew.
func load(path, key string) (Spec, bool) {
	if path == "" {
		return Spec{}, false
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return Spec{}, false
	}
	defer f.Close()
	var rec record
	if json.NewDecoder(io.LimitReader(f, maxCache)).Decode(&rec) != nil || rec.Key != key || rec.Sum != digest(rec.Spec) {
		return Spec{}, false
	}
	var s Spec
	return s, json.Unmarshal(rec.Spec, &s) == nil && s.Presets != nil
}

// save keeps the Spec for key. The cache only saves time, so a failure is no error.
func save(path, key string, s Spec) {
	if path == "" || os.MkdirAll(filepath.Dir(path), 0o700) != nil {
		return
	}
	spec, err := json.Marshal(s)
	if err != nil {
		return
	}
	if text, err := json.Marshal(record{key, digest(spec), spec}); err == nil {
		_ = renameio.WriteFile(path, text, 0o600)
	}
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// identity changes whenever the answer may: with both tools and the libraries that they load, the
// kernel, the processor and the number of threads.
func identity(ctx context.Context, threads int) (string, error) {
	var b strings.Builder
	fmt.Fprintln(&b, cacheVersion, threads)
	for _, tool := range []string{"ffmpeg", "ffprobe"} {
		path, err := exec.LookPath(tool)
		if err != nil {
			return "", fmt.Errorf("%s is not installed (Debian: apt install ffmpeg): %w", tool, err)
		}
		files, err := libraries(ctx, path)
		if err != nil {
			return "", err
		}
		for _, file := range append(files, path) {
			if err := stamp(&b, file); err != nil {
				return "", err
			}
		}
	}
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return "", fmt.Errorf("ask for the kernel's version: %w", err)
	}
	fmt.Fprintln(&b, unix.ByteSliceToString(uts.Release[:]), unix.ByteSliceToString(uts.Machine[:]))
	b.WriteString(processor("/proc/cpuinfo"))
	return digest([]byte(b.String())), nil
}

// stamp identifies the content of a file.
func stamp(b *strings.Builder, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	fmt.Fprintln(b, path, info.Size(), info.ModTime().UnixNano())
	return nil
}

var loaded = regexp.MustCompile(`(?m)^\t(?:\S+ => )?(/\S+) \(0x`)

// libraries asks the dynamic loader what a program loads, as ldd does: an encoder's library may be
// replaced without ffmpeg. A static program prints its version instead, and loads nothing.
func libraries(ctx context.Context, program string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "-version")
	cmd.Env = append(os.Environ(), "LC_ALL=C", "LD_TRACE_LOADED_OBJECTS=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("ask %s for its version: %w", program, errors.Join(err, context.Cause(ctx)))
	}
	var paths []string
	for _, m := range loaded.FindAllSubmatch(out, -1) {
		paths = append(paths, string(m[1]))
	}
	return paths, nil
}

var cpuLine = regexp.MustCompile(`(?m)^(?:model name|flags|Features|CPU part|CPU variant)\s*:.*$`)

// processor names the first processor and what it can do, as far as the kernel tells.
func processor(cpuinfo string) string {
	text, err := os.ReadFile(cpuinfo)
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), "\n\n")
	return strings.Join(cpuLine.FindAllString(first, -1), "\n")
}
