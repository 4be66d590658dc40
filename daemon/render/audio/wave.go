package audio

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
)

// A waveWriter writes a WAV file whose length is known beforehand.
type waveWriter struct {
	file *os.File
	buf  *bufio.Writer
	raw  []byte
}

func createWave(path string, rate int, samples int64) (*waveWriter, error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	w := &waveWriter{file: file, buf: bufio.NewWriterSize(file, 256<<10)}
	if _, err := w.buf.Write(waveHeader(rate, samples)); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return w, nil
}

// waveHeader is everything before the samples: RIFF, or RF64 (EBU Tech 3306) where 32 bits do not
// hold the sizes.
func waveHeader(rate int, samples int64) []byte {
	const sample = 4 // bytes of left and right
	data := uint64(samples) * sample
	var body []byte
	body = append(body, "WAVE"...)
	long := data > math.MaxUint32-64
	id, riffSize, dataSize := "RIFF", uint32(data)+36, uint32(data)
	if long {
		const rest = 72 // bytes of the header that the size counts
		id, riffSize, dataSize = "RF64", math.MaxUint32, math.MaxUint32
		body = append(body, "ds64"...)
		body = binary.LittleEndian.AppendUint32(body, 28)
		body = binary.LittleEndian.AppendUint64(body, data+rest)
		body = binary.LittleEndian.AppendUint64(body, data)
		body = binary.LittleEndian.AppendUint64(body, uint64(samples))
		body = binary.LittleEndian.AppendUint32(body, 0) // no further sizes
	}
	body = append(body, "fmt "...)
	body = binary.LittleEndian.AppendUint32(body, 16)
	body = binary.LittleEndian.AppendUint16(body, 1) // PCM
	body = binary.LittleEndian.AppendUint16(body, 2)
	body = binary.LittleEndian.AppendUint32(body, uint32(rate))
	body = binary.LittleEndian.AppendUint32(body, uint32(rate)*sample)
	body = binary.LittleEndian.AppendUint16(body, sample)
	body = binary.LittleEndian.AppendUint16(body, 16)
	body = append(body, "data"...)
	body = binary.LittleEndian.AppendUint32(body, dataSize)
	return append(binary.LittleEndian.AppendUint32([]byte(id), riffSize), body...)
}

func (w *waveWriter) write(x []int16) error {
	w.raw = encode(w.raw[:0], x)
	if _, err := w.buf.Write(w.raw); err != nil {
		return fmt.Errorf("write sound: %w", err)
	}
	return nil
}

// close closes the file. It may be called after a failed write.
func (w *waveWriter) close() error {
	return errors.Join(w.buf.Flush(), w.file.Close())
}

// encode appends samples as WAV has them.
func encode(dst []byte, x []int16) []byte {
	for _, v := range x {
		dst = append(dst, byte(v), byte(v>>8))
	}
	return dst
}
