package share

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"olive-distributed/daemon/media/film"
	"olive-distributed/daemon/render"
	"olive-distributed/nfsd"
)

// What is in an export.
const (
	ProjectName = "project.ove"
	PartsName   = "parts"
)

// Files of a job's folder on the master.
const (
	projectFile = "shared.ove" // the export's project
	inboxes     = "in"         // a folder with a folder for each worker
)

// Inbox is the folder to which a worker delivers its parts of a job, wherever it runs.
func Inbox(folder, worker string) string { return filepath.Join(folder, inboxes, worker) }

// A Job is what is known of a job's files.
type Job struct {
	folder string // of the job, absolute
	plan   *render.Plan
	sheet  *Sheet

	once  sync.Once
	files []nfsd.File
}

// NewJob describes a job whose folder, on this machine, is given. It does not look at the disk.
func NewJob(folder string, plan *render.Plan, sheet *Sheet) (*Job, error) {
	if len(sheet.Media) != len(plan.Media) {
		return nil, fmt.Errorf("share job in %s: %d names for %d media", folder, len(sheet.Media), len(plan.Media))
	}
	abs, err := filepath.Abs(folder)
	if err != nil {
		return nil, fmt.Errorf("share job: %w", err)
	}
	return &Job{folder: abs, plan: plan, sheet: sheet}, nil
}

// Prepare writes the project of a job's export into the job's folder, which is new and becomes durable as a
// whole, and names its files.
func Prepare(folder string, project []byte, plan *render.Plan) (*Sheet, error) {
	sheet, err := newSheet(project, plan)
	if err != nil {
		return nil, fmt.Errorf("share the project: %w", err)
	}
	data, err := sheet.rewrite(project, plan)
	if err != nil {
		return nil, fmt.Errorf("share the project: %w", err)
	}
	if err := os.WriteFile(filepath.Join(folder, projectFile), data, 0o600); err != nil {
		return nil, fmt.Errorf("share the project: %w", err)
	}
	sum := sha256.Sum256(data)
	sheet.Digest = hex.EncodeToString(sum[:])
	return sheet, nil
}

// export makes what one worker sees of the job.
func (j *Job) export(id uint32, worker string, quota int64, allow func(string) bool) (*nfsd.Export, error) {
	j.once.Do(func() { j.files = j.find() })
	inbox := Inbox(j.folder, worker)
	if err := os.MkdirAll(inbox, 0o700); err != nil {
		return nil, fmt.Errorf("make inbox: %w", err)
	}
	inbox, err := filepath.EvalSymlinks(inbox)
	if err != nil {
		return nil, fmt.Errorf("make inbox: %w", err)
	}
	return nfsd.NewExport(id, ExportName(id), j.files, &nfsd.Folder{
		Name: PartsName, Path: inbox, Quota: quota, Files: maxFiles, Allow: allow,
	})
}

// maxFiles is how many files an inbox may hold: a part and its draft, of the range before too.
const maxFiles = 16

// find lists the files of the export.
func (j *Job) find() []nfsd.File {
	files := []nfsd.File{{Name: ProjectName, Path: real(filepath.Join(j.folder, projectFile))}}
	for i, m := range j.plan.Media {
		item := j.sheet.Media[i]
		if !item.Numbered {
			files = append(files, nfsd.File{Name: item.Name, Path: real(m.Path), Was: j.was(m)})
			continue
		}
		for n := m.Run.First; n < m.Run.First+m.Run.Count; n++ {
			path := fmt.Sprintf(m.Path, n)
			files = append(files, nfsd.File{Name: fmt.Sprintf(item.Name, n), Path: real(path), Was: now(path)})
		}
	}
	return files
}

// now is what a picture is when it is first shown; nil: it is not there. Whether all are what they were at submit the
// worker sees, which compares them with the plan before it renders a range and after that.
func now(path string) *nfsd.Stamp {
	info, err := os.Stat(path)
	if err != nil {
		return nil
	}
	stamp, err := nfsd.StampOf(info)
	if err != nil {
		return nil
	}
	return &stamp
}

// was is what the medium's file was at submit. Where it has changed since, the stamp is one that it does not have.
func (j *Job) was(m render.Medium) *nfsd.Stamp {
	want := nfsd.Stamp{Size: m.Size, Modified: time.Unix(0, m.Modified)}
	info, err := os.Stat(m.Path)
	if err != nil {
		return &want
	}
	now, err := nfsd.StampOf(info)
	if err != nil || now.Size != want.Size || !now.Modified.Equal(want.Modified) {
		return &want
	}
	return &now
}

// real is a path without symbolic links, as far as it exists.
func real(path string) string {
	if found, err := filepath.EvalSymlinks(path); err == nil {
		return found
	}
	return path
}

// Bounds of a part: what it would have uncompressed and a quarter more, since there are pictures that do not get smaller,
// and what its container adds.
const (
	sampleSize = 2 * 4    // bytes of both channels
	overhead   = 16 << 20 // bytes
)

// most is how many bytes the part of a range can have.
func (j *Job) most(sound bool, frames int64) int64 {
	if sound && j.plan.FPS > 0 {
		samples := float64(frames) / j.plan.FPS * float64(j.plan.SoundRate)
		return int64(min(samples, 1<<50))*sampleSize + overhead
	}
	return frames*pictureSize(j.plan.Encoding) + overhead
}

func pictureSize(e film.Encoding) int64 { return int64(e.Width) * int64(e.Height) * 4 * 5 / 4 }

// Identity is the device and the inode of the job's folder: they tell another process whether it sees the same one.
func (j *Job) Identity() (device, inode uint64, err error) {
	info, err := os.Stat(j.folder)
	if err != nil {
		return 0, 0, err
	}
	stamp, err := nfsd.StampOf(info)
	return stamp.Device, stamp.Inode, err
}

// Sheet is what the job was made with.
func (j *Job) Sheet() *Sheet { return j.sheet }
