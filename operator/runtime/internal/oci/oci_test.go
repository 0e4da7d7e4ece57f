package oci

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, c := range []struct{ line, global, name, id, bundle, pidFile, log string }{
		{"--root /r --log /l --log-format json --systemd-cgroup create --bundle /b --pid-file /p c1", "--root /r --log /l --log-format json --systemd-cgroup", "create", "c1", "/b", "/p", "/l"},
		{"--root=/r --log=/l --rootless=true create --bundle=/b --pid-file=/p c1", "--root=/r --log=/l --rootless=true", "create", "c1", "/b", "/p", "/l"},
		{"-root /r -log /l create -b /b --no-pivot --pid-file /p c1", "-root /r -log /l", "create", "c1", "/b", "/p", "/l"},
		{"--rootless auto --criu x create -b=/b c1 --pid-file /p", "--rootless auto --criu x", "create", "c1", "/b", "/p", ""},
		{"--debug create --preserve-fds 2 --console-socket /s --bundle /b c1", "--debug", "create", "c1", "/b", "", ""},
		{"delete --force c1", "", "delete", "c1", "", "", ""},
		{"delete c1 --force", "", "delete", "c1", "", "", ""},
		{"start c1", "", "start", "c1", "", "", ""},
		{"checkpoint --image-path /i --work-path /w --leave-running c1", "", "checkpoint", "c1", "", "", ""},
		{"--version", "--version", "", "", "", "", ""},
		{"--root", "--root", "", "", "", "", ""},
		{"", "", "", "", "", "", ""},
		{"kill c1 9", "", "kill", "", "", "", ""},
		{"create --bundle", "", "create", "", "", "", ""},
	} {
		p := Parse(strings.Fields(c.line))
		bundle, _ := p.Flag("bundle")
		pid, _ := p.Flag("pid-file")
		got := []string{strings.Join(p.Global, " "), p.Name, p.ID, bundle, pid, p.GlobalFlag("log")}
		if want := []string{c.global, c.name, c.id, c.bundle, c.pidFile, c.log}; !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %q\nwant %q", c.line, got, want)
		}
	}
}

func TestAnotherLog(t *testing.T) {
	for line, want := range map[string]string{
		"--root /r --log /l --log-format json --systemd-cgroup start c": "--root /r --systemd-cgroup --log /n --log-format json",
		"--log=/l --root=/r --debug start c":                            "--root=/r --debug --log /n --log-format json",
		"start c":                                                       "--log /n --log-format json",
	} {
		if got := strings.Join(Parse(strings.Fields(line)).GlobalWithLog("/n"), " "); got != want {
			t.Errorf("%s:\n got %s\nwant %s", line, got, want)
		}
	}
}

const config = `{
  "ociVersion": "1.2.1",
  "process": {"args": ["python3", "-m", "awslambdaric", "app.handler"], "env": ["A=<b>&c"], "oomScoreAdj": 999, "later": {"x": 12345678901234567890}},
  "root": {"path": "rootfs"},
  "mounts": [{"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid"], "later": [1.0]}],
  "linux": {"resources": {"cpu": {"shares": 18446744073709551615}}, "seccomp": {"defaultAction": "SCMP_ACT_ERRNO"}},
  "annotations": {"io.kubernetes.cri.container-type": "container"},
  "later": null
}`

func TestApply(t *testing.T) {
	s, err := ParseSpec([]byte(config))
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Apply(Edit{
		Annotations: map[string]string{"org.criu.config": "/opt/thaw/etc/criu.conf"},
		Binds:       []Bind{{"/var/lib/thaw/code/abc", "/var/task"}, {"/opt/thaw/bin/thaw-init", "/.thaw/thaw-init"}},
		ArgsPrefix:  []string{"/.thaw/thaw-init"},
	})
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "edited.json")
	if os.Getenv("UPDATE_GOLDEN") != "" {
		os.MkdirAll("testdata", 0o755)
		os.WriteFile(golden, append(got, '\n'), 0o644)
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(got)+"\n" != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	// Another edit of the same spec starts from the original again: a cold start after a failed restore.
	again, err := s.Apply(Edit{ArgsPrefix: []string{"/x"}})
	if err != nil || strings.Contains(string(again), "/var/task") || strings.Contains(string(again), "/.thaw") {
		t.Errorf("%v\n%s", err, again)
	}
}

func TestApplyKeepsWhatItDoesNotKnow(t *testing.T) {
	s, err := ParseSpec([]byte(config))
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Apply(Edit{})
	if err != nil {
		t.Fatal(err)
	}
	for _, kept := range []string{"12345678901234567890", "18446744073709551615", "1.0", `"later":null`, "<b>&c"} {
		if !strings.Contains(string(got), kept) {
			t.Errorf("lost %s in\n%s", kept, got)
		}
	}
	if !json.Valid(got) {
		t.Error("not JSON")
	}
}

func TestApplyRefusesATakenMountPoint(t *testing.T) {
	s, _ := ParseSpec([]byte(`{"mounts": [{"destination": "/var/task/"}]}`))
	if _, err := s.Apply(Edit{Binds: []Bind{{"/a", "/var/task"}}}); err == nil || !strings.Contains(err.Error(), "/var/task") {
		t.Error(err)
	}
}

func TestApplyNeedsAProcessToPrefix(t *testing.T) {
	s, _ := ParseSpec([]byte(`{}`))
	if _, err := s.Apply(Edit{ArgsPrefix: []string{"/x"}}); err == nil {
		t.Error("accepted")
	}
}

func TestTheKernelKillsOneProcess(t *testing.T) {
	for text, want := range map[string]string{
		`{"linux":{"a":1,"resources":{"unified":{"memory.oom.group":"1","memory.high":"2"},"b":[ 3 ]}}}`: `{"linux":{"a":1,"resources":{"b":[3],"unified":{"memory.high":"2"}}}}`,
		`{"linux":{"resources":{"b":1}}}`: `{"linux":{"resources":{"b":1}}}`,
		`{"linux":{"resources":null}}`:    `{"linux":{"resources":null}}`,
		`{"process":{}}`:                  `{"process":{}}`,
	} {
		s, err := ParseSpec([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.Apply(Edit{KillOne: true}); err != nil || string(got) != want {
			t.Errorf("%s: %s %v", text, got, err)
		}
	}
	s, _ := ParseSpec([]byte(`{"linux":{"resources":[]}}`))
	if _, err := s.Apply(Edit{KillOne: true}); err == nil {
		t.Error("a spec that is none was taken")
	}
}
