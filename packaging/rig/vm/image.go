package vm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"olive-distributed/packaging/rig"
	"olive-distributed/packaging/rig/vm/guest"
)

// An Image is what machines are started from: a kernel, and a disk with a snapshot of a machine that has booted.
type Image struct{ folder string }

func (i *Image) file(name string) string { return filepath.Join(i.folder, name) }

// Names of files: of the disk in an image, and in a machine that runs.
const (
	warm = "warm.qcow2"
	disk = "disk.qcow2"
)

const snapshot = "warm" // in the disk

// Every instruction costs: what hardens a kernel that is no test's subject is off.
const kernelArguments = "root=/dev/vda console=ttyS0 quiet mitigations=off nokaslr audit=0 apparmor=0 selinux=0 clocksource=hpet no_timer_check " +
	"random.trust_cpu=on systemd.show_status=no net.ifnames=0 rcupdate.rcu_expedited=1 nowatchdog panic=-1 " +
	"init_on_alloc=0 randomize_kstack_offset=off hardened_usercopy=off"

// processor is all that QEMU can be, but for what makes each change of the page tables, and each copy between the
// kernel and a program, dearer; and for AVX, for emulated programs are faster with SSE.
const processor = "max,la57=off,smap=off,smep=off,pku=off,umip=off,avx=off,avx2=off,fma=off,f16c=off"

// modules are those of Debian's kernel that a machine has, with what these need.
var modules = []string{"virtio_pci", "virtio_blk", "virtio_net", "virtio_rng", "nfs", "nfsv3", "autofs4", "overlay", "fuse"}

// early are those of the disk, in the order in which they are loaded.
var early = []string{"virtio_ring", "virtio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci", "virtio_blk"}

// masked are units that have nothing to do in a machine that lives for a minute, and cost seconds of it.
var masked = strings.Fields(`getty@tty1.service getty-static.service serial-getty@ttyS0.service serial-getty@ttyS1.service
	e2scrub_all.timer e2scrub_reap.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer
	systemd-networkd.service systemd-networkd.socket systemd-networkd-wait-online.service systemd-network-generator.service
	systemd-hwdb-update.service systemd-update-utmp.service systemd-update-utmp-runlevel.service systemd-binfmt.service
	systemd-journal-flush.service systemd-machine-id-commit.service ldconfig.service
	proc-sys-fs-binfmt_misc.automount proc-sys-fs-binfmt_misc.mount
	modprobe@efi_pstore.service modprobe@drm.service modprobe@configfs.service modprobe@loop.service modprobe@dm_mod.service
	rpcbind.service rpcbind.socket rpc-statd.service rpc-statd-notify.service rpc-gssd.service auth-rpcgss-module.service nfs-blkmap.service`)

// Build returns the image, made at the first call on a machine and kept in the user's cache folder.
func Build(ctx context.Context) (*Image, error) {
	base, err := rig.Base(ctx)
	if err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp("", "olive-image-")
	if err != nil {
		return nil, fmt.Errorf("build image: %w", err)
	}
	defer os.RemoveAll(work)
	agent := filepath.Join(work, "rig-agent")
	if _, err := run(ctx, "env", "CGO_ENABLED=0", "GOFLAGS=", "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", agent,
		"olive-distributed/packaging/rig/vm/guest/agent"); err != nil {
		return nil, fmt.Errorf("build image: %w", err)
	}
	recipe, err := describe(base, agent)
	if err != nil {
		return nil, fmt.Errorf("build image: %w", err)
	}
	folder, err := rig.Keep("vm-", recipe, func(dir string) error {
		b := &builder{ctx: ctx, image: &Image{dir}, work: work, base: base, agent: agent}
		return b.build()
	})
	if err != nil {
		return nil, fmt.Errorf("build image: %w", err)
	}
	return &Image{folder}, nil
}

// describe is what an image depends on, but the version of the kernel, which stays.
func describe(base, agent string) (string, error) {
	program, err := os.ReadFile(agent)
	if err != nil {
		return "", err
	}
	parts := []any{"5", base, program, kernelArguments, processor, modules, early, masked, memory, payload}
	err = fs.WalkDir(guest.Files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := guest.Files.ReadFile(path)
		parts = append(parts, path, text)
		return err
	})
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(parts)
	return string(text), err
}

// A builder makes one image.
type builder struct {
	ctx               context.Context
	image             *Image
	work, base, agent string
	tree              string // of the disk
	kernel            string // tree of the kernel's package
	version           string // of the kernel
	files             map[string]string
}

func (b *builder) build() error {
	if err := os.MkdirAll(b.image.folder, 0o755); err != nil {
		return err
	}
	b.tree = filepath.Join(b.work, "tree")
	for _, step := range []func() error{b.getKernel, b.getModules, b.makeTree, b.makeDisk, b.makeInit, b.boot} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) run(program string, args ...string) (string, error) {
	return run(b.ctx, program, args...)
}

// getKernel unpacks Debian's kernel for virtual machines.
func (b *builder) getKernel() error {
	const meta = "linux-image-cloud-amd64"
	if _, err := b.run("apt-get", "update"); err != nil {
		return err
	}
	said, err := b.run("apt-cache", "depends", meta)
	if err != nil {
		return err
	}
	_, after, ok := strings.Cut(said, "Depends: ")
	name, _, _ := strings.Cut(after, "\n")
	if !ok {
		return fmt.Errorf("%s depends on no kernel: %q", meta, said)
	}
	b.version = strings.TrimPrefix(name, "linux-image-")
	b.kernel = filepath.Join(b.work, "kernel")
	if _, err := b.run("sh", "-ec", `mkdir "$1.deb"; chmod 777 "$1.deb"; cd "$1.deb"; apt-get download -q "$2"; dpkg-deb -x "$2"_*.deb "$1"`, "get", b.kernel, name); err != nil {
		return err
	}
	_, err = b.run("cp", filepath.Join(b.kernel, "boot", "vmlinuz-"+b.version), b.image.file("vmlinuz"))
	return err
}

