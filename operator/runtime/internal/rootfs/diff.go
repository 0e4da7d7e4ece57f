// Package rootfs puts the files that a function wrote during its initialisation back into a new container.
package rootfs

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
)

const (
	whiteout = ".wh."
	opaque   = ".wh..wh..opq"
)

// maxBytes is more than any function may store (Lambda's largest ephemeral storage): a bomb ends here, not on a full disk.
const maxBytes = 10 << 30

// perPod are files that the kubelet makes for every pod anew. The diff holds the old pod's.
var perPod = []string{"etc/hosts", "etc/resolv.conf", "etc/hostname", "dev"}

// Unpacked is what one diff did to a rootfs.
type Unpacked struct {
	root *os.Root
	skip []string
	// made are paths that were not there before, parents first.
	made []string
	// ours are all paths of this layer: an opaque whiteout hides only what lower layers put into the folder.
	ours map[string]bool
	// times of folders, set at the end because every file made in one changes it.
	times []*tar.Header
	left  int64
}

// Unpack applies rootfs-diff.tar (an OCI layer, gzip'd or not) to a rootfs, below its root whatever the archive says: every
// operation goes through an os.Root. Mount targets are skipped; what is seen there is the mount.
// Devices, sockets and extended attributes are not taken over: no runtime of ours makes them, and a hostile archive would.
// The result is never nil: what was made before an error can be undone.
func Unpack(archive, rootfs string, mountTargets []string) (*Unpacked, error) {
	u := &Unpacked{ours: map[string]bool{}, left: maxBytes, skip: append([]string{}, perPod...)}
	for _, t := range mountTargets {
		if t = strings.Trim(path.Clean(t), "/"); t != "" && t != "." {
			u.skip = append(u.skip, t)
		}
	}
	f, err := os.Open(archive)
	if err != nil {
		return u, err
	}
	defer f.Close()
	if u.root, err = os.OpenRoot(rootfs); err != nil {
		return u, err
	}
	layer, err := plain(f)
	if err != nil {
		return u, fmt.Errorf("%s: %w", archive, err)
	}
	if err := u.apply(tar.NewReader(layer)); err != nil {
		return u, fmt.Errorf("%s: %w", archive, err)
	}
	return u, nil
}

// Undo removes what Unpack made, for a cold start after a failed restore. Files it changed or deleted stay changed: the
// rootfs is a mounted overlay of the snapshotter's, whose upper folder must not be touched from outside. They are
// what this very version wrote when it initialised before.
func (u *Unpacked) Undo() {
	for i := len(u.made) - 1; i >= 0; i-- {
		u.root.RemoveAll(u.made[i])
	}
	u.made = nil
}

// Close gives back the handle on the rootfs.
func (u *Unpacked) Close() {
	if u.root != nil {
		u.root.Close()
	}
}

func plain(f *os.File) (io.Reader, error) {
	b := bufio.NewReaderSize(f, 1<<20)
	if magic, err := b.Peek(2); err == nil && magic[0] == 0x1f && magic[1] == 0x8b {
		return gzip.NewReader(b)
	}
	return b, nil
}

func (u *Unpacked) apply(t *tar.Reader) error {
	for {
		h, err := t.Next()
		if err == io.EOF {
			return u.setTimes()
		}
		if err != nil {
			return err
		}
		if err := u.entry(h, t); err != nil {
			return fmt.Errorf("%q: %w", h.Name, err)
		}
	}
}

func (u *Unpacked) entry(h *tar.Header, content io.Reader) error {
	name := path.Clean(strings.TrimLeft(h.Name, "/"))
	if name == "." {
		return nil
	}
	if name == ".." || strings.HasPrefix(name, "../") {
		return errors.New("leaves the rootfs")
	}
	dir, base := path.Split(name)
	dir = path.Clean(dir)
	if base == opaque {
		return u.hideAll(dir)
	}
	if hidden, is := strings.CutPrefix(base, whiteout); is {
		target := path.Join(dir, hidden)
		if hidden == "" || hidden == "." || hidden == ".." {
			return errors.New("whiteout of nothing")
		}
		if u.skips(target) {
			return nil
		}
		return u.remove(target)
	}
	if u.skips(name) {
		return nil
	}
	if err := u.parents(dir); err != nil {
		return err
	}
	return u.create(name, h, content)
}

