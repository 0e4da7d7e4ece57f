package contract

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// Snapshot is a materialised snapshot on this node whose paths were looked at.
type Snapshot struct {
	Images string // CRIU's
	Diff   string // rootfs-diff.tar; empty when there is none
	Init   string // the thaw-init that was dumped; empty when there is none
}

// OpenSnapshot checks everything of a snapshot that thaw-runc will hand to runc, CRIU or a mount.
func (n Node) OpenSnapshot(dir string) (Snapshot, error) {
	root := n.SnapshotsDir()
	if err := n.CheckDir(root, dir); err != nil {
		return Snapshot{}, fmt.Errorf("snapshot: %w", err)
	}
	s := Snapshot{Images: filepath.Join(dir, "checkpoint"), Diff: filepath.Join(dir, "rootfs-diff.tar"), Init: filepath.Join(dir, "thaw-init")}
	if err := n.CheckFlatDir(root, s.Images); err != nil {
		return Snapshot{}, fmt.Errorf("snapshot: %w", err)
	}
	for _, optional := range []*string{&s.Diff, &s.Init} {
		if err := n.CheckFile(root, *optional); errors.Is(err, fs.ErrNotExist) {
			*optional = ""
		} else if err != nil {
			return Snapshot{}, fmt.Errorf("snapshot: %w", err)
		}
	}
	return s, nil
}
