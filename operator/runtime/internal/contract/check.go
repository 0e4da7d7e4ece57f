package contract

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// ValidUID says whether a pod's UID may become part of a path: UUIDs, and the hashes that static pods have.
func ValidUID(uid string) bool {
	return len(uid) >= 8 && len(uid) <= 64 && strings.Trim(uid, "0123456789abcdef-") == "" && uid[0] != '-'
}

// ValidContainerID says whether a container's id may become a file name.
func ValidContainerID(id string) bool {
	ok := id != "" && len(id) <= 255 && id[0] != '.'
	for _, c := range id {
		ok = ok && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("_+-.", c))
	}
	return ok
}

// CheckUnder refuses a path that is not below root, or whose way there has a symlink, or that somebody other
// than the node's owner could have put or changed there. Half of these paths held a hostile archive's content.
func (n Node) CheckUnder(root, path string) (os.FileInfo, error) {
	if path != filepath.Clean(path) || !strings.HasPrefix(path, root+"/") {
		return nil, fmt.Errorf("%q is not below %s", path, root)
	}
	var info os.FileInfo
	for at := path; ; at = filepath.Dir(at) {
		i, err := os.Lstat(at)
		if err != nil {
			return nil, err
		}
		if i.Mode()&os.ModeSymlink != 0 {
			return nil, fmt.Errorf("%s is a symlink", at)
		}
		if strings.HasPrefix(at+"/", root+"/") {
			if err := n.checkOwned(at, i); err != nil {
				return nil, err
			}
		}
		if info == nil {
			info = i
		}
		if at == "/" {
			return info, nil
		}
	}
}

// CheckDir is CheckUnder for a folder.
func (n Node) CheckDir(root, path string) error {
	i, err := n.CheckUnder(root, path)
	if err == nil && !i.IsDir() {
		err = fmt.Errorf("%s is not a folder", path)
	}
	return err
}

// CheckFile is CheckUnder for a regular file.
func (n Node) CheckFile(root, path string) error {
	i, err := n.CheckUnder(root, path)
	if err == nil && !i.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", path)
	}
	return err
}

// CheckFlatDir is CheckDir for a folder that holds nothing but regular files: CRIU reads its images by name and would follow a link.
func (n Node) CheckFlatDir(root, path string) error {
	if err := n.CheckDir(root, path); err != nil {
		return err
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	for _, e := range entries {
		i, err := e.Info()
		if err != nil {
			return err
		}
		if !i.Mode().IsRegular() {
			return fmt.Errorf("%s/%s is not a regular file", path, e.Name())
		}
		if err := n.checkOwned(filepath.Join(path, e.Name()), i); err != nil {
			return err
		}
	}
	return nil
}

func (n Node) checkOwned(path string, i os.FileInfo) error {
	if s, ok := i.Sys().(*syscall.Stat_t); !ok || s.Uid != n.Owner {
		return fmt.Errorf("%s does not belong to root", path)
	}
	if i.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%s can be changed by others (mode %04o)", path, i.Mode().Perm())
	}
	return nil
}

// readOwned reads a small regular file of the node's owner, never through a symlink.
func (n Node) readOwned(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	i, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !i.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	if err := n.checkOwned(path, i); err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(f, 64<<10))
}
