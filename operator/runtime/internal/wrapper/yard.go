package wrapper

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
)

// clearWork removes a pod's work folder. A CRIU that was killed leaves its yard mounted there: the node's cgroup hierarchies, and
// what was removed through them would be cgroups of others. So nothing is removed before all mounts below are gone.
func (w *Wrapper) clearWork(podUID string) error {
	work := w.Node.WorkDir(podUID)
	if err := w.detach(work); err != nil {
		return err
	}
	return os.RemoveAll(work)
}

// detach takes off what is mounted below a folder, the innermost first.
func (w *Wrapper) detach(folder string) error {
	mounts, err := w.Mounts()
	if err != nil {
		return err
	}
	for _, at := range slices.Backward(mounts) {
		if !strings.HasPrefix(at, folder+"/") {
			continue
		}
		if err := w.Unmount(at); err != nil {
			return fmt.Errorf("unmount %s: %w", at, err)
		}
	}
	return nil
}

// Mounts are this process's mount points, in the order in which they were mounted.
func Mounts() ([]string, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var found []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		// The fifth field (proc(5)); blanks in it are written \040, and ours have none.
		if fields := strings.Fields(lines.Text()); len(fields) > 4 {
			found = append(found, fields[4])
		}
	}
	return found, nil
}

// Unmount takes a mount off, also when somebody still has it open.
func Unmount(at string) error { return syscall.Unmount(at, syscall.MNT_DETACH) }
