package supervise

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
)

// cgroupMount is where a container sees its own cgroup, of either version.
const cgroupMount = "/sys/fs/cgroup"

// memory is the container's, as its cgroup tells. What the page cache holds does not count: it makes room when it must, and
// after a restore holds the snapshot's files. The cgroup's own high-water mark counts it, so the highest of what was
// seen is kept instead, and the process's high-water mark for what rose and fell in between.
type memory struct {
	cgroup  string
	process func() int // the function's high-water mark in MB
	limit   int        // MB; 0 for none
	seen    atomic.Int64
}

// MaxMB is the most that was seen in use, at most what there is.
func (m *memory) MaxMB() int {
	now := int64(max(m.process(), m.inUse()))
	for seen := m.seen.Load(); now > seen; seen = m.seen.Load() {
		if m.seen.CompareAndSwap(seen, now) {
			break
		}
	}
	if most := int(m.seen.Load()); m.limit == 0 || most < m.limit {
		return most
	}
	return m.limit
}

// inUse is what the container's processes and its tmpfs hold now, in MB; 0 where no cgroup is to be seen.
func (m *memory) inUse() int {
	bytes := m.number("memory.stat", "anon") + m.number("memory.stat", "shmem")
	if bytes == 0 {
		bytes = m.number("memory/memory.stat", "total_rss") + m.number("memory/memory.stat", "total_shmem")
	}
	return megabytes((bytes + 1023) / 1024)
}

// Kills is how many processes the kernel has killed for want of memory.
func (m *memory) Kills() int {
	return int(max(m.number("memory.events", "oom_kill"), m.number("memory/memory.oom_control", "oom_kill")))
}

// number is the value of a key in one of the cgroup's files of "key value" lines.
func (m *memory) number(file, key string) int64 {
	f, err := os.Open(filepath.Join(m.cgroup, file))
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if v, ok := strings.CutPrefix(lines.Text(), key+" "); ok {
			n, _ := strconv.ParseInt(v, 10, 64)
			return n
		}
	}
	return 0
}