func (u *Unpacked) create(name string, h *tar.Header, content io.Reader) error {
	switch h.Typeflag {
	case tar.TypeDir, tar.TypeReg, tar.TypeSymlink, tar.TypeLink, tar.TypeFifo:
	default:
		return nil
	}
	old, err := u.root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		u.made = append(u.made, name)
	case err != nil:
		return err
	case h.Typeflag != tar.TypeDir || !old.IsDir():
		if err := u.remove(name); err != nil {
			return err
		}
	}
	u.ours[name] = true
	mode := h.FileInfo().Mode()
	switch h.Typeflag {
	case tar.TypeDir:
		if err := u.root.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		own := *h
		own.Name = name
		u.times = append(u.times, &own)
	case tar.TypeReg:
		if err := u.file(name, h.Size, content); err != nil {
			return err
		}
	case tar.TypeFifo:
		if err := u.fifo(name); err != nil {
			return err
		}
	case tar.TypeLink:
		// Shares owner, mode and time with what it links to.
		return u.root.Link(path.Clean(strings.TrimLeft(h.Linkname, "/")), name)
	case tar.TypeSymlink:
		if err := u.root.Symlink(h.Linkname, name); err != nil {
			return err
		}
		return u.root.Lchown(name, h.Uid, h.Gid)
	}
	// In this order: a change of owner clears setuid.
	if err := u.root.Lchown(name, h.Uid, h.Gid); err != nil {
		return err
	}
	if err := u.root.Chmod(name, mode.Perm()|mode&(fs.ModeSetuid|fs.ModeSetgid|fs.ModeSticky)); err != nil {
		return err
	}
	if h.Typeflag == tar.TypeDir {
		return nil
	}
	return u.root.Chtimes(name, h.ModTime, h.ModTime)
}

func (u *Unpacked) file(name string, size int64, content io.Reader) error {
	if u.left -= size; u.left < 0 {
		return fmt.Errorf("more than %d bytes", int64(maxBytes))
	}
	f, err := u.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}

// fifo is made by handle, because os.Root has no call for it.
func (u *Unpacked) fifo(name string) error {
	dir, err := u.root.Open(path.Dir(name))
	if err != nil {
		return err
	}
	defer dir.Close()
	return syscall.Mknodat(int(dir.Fd()), path.Base(name), syscall.S_IFIFO|0o600, 0)
}

// hideAll removes what lower layers left in a folder.
func (u *Unpacked) hideAll(dir string) error {
	f, err := u.root.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	names, err := f.Readdirnames(-1)
	f.Close()
	if err != nil {
		return err
	}
	for _, n := range names {
		if at := path.Join(dir, n); !u.ours[at] && !u.skips(at) {
			if err := u.remove(at); err != nil {
				return err
			}
		}
	}
	return nil
}

func (u *Unpacked) remove(name string) error { return u.root.RemoveAll(name) }

// parents makes folders that the archive takes for granted.
func (u *Unpacked) parents(dir string) error {
	if dir == "." || u.ours[dir] {
		return nil
	}
	if _, err := u.root.Stat(dir); err == nil {
		return nil
	}
	if err := u.parents(path.Dir(dir)); err != nil {
		return err
	}
	u.made = append(u.made, dir)
	return u.root.Mkdir(dir, 0o755)
}

func (u *Unpacked) skips(name string) bool {
	for _, s := range u.skip {
		if name == s || strings.HasPrefix(name, s+"/") {
			return true
		}
	}
	return false
}

func (u *Unpacked) setTimes() error {
	for _, h := range u.times {
		if err := u.root.Chtimes(h.Name, h.ModTime, h.ModTime); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
