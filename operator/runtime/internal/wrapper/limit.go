package wrapper

import (
	"bytes"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

// killGrace is how long runc may take to clean up after CRIU was killed, before it is killed as well.
const killGrace = 5 * time.Second

// timeLimit ends a runc that takes too long: what it started dies, CRIU and the half-made container, so that runc reports
// a failure and undoes its mounts.
type timeLimit struct {
	after time.Duration
	over  atomic.Bool
}

func (l *timeLimit) passed() bool { return l.over.Load() }

func (l *timeLimit) watch(pid int) (stop func()) {
	first := time.AfterFunc(l.after, func() {
		l.over.Store(true)
		for _, child := range descendants(pid) {
			syscall.Kill(child, syscall.SIGKILL)
		}
	})
	last := time.AfterFunc(l.after+killGrace, func() { syscall.Kill(pid, syscall.SIGKILL) })
	return func() {
		first.Stop()
		last.Stop()
	}
}

// descendants is every process that one has started, directly or not, as /proc tells now.
func descendants(pid int) []int {
	children := map[int][]int{}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		child, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if parent, ok := parentOf(child); ok {
			children[parent] = append(children[parent], child)
		}
	}
	found := children[pid]
	for i := 0; i < len(found); i++ {
		found = append(found, children[found[i]]...)
	}
	return found
}

// parentOf reads "pid (name) state ppid …"; a name may hold anything.
func parentOf(pid int) (int, bool) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, false
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 {
		return 0, false
	}
	parent, err := strconv.Atoi(string(fields[1]))
	return parent, err == nil
}
