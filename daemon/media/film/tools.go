package film

import (
	"context"
	"fmt"
	"os/exec"
	"strings"

	"olive-distributed/daemon/media/tool"
)

// CheckTools fails unless ffmpeg and ffprobe are there with the encoders that the presets need.
func CheckTools(ctx context.Context) error {
	for _, name := range []string{"ffmpeg", "ffprobe"} {
		if _, err := exec.LookPath(name); err != nil {
			return fmt.Errorf("%s is not installed: on Debian, apt install ffmpeg", name)
		}
	}
	cmd, err := tool.Command(ctx, "ffmpeg", "-v", "error", "-nostdin", "-encoders")
	if err != nil {
		return err
	}
	have, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("ask ffmpeg for its encoders: %w", tool.Reason(ctx, err))
	}
	for _, p := range presets {
		if !strings.Contains(string(have), " "+p.Video[1]+" ") {
			return fmt.Errorf("this ffmpeg cannot encode %s (%s is missing): install one that can, as Debian's", p.Name, p.Video[1])
		}
	}
	return nil
}
