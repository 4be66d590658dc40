package audio

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// slack is what may stand before the samples, and behind them: chunks that players do not need.
const slack = 64 << 10 // bytes

// Verify checks that path is a whole WAV or RF64 file of 16-bit stereo with exactly samples
// samples at rate, without looking at the sound.
func Verify(path string, rate int, samples int64) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("verify sound: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("verify sound: %w", err)
	}
	start, size, gotRate, err := wavData(bufio.NewReader(f))
	switch {
	case err != nil:
		return fmt.Errorf("verify sound %s: %w", path, err)
	case gotRate != rate:
		return fmt.Errorf("verify sound %s: %d samples a second, want %d", path, gotRate, rate)
	case size != 4*samples:
		return fmt.Errorf("verify sound %s: %d samples, want %d", path, size/4, samples)
	case info.Size() > start+size+slack:
		return fmt.Errorf("verify sound %s: the file goes on for %d bytes after its samples", path, info.Size()-start-size)
	case info.Size() < start+size:
		return fmt.Errorf("verify sound %s: the file ends %d bytes early", path, start+size-info.Size())
	}
	return nil
}

var errNotWAV = errors.New("not a WAV file of 16-bit stereo")

// wavData reads headers up to the samples: where they start, their bytes, and their rate. RF64
// keeps the size in a chunk of its own (EBU Tech 3306).
func wavData(r io.Reader) (start, size int64, rate int, err error) {
	var riff [12]byte
	if _, err := io.ReadFull(r, riff[:]); err != nil {
		return 0, 0, 0, err
	}
	id := string(riff[:4])
	if id != "RIFF" && id != "RF64" || string(riff[8:]) != "WAVE" {
		return 0, 0, 0, errNotWAV
	}
	start = int64(len(riff))
	for long := int64(-1); ; {
		var head [8]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return 0, 0, 0, err
		}
		n := int64(binary.LittleEndian.Uint32(head[4:]))
		if start += int64(len(head)); start > slack {
			return 0, 0, 0, errNotWAV
		}
		if string(head[:4]) == "data" {
			if id == "RF64" {
				n = long
			}
			return start, n, rate, nil
		}
		const most = 1 << 12 // of a chunk before the samples
		if n > most {
			return 0, 0, 0, errNotWAV
		}
		body := make([]byte, n+n&1)
		if _, err := io.ReadFull(r, body); err != nil {
			return 0, 0, 0, err
		}
		start += int64(len(body))
		switch {
		case string(head[:4]) == "ds64" && n >= 16:
			long = int64(binary.LittleEndian.Uint64(body[8:]))
		case string(head[:4]) == "fmt " && n >= 16:
			if binary.LittleEndian.Uint16(body[2:]) != 2 || binary.LittleEndian.Uint16(body[14:]) != 16 {
				return 0, 0, 0, errNotWAV
			}
			rate = int(binary.LittleEndian.Uint32(body[4:]))
		}
	}
}
