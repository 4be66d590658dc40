package sound

import (
	"context"
	"fmt"
	"os"
	"strconv"

	"olive-distributed/daemon/media"
	"olive-distributed/daemon/media/probe"
	"olive-distributed/daemon/media/tool"
)

// extractShift keeps the time stamps of a copy positive, which NUT demands; in seconds.
const extractShift = 100

// extract makes s play a copy of its stream without the pictures around it.
func (s *Stream) extract(ctx context.Context, l *media.Library) error {
	path, err := l.CopyPath(fmt.Sprintf("%s\x00%d", s.src.Key, s.Index), ".nut")
	if err != nil {
		return fmt.Errorf("folder for copied sound: %w", err)
	}
	if _, err := os.Stat(path); err != nil {
		if err := writeExtract(ctx, s, path); err != nil {
			return err
		}
	}
	if s.src, err = probe.Open(path, 0); err != nil {
		return err
	}
	s.Index, s.start, s.stream = 0, 0, false
	s.origin += extractShift
	return nil
}

func writeExtract(ctx context.Context, s *Stream, path string) error {
	return tool.Complete(path, func(temp string) error {
		err := s.copyTo(ctx, temp)
		if err == nil || !s.stream || ctx.Err() != nil {
			return err
		}
		whole := *s
		whole.stream = false // leaves out what is damaged
		if again := whole.copyTo(ctx, temp); again != nil || !gapless(ctx, temp) {
			return err
		}
		return nil
	})
}

func (s *Stream) copyTo(ctx context.Context, path string) error {
	args := append([]string{"-v", "error", "-nostdin", "-y", "-xerror", "-copyts"}, s.input()...)
	return tool.Write(ctx, path, append(args, "-map", "0:"+strconv.Itoa(s.Index), "-c", "copy", "-map_metadata", "-1",
		"-output_ts_offset", strconv.Itoa(extractShift), "-f", "nut")...)
}

// gapless reports whether the packets of a copied stream follow each other, so that none is missing
// but at the end.
func gapless(ctx context.Context, path string) bool {
	list, err := probe.Packets(ctx, probe.Source{Path: path}, 0)
	for i := 1; i < len(list); i++ {
		if late := list[i].PTS - list[i-1].PTS - list[i-1].Duration; late > list[i-1].Duration/2 {
			return false
		}
	}
	return err == nil && len(list) > 0
}
