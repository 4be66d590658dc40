package tool

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Complete makes the file at path by having write fill a temporary one beside it: it is there complete,
// or as it was before.
func Complete(path string, write func(temp string) error) error {
	temp, err := os.CreateTemp(filepath.Dir(path), "new-*.tmp")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) // gone after the rename
	if err := temp.Close(); err != nil {
		return err
	}
	if err := write(temp.Name()); err != nil {
		return err
	}
	return os.Rename(temp.Name(), path)
}

// Write has ffmpeg write a file; args are all but its name. The error is ENOSPC where the disk is full.
func Write(ctx context.Context, path string, args ...string) error {
	var said Tail
	err := Run(ctx, "ffmpeg", append(args, "file:"+path), &said, func(r io.Reader) error {
		_, err := io.Copy(io.Discard, r)
		return err
	})
	if strings.Contains(said.String(), "No space left") {
		return fmt.Errorf("write into %s: %w, make room or set another cache folder: %w", filepath.Dir(path), syscall.ENOSPC, err)
	}
	return err
}
