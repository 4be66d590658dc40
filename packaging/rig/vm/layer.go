package vm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Layer returns an image of its own, of a machine of this image in which prepare has done what all its machines would do
// otherwise. It lies in the folder, which is the caller's and must be empty; the files are in the machine's /rig.
func (i *Image) Layer(ctx context.Context, folder, files string, prepare func(*Machine) error) (*Image, error) {
	m := &Machine{Name: "layer", ended: make(chan struct{})}
	err := m.resume(ctx, i, Options{Files: files})
	if err == nil {
		err = prepare(m)
	}
	if err == nil {
		err = m.save(ctx)
	}
	if err == nil {
		_, err = run(ctx, "mv", filepath.Join(m.folder, disk), filepath.Join(folder, warm))
	}
	for _, name := range []string{"root.qcow2", "vmlinuz", "initrd.gz"} {
		if err == nil {
			err = os.Symlink(i.file(name), filepath.Join(folder, name))
		}
	}
	if err = errors.Join(err, m.Stop()); err != nil {
		return nil, fmt.Errorf("make a layer: %w", err)
	}
	return &Image{folder}, nil
}
