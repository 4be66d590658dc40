package nfsd

import (
	"os"

	"olive-distributed/nfsd/tree"
)

// A View is what one identity may see now. See [tree.View].
type View = tree.View

// What a view shows is described in package tree.
type (
	Export = tree.Export // one tree that can be mounted
	File   = tree.File   // a file that can be read
	Folder = tree.Folder // a folder that can be written to
	Stamp  = tree.Stamp  // what tells one content of a file from another
)

// NewExport describes the tree "/name". The id goes into handles: it must stay the same across restarts,
// and must never be used for another export. See [tree.NewExport].
func NewExport(id uint32, name string, files []File, parts *Folder) (*Export, error) {
	return tree.NewExport(id, name, files, parts)
}

// StampOf is the stamp of a file that [os.Stat] or [os.Lstat] describes.
func StampOf(info os.FileInfo) (Stamp, error) { return tree.StampOf(info) }
