package supervise

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	stat1 = "cache 900000000\nrss 1\ntotal_cache 900000000\ntotal_rss 103809024\ntotal_shmem 1048576\n"
	oom1  = "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"
	stat2 = "anon 103809024\nfile 900000000\nshmem 1048576\n"
	oom2  = "low 0\noom 3\noom_kill 2\noom_group_kill 0\n"
	ours1 = "9:name=systemd:/pods/a\n4:cpuacct,memory:/pods/a\n0::/\n"
)

func TestMemoryOfTheContainersOwnCgroup(t *testing.T) {
	for name, c := range map[string]struct {
		files    map[string]string
		mb, kill int
	}{
		"v1": {map[string]string{
			"cgroup": ours1, "mountinfo": "1 2 0:29 /pods/a DIR/cpu ro - cgroup cgroup rw,cpu\n1 2 0:32 /pods/a DIR/mem ro,nosuid shared:1 - cgroup cgroup rw,cpuacct,memory\n",
			"mem/memory.stat": stat1, "mem/memory.oom_control": oom1}, 100, 2},
		"v1 restored, where the mount shows the node's": {map[string]string{
			"cgroup": ours1, "mountinfo": "1 2 0:32 / DIR/mem ro - cgroup cgroup rw,memory\n",
			"mem/memory.stat": "total_rss 9000000000\n", "mem/pods/a/memory.stat": stat1, "mem/pods/a/memory.oom_control": oom1}, 100, 2},
		"v1, another's is to be seen": {map[string]string{
			"cgroup": ours1, "mountinfo": "1 2 0:32 /pods/ab DIR/mem ro - cgroup cgroup rw,memory\n", "mem/memory.stat": stat1, "mem/memory.oom_control": oom1}, 20, 0},
		"v2": {map[string]string{
			"cgroup": "0::/\n", "mountinfo": "1 2 0:3 / DIR/all ro - cgroup2 cgroup rw\n", "all/memory.stat": stat2, "all/memory.events": oom2}, 100, 2},
		"none": {nil, 20, 0},
	} {
		dir := t.TempDir()
		for file, text := range c.files {
			path := filepath.Join(dir, file)
			os.MkdirAll(filepath.Dir(path), 0o755)
			if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "DIR", dir)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		m := memory{proc: dir, process: func() int { return 20 }}
		if got := m.MaxMB(); got != c.mb {
			t.Errorf("%s: %d MB used, want %d", name, got, c.mb)
		}
		if got := m.Kills(); got != c.kill {
			t.Errorf("%s: %d kills, want %d", name, got, c.kill)
		}
	}
}

func TestTheMostThatWasUsedIsRemembered(t *testing.T) {
	used := 100
	m := memory{proc: t.TempDir(), process: func() int { return used }}
	m.MaxMB()
	if used = 50; m.MaxMB() != 100 {
		t.Errorf("%d MB", m.MaxMB())
	}
	m.limit = 90
	if m.MaxMB() != 90 {
		t.Errorf("%d MB of 90", m.MaxMB())
	}
}
