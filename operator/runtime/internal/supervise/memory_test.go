package supervise

import (
	"os"
	"path/filepath"
	"testing"
)

func cgroup(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		os.MkdirAll(filepath.Dir(path), 0o755)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestMemoryOfEitherCgroupVersion(t *testing.T) {
	for version, files := range map[string]map[string]string{
		"v1":   {"memory/memory.stat": "cache 900000000\nrss 1\ntotal_cache 900000000\ntotal_rss 103809024\ntotal_shmem 1048576\n", "memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"},
		"v2":   {"memory.stat": "anon 103809024\nfile 900000000\nshmem 1048576\n", "memory.events": "low 0\noom 3\noom_kill 2\noom_group_kill 0\n"},
		"none": {},
	} {
		m := memory{cgroup: cgroup(t, files), process: func() int { return 20 }}
		used, kills := 100, 2
		if version == "none" {
			used, kills = 20, 0
		}
		if got := m.MaxMB(); got != used {
			t.Errorf("%s: %d MB used, want %d", version, got, used)
		}
		if got := m.Kills(); got != kills {
			t.Errorf("%s: %d kills, want %d", version, got, kills)
		}
	}
}

func TestTheMostThatWasUsedIsRemembered(t *testing.T) {
	used := 100
	m := memory{cgroup: cgroup(t, nil), process: func() int { return used }}
	m.MaxMB()
	if used = 50; m.MaxMB() != 100 {
		t.Errorf("%d MB", m.MaxMB())
	}
	m.limit = 90
	if m.MaxMB() != 90 {
		t.Errorf("%d MB of 90", m.MaxMB())
	}
}
