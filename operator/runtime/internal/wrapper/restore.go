package wrapper

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"thaw.dev/runtime/internal/criuimg"
	"thaw.dev/runtime/internal/criulog"
	"thaw.dev/runtime/internal/rootfs"
)

// restore makes the container of its snapshot. After an error nothing is left of it but files that the diff changed.
func (m *making) restore() error {
	snapshot, err := m.Node.OpenSnapshot(m.grant.SnapshotDir)
	if err != nil {
		return err
	}
	// The program that CRIU maps again must be the one that it dumped, which an update of Thaw replaces on the node.
	initBinary := snapshot.Init
	if initBinary == "" {
		initBinary = m.Node.InitBinary()
	}
	if err := m.edit(initBinary); err != nil {
		return err
	}
	begin := time.Now()
	if snapshot.Diff != "" {
		diff, err := rootfs.Unpack(snapshot.Diff, m.spec.Rootfs(), m.mountTargets())
		defer diff.Close()
		if err != nil {
			diff.Undo()
			return err
		}
		if err := m.runRestore(snapshot.Images); err != nil {
			diff.Undo()
			return err
		}
	} else if err := m.runRestore(snapshot.Images); err != nil {
		return err
	}
	m.report.RestoreMs = float64(time.Since(begin).Microseconds()) / 1000
	return nil
}

func (m *making) mountTargets() []string {
	return append([]string{codeTarget, "/.thaw"}, m.spec.MountTargets()...)
}

// runRestore runs `runc restore`; its error is CRIU's line that matters. runc's log is kept beside CRIU's: an error in
// containerd's log would be shown as the reason of whatever fails later.
func (m *making) runRestore(images string) error {
	work := m.Node.WorkDir(m.grant.PodUID)
	criuLog, runcLog, ours := filepath.Join(work, "restore.log"), filepath.Join(work, "runc.log"), m.Node.ImagesDir(m.grant.PodUID)
	os.Remove(criuLog)
	os.Remove(runcLog)
	os.RemoveAll(ours)
	switch err := criuimg.WithHostname(images, ours, m.hostname()); {
	case err == nil:
		images = ours
	case !errors.Is(err, criuimg.ErrNoImage):
		return fmt.Errorf("snapshot: %w", err)
	}
	defer os.RemoveAll(ours)
	args := append(m.c.GlobalWithLog(runcLog), "restore", "--detach", "--no-subreaper", "--tcp-established", "--file-locks",
		"--bundle", m.bundle, "--image-path", images, "--work-path", work)
	for _, flag := range []string{"pid-file", "console-socket"} {
		if v, ok := m.c.Flag(flag); ok {
			args = append(args, "--"+flag, v)
		}
	}
	if _, ok := m.c.Flag("no-pivot"); ok {
		args = append(args, "--no-pivot")
	}
	limit := timeLimit{after: m.RestoreLimit}
	err := m.runTo(os.Stderr, "restore", append(args, m.c.ID), limit.watch)
	if err == nil {
		return nil
	}
	m.discard()
	cause := criulog.Cause(criuLog)
	if err := m.detach(work); err != nil {
		return fmt.Errorf("what CRIU left is still mounted: %w", err)
	}
	if limit.passed() {
		return fmt.Errorf("it took longer than %s; CRIU's last word: %s", m.RestoreLimit, cause)
	}
	for _, cause := range []string{cause, lastError(runcLog)} {
		if cause != "" {
			return errors.New(cause)
		}
	}
	return err
}

// hostname is the pod's: what the container runtime mounts as /etc/hostname, or else what the kubelet makes of a pod's name.
func (m *making) hostname() string {
	name := m.grant.Name
	if b, err := os.ReadFile(m.spec.MountSource("/etc/hostname")); err == nil && strings.TrimSpace(string(b)) != "" {
		name = strings.TrimSpace(string(b))
	}
	if len(name) > longestHostname {
		name = strings.TrimRight(name[:longestHostname], "-.")
	}
	return name
}

// longestHostname is the kubelet's limit, one less than Linux's.
const longestHostname = 63

// discard removes what is left of a container that did not come to be. Usually runc has done so, and says that there is none.
func (m *making) discard() {
	// A runc that was killed has left the root that it mounted for CRIU, and `delete --force` would remove what is in it.
	syscall.Unmount(filepath.Join(m.c.GlobalFlag("root"), m.c.ID, "criu-root"), syscall.MNT_DETACH|unmountNoFollow)
	log := filepath.Join(m.Node.WorkDir(m.grant.PodUID), "delete.log")
	m.quietly(append(m.c.GlobalWithLog(log), "delete", "--force", m.c.ID))
	if pidFile, ok := m.c.Flag("pid-file"); ok {
		os.Remove(pidFile)
	}
}

// unmountNoFollow is umount2's UMOUNT_NOFOLLOW.
const unmountNoFollow = 8