// getModules finds the files of the modules and of those that they need.
func (b *builder) getModules() error {
	if _, err := b.run("depmod", "-b", b.kernel, b.version); err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(b.kernel, "lib/modules", b.version, "modules.dep"))
	if err != nil {
		return err
	}
	b.files = map[string]string{}
	for line := range strings.Lines(string(text)) {
		file, needs, _ := strings.Cut(strings.TrimSpace(line), ":")
		if slices.Contains(modules, moduleName(file)) {
			for _, f := range append(strings.Fields(needs), file) {
				b.files[moduleName(f)] = f
			}
		}
	}
	return nil
}

func moduleName(file string) string { return strings.TrimSuffix(filepath.Base(file), ".ko") }

// makeTree makes the files of the disk.
func (b *builder) makeTree() error {
	if _, err := b.run("cp", "-a", "--reflink=auto", b.base, b.tree); err != nil {
		return err
	}
	lib := filepath.Join("lib/modules", b.version)
	var errs []error
	for _, f := range []string{"modules.order", "modules.builtin", "modules.builtin.modinfo"} {
		errs = append(errs, b.install(filepath.Join(b.kernel, lib, f), filepath.Join(lib, f), "644"))
	}
	for _, f := range b.files {
		errs = append(errs, b.install(filepath.Join(b.kernel, lib, f), filepath.Join(lib, f), "644"))
	}
	errs = append(errs, b.install(b.agent, "usr/lib/rig-agent", "755"))
	units := filepath.Join(b.tree, "etc/systemd/system")
	for _, u := range masked {
		errs = append(errs, replace(filepath.Join(units, u), "/dev/null"))
	}
	errs = append(errs, b.write("etc/systemd/system/rig-agent.service", "rig-agent.service"))
	errs = append(errs, os.MkdirAll(filepath.Join(units, "multi-user.target.wants"), 0o755))
	errs = append(errs, replace(filepath.Join(units, "multi-user.target.wants/rig-agent.service"), "../rig-agent.service"))
	// Some of these are not there.
	for name, text := range map[string]string{"hostname": "rig\n", "machine-id": "0123456789abcdef0123456789abcdef\n", "fstab": ""} {
		file := filepath.Join(b.tree, "etc", name)
		_ = os.Remove(file)
		errs = append(errs, os.WriteFile(file, []byte(text), 0o644))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	_, err := b.run("depmod", "-b", b.tree, b.version)
	return err
}

func (b *builder) install(from, to, mode string) error {
	_, err := b.run("install", "-D", "-m", mode, from, filepath.Join(b.tree, to))
	return err
}

// write puts one of the guest's files into the tree.
func (b *builder) write(to, name string) error {
	text, err := guest.Files.ReadFile("files/" + name)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(b.tree, to), text, 0o644)
}

// replace puts a link in the place of whatever is there.
func replace(path, target string) error {
	_ = os.Remove(path) // it may not be there
	return os.Symlink(target, path)
}

// makeDisk makes the disk; what the machine changes while it boots goes into another one over it.
func (b *builder) makeDisk() error {
	raw := filepath.Join(b.work, "root.img")
	if _, err := b.run("mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-E", "lazy_itable_init=0,nodiscard", "-m", "0", "-d", b.tree, raw, "2G"); err != nil {
		return err
	}
	if _, err := b.run("qemu-img", "convert", "-O", "qcow2", raw, b.image.file("root.qcow2")); err != nil {
		return err
	}
	// By its name alone: the folder is not yet where it will be.
	_, err := b.run("qemu-img", "create", "-q", "-f", "qcow2", "-b", "root.qcow2", "-F", "qcow2", b.image.file("warm.qcow2"))
	return err
}

// makeInit makes the first file system, which finds the disk.
func (b *builder) makeInit() error {
	dir := filepath.Join(b.work, "init")
	var errs []error
	for _, d := range []string{"bin", "dev", "new", "modules"} {
		errs = append(errs, os.MkdirAll(filepath.Join(dir, d), 0o755))
	}
	var order strings.Builder
	for _, name := range early {
		file, ok := b.files[name]
		if !ok {
			continue // it is in the kernel
		}
		_, err := b.run("cp", filepath.Join(b.kernel, "lib/modules", b.version, file), filepath.Join(dir, "modules"))
		errs = append(errs, err)
		fmt.Fprintln(&order, filepath.Base(file))
	}
	script, err := guest.Files.ReadFile("files/init")
	_, err2 := b.run("cp", "/bin/busybox", filepath.Join(dir, "bin"))
	errs = append(errs, err, err2, os.WriteFile(filepath.Join(dir, "modules/order"), []byte(order.String()), 0o644), os.WriteFile(filepath.Join(dir, "init"), script, 0o755))
	if err := errors.Join(errs...); err != nil {
		return err
	}
	_, err = b.run("sh", "-ec", `cd "$1"; find . | cpio -o -H newc --quiet | gzip -1 >"$2"`, "pack", dir, b.image.file("initrd.gz"))
	return err
}

// boot boots a machine, and keeps it as it is then.
func (b *builder) boot() error {
	m := &Machine{Name: "first", ended: make(chan struct{}), folder: filepath.Join(b.work, "first")}
	if err := os.Mkdir(m.folder, 0o700); err != nil {
		return err
	}
	err := m.freeze(b.ctx, b.image)
	if err != nil {
		err = fmt.Errorf("boot: %w\n%s", err, m.Console())
	}
	return errors.Join(err, m.Stop())
}
