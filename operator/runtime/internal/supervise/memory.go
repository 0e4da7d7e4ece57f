package supervise

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

// memory is the container's, as its cgroup tells. What the page cache holds does not count: it makes room when it must, and
// after a restore holds the snapshot's files. The cgroup's own high-water mark counts it, so the highest of what was
// seen is kept instead, and the process's high-water mark for what rose and fell in between.
type memory struct {
	proc    string     // /proc/self
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
	group, names := m.cgroup()
	if group == "" {
		return 0
	}
	bytes := number(filepath.Join(group, "memory.stat"), names.anonymous) + number(filepath.Join(group, "memory.stat"), names.shared)
	return megabytes((bytes + 1023) / 1024)
}

// Kills is how many processes the kernel has killed for want of memory.
func (m *memory) Kills() int {
	group, names := m.cgroup()
	return int(number(filepath.Join(group, names.events), "oom_kill"))
}

// names are what the versions of cgroup call the same.
type names struct{ anonymous, shared, events string }

var (
	v1 = names{"total_rss", "total_shmem", "memory.oom_control"}
	v2 = names{"anon", "shmem", "memory.events"}
)

// cgroup is the folder of our own cgroup; empty when it is not to be seen. It is looked for each time: after a restore it is
// another, and with cgroup v1 the mount shows the node's whole tree then.
func (m *memory) cgroup() (folder string, n names) {
	path, n := m.cgroupPath()
	for line := range lines(filepath.Join(m.proc, "mountinfo")) {
		// "36 35 0:32 ROOT POINT OPTIONS … - TYPE SOURCE SUPEROPTIONS"
		fields := strings.Fields(line)
		dash := slices.Index(fields, "-")
		if dash < 5 || len(fields) < dash+4 || !n.shownBy(fields[dash+1], fields[dash+3]) {
			continue
		}
		if below, is := strings.CutPrefix(path+"/", strings.TrimSuffix(fields[3], "/")+"/"); is {
			return filepath.Join(fields[4], below), n
		}
	}
	return "", n
}

// cgroupPath is where our cgroup is in the hierarchy that counts memory: "4:memory:/kubepods/…", else version 2's, "0::/…".
func (m *memory) cgroupPath() (path string, n names) {
	n = v2
	for line := range lines(filepath.Join(m.proc, "cgroup")) {
		switch fields := strings.SplitN(line, ":", 3); {
		case len(fields) != 3:
		case slices.Contains(strings.Split(fields[1], ","), "memory"):
			return fields[2], v1
		case fields[1] == "":
			path = fields[2]
		}
	}
	return path, n
}

// shownBy says whether a mount shows the hierarchy that counts memory.
func (n names) shownBy(kind, options string) bool {
	if n == v2 {
		return kind == "cgroup2"
	}
	return kind == "cgroup" && slices.Contains(strings.Split(options, ","), "memory")
}

// lines are a file's; none when it cannot be read.
func lines(path string) func(func(string) bool) {
	return func(yield func(string) bool) {
		f, err := os.Open(path)
		if err != nil {
			return
		}
		defer f.Close()
		for s := bufio.NewScanner(f); s.Scan(); {
			if !yield(s.Text()) {
				return
			}
		}
	}
}

// number is the value of a key in a file of "key value" lines; 0 when it is not there.
func number(path, key string) int64 {
	for line := range lines(path) {
		if v, ok := strings.CutPrefix(line, key+" "); ok {
			n, _ := strconv.ParseInt(v, 10, 64)
			return n
		}
	}
	return 0
}
