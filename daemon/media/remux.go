package media

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"

	"olive-distributed/daemon/media/probe"
	"olive-distributed/daemon/media/tool"
)

// remux copies a stream that does not seek exactly into Matroska, which does, and makes ix play
// the copy. The PTS of ix stay the original's: they decide what is shown when. A stream that
// Matroska cannot hold, or whose copy has other frames, is decoded from its start each time.
func (l *Library) remux(ctx context.Context, s *survey, ix *Index, key string) error {
	path, err := l.CopyPath(key, ".mkv")
	if err != nil {
		return fmt.Errorf("folder for remuxed media: %w", err)
	}
	if err := writeRemux(ctx, s.src, s.st.Index, path); err != nil {
		if ctx.Err() != nil || !errors.Is(err, errNotRemuxed) {
			return err
		}
		return nil
	}
	src, err := probe.Open(path, 0)
	if err != nil {
		return err
	}
	file, err := probe.Headers(ctx, src)
	if err != nil {
		return err
	}
	if len(file.Streams) != 1 {
		return os.Remove(path)
	}
	r := survey{src: src, file: file, st: file.Streams[0], wary: true}
	err = r.look(ctx)
	if err == nil && len(r.pts) != len(s.pts) {
		err = r.decode(ctx)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil || len(r.pts) != len(s.pts) || !strictly(r.pts) {
		return os.Remove(path)
	}
	ix.play = r.index().play
	ix.play.Seeks, ix.play.Remuxed = true, true
	return nil
}

// errNotRemuxed means that ffmpeg could not copy the stream, which is no fault of the medium.
var errNotRemuxed = errors.New("not remuxed")

// writeRemux copies one stream into a Matroska file at path, complete or not at all.
func writeRemux(ctx context.Context, src probe.Source, stream int, path string) error {
	return tool.Complete(path, func(temp string) error {
		args := append([]string{"-v", "error", "-nostdin", "-y", "-fflags", "+genpts"}, src.Input(0)...)
		args = append(args, "-map", "0:"+strconv.Itoa(stream), "-c", "copy", "-copyinkf", "-f", "matroska")
		err := tool.Write(ctx, temp, args...)
		if err != nil && !errors.Is(err, syscall.ENOSPC) {
			err = fmt.Errorf("%w: %w", errNotRemuxed, err)
		}
		return err
	})
}
