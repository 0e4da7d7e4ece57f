package wrapper

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"thaw.dev/runtime/internal/contract"
)

const uid = "0a1b2c3d-0000-4000-8000-000000000001"

// fakeRunc notes how it was called and what config.json it saw, and fails where a test says so.
const fakeRunc = `#!/bin/sh
echo "$@" >> DIR/calls
log=; fmt=; bundle=; pid=; work=; images=; cmd=; prev=
for a; do
  case $prev in --log) log=$a;; --bundle) bundle=$a;; --pid-file) pid=$a;; --work-path) work=$a;; --image-path) images=$a;; esac
  case $a in create|restore|start|delete|checkpoint) [ -n "$cmd" ] || cmd=$a;; esac
  prev=$a
done
[ -z "$bundle" ] || cp "$bundle/config.json" "DIR/config-$cmd.json"
if [ -e "DIR/fail-$cmd" ]; then
  case $cmd in
    restore) cp "DIR/fail-$cmd" "$work/restore.log";;
    checkpoint) cp "DIR/fail-$cmd" "$work/dump.log";;
  esac
  [ -z "$log" ] || printf '{"level":"error","msg":"runc says: %s failed\\nmore","time":"x"}\n' $cmd >> "$log"
  exit 1
fi
if [ -e "DIR/hang-$cmd" ]; then
  echo "(00.01) Restoring" > "$work/restore.log"
  sleep 1000
  exit 1
fi
[ "$cmd" != restore ] || cp "$images"/* DIR/restored/
[ -z "$pid" ] || echo 1 > "$pid"
[ "$cmd" != checkpoint ] || echo dumped > "$work/dump.log"
exit 0
`

type world struct {
	mounts, unmounted []string
	unmountErr        error
	*testing.T
	dir, bundle, log string
	w                *Wrapper
	execed           []string
	disconnected     []int
	grant            contract.Grant
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	e := &world{T: t, dir: dir, bundle: dir + "/bundle", log: dir + "/log.json"}
	node := contract.Node{Root: dir + "/node", Owner: uint32(os.Getuid())}
	e.w = &Wrapper{Node: node, Runc: dir + "/runc", GrantTimeout: 10 * time.Millisecond, RestoreLimit: time.Minute, Exec: func(path string, argv, env []string) error {
		e.execed = argv
		return nil
	}, Mounts: func() ([]string, error) { return e.mounts, nil }, Unmount: func(at string) error {
		e.unmounted = append(e.unmounted, at)
		e.mounts = slices.DeleteFunc(e.mounts, func(m string) bool { return m == at })
		return e.unmountErr
	}, Disconnect: func(pid int) ([]string, error) {
		e.disconnected = append(e.disconnected, pid)
		return []string{"tcp 10.244.0.7:41002 → 10.96.0.1:443"}, nil
	}}
	e.grant = contract.Grant{PodUID: uid, Namespace: "team", Name: "f-1", Container: "function", Role: "instance", Wrap: true,
		CodeDir: node.CodeDir() + "/abc", SnapshotDir: node.SnapshotsDir() + "/def", ColdFallback: true}
	e.mkdir(dir+"/restored", filepath.Dir(node.ImagesDir(uid)), e.bundle+"/rootfs", e.grant.CodeDir, e.grant.SnapshotDir+"/checkpoint", node.PodDir(uid), filepath.Dir(node.GrantFile(uid)))
	e.write(dir+"/runc", strings.ReplaceAll(fakeRunc, "DIR", dir), 0o755)
	e.write(e.grant.SnapshotDir+"/thaw-init", "x", 0o755)
	e.write(e.grant.SnapshotDir+"/checkpoint/utsns-11.img", "\x19\x43\x56\x54\x03\x32\x47\x54\x0d\x00\x00\x00\x0a\x03old\x12\x06(none)", 0o600)
	f, _ := os.Create(e.grant.SnapshotDir + "/rootfs-diff.tar")
	w := tar.NewWriter(f)
	w.WriteHeader(&tar.Header{Name: "from-init", Typeflag: tar.TypeReg, Uid: os.Getuid(), Gid: os.Getgid()})
	w.Close()
	f.Close()
	e.config("container", "function")
	return e
}

func (e *world) mkdir(dirs ...string) {
	for _, d := range dirs {
		if err := os.MkdirAll(d, 0o755); err != nil {
			e.Fatal(err)
		}
	}
}

func (e *world) write(path, text string, mode os.FileMode) {
	e.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		e.Fatal(err)
	}
}

func (e *world) config(kind, container string) {
	e.write(e.bundle+"/config.json", fmt.Sprintf(`{"process":{"args":["fn"]},"root":{"path":"rootfs"},"mounts":[],"annotations":{"thaw.dev/role":"instance",
"io.kubernetes.cri.container-type":%q,"io.kubernetes.cri.sandbox-uid":%q,"io.kubernetes.cri.sandbox-namespace":"team",
"io.kubernetes.cri.sandbox-name":"f-1","io.kubernetes.cri.container-name":%q}}`, kind, uid, container), 0o600)
}

func (e *world) granted() {
	b, _ := json.Marshal(e.grant)
	e.write(e.w.Node.GrantFile(uid), string(b), 0o600)
}

func (e *world) run(line string) int {
	args := append([]string{"--root", "/r", "--log", e.log, "--log-format", "json"}, strings.Fields(line)...)
	return e.w.Run(args)
}

func (e *world) create() int {
	return e.run("create --bundle " + e.bundle + " --pid-file " + e.dir + "/pid c1")
}

func (e *world) calls() string {
	b, _ := os.ReadFile(e.dir + "/calls")
	return string(b)
}

func (e *world) read(name string) string {
	b, _ := os.ReadFile(name)
	return string(b)
}

func (e *world) report() contract.Report {
	e.Helper()
	r, err := e.w.Node.ReadReport(uid)
	if err != nil {
		e.Error(err)
	}
	return r
}

func TestRestore(t *testing.T) {
	e := newWorld(t)
	e.granted()
	if code := e.create(); code != 0 {
		t.Fatal(code)
	}
	want := fmt.Sprintf("--root /r --log %[1]s/runc.log --log-format json restore --detach --no-subreaper --tcp-established --file-locks --bundle %[2]s --image-path %[4]s --work-path %[1]s --pid-file %[3]s/pid c1\n",
		e.w.Node.WorkDir(uid), e.bundle, e.dir, e.w.Node.ImagesDir(uid))
	if got := e.calls(); got != want {
		t.Errorf("called\n%swant\n%s", got, want)
	}
	config := e.read(e.dir + "/config-restore.json")
	for _, part := range []string{`"org.criu.config":"` + e.w.Node.CRIUConfig(), e.grant.CodeDir, e.grant.SnapshotDir + "/thaw-init", `"/.thaw/pod"`, `"args":["/.thaw/thaw-init","fn"]`} {
		if !strings.Contains(config, part) {
			t.Errorf("no %s in %s", part, config)
		}
	}
	if _, err := os.Stat(e.bundle + "/rootfs/from-init"); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(e.w.Node.ImagesDir(uid)); err == nil {
		t.Error("the images' links are still there")
	}
	if r := e.report(); r.State != contract.Restored || r.PID != 1 || r.RestoreMs <= 0 || r.ContainerID != "c1" || r.RestoreError != "" {
		t.Errorf("%+v", r)
	}
	// containerd starts it once; a second start is runc's to refuse.
	if code := e.run("start c1"); code != 0 || strings.Contains(e.calls(), "start") {
		t.Errorf("start: %d\n%s", code, e.calls())
	}
	if e.run("start c1"); !strings.Contains(e.calls(), " start c1") {
		t.Error("the second start did not reach runc")
	}
	if r := e.report(); r.State != contract.Restored {
		t.Errorf("%+v", r)
	}
}

func TestTheHostnameOfTheRestoredIsThePods(t *testing.T) {
	for want, mount := range map[string]string{"\x0a\x03f-1": `[]`, "\x0a\x07of-team": `[{"destination":"/etc/hostname","source":"HOSTNAME"}]`} {
		e := newWorld(t)
		e.granted()
		e.write(e.dir+"/hostname", "of-team\n", 0o644)
		mount = strings.ReplaceAll(mount, "HOSTNAME", e.dir+"/hostname")
		e.write(e.bundle+"/config.json", strings.Replace(e.read(e.bundle+"/config.json"), `"mounts":[]`, `"mounts":`+mount, 1), 0o600)
		if code := e.create(); code != 0 {
			t.Fatal(code)
		}
		if image := e.read(e.dir + "/restored/utsns-11.img"); !strings.Contains(image, want) || strings.Contains(image, "old") {
			t.Errorf("%q", image)
		}
	}
}

func TestARestoreThatHangsIsKilledAndTheContainerStartedCold(t *testing.T) {
	e := newWorld(t)
	e.w.RestoreLimit = 50 * time.Millisecond
	e.granted()
	e.write(e.dir+"/hang-restore", "", 0o600)
	if code := e.create(); code != 0 {
		t.Fatal(code)
	}
	if r := e.report(); r.State != contract.Created || r.RestoreError != "it took longer than 50ms; CRIU's last word: Restoring" {
		t.Errorf("%+v", r)
	}
	if calls := e.calls(); !strings.Contains(calls, "delete --force c1") {
		t.Error(calls)
	}
}

// What a killed CRIU leaves mounted are the node's cgroups: they are taken off, the innermost first, before anything is removed.
func TestWhatAKilledCRIULeftMountedIsTakenOff(t *testing.T) {
	e := newWorld(t)
	work := e.w.Node.WorkDir(uid)
	e.w.RestoreLimit = 50 * time.Millisecond
	e.granted()
	e.write(e.dir+"/hang-restore", "", 0o600)
	e.mounts = []string{"/", work + "/yard", work + "/yard/memory", work + "-of-another"}
	if code := e.create(); code != 0 {
		t.Fatal(code)
	}
	if !slices.Equal(e.unmounted, []string{work + "/yard/memory", work + "/yard"}) {
		t.Error(e.unmounted)
	}
	e.mounts, e.unmountErr = []string{work + "/yard"}, errors.New("busy")
	if code := e.run("delete c1"); code != 0 {
		t.Error(code)
	}
	if _, err := os.Stat(work); err != nil {
		t.Error("removed, though something is mounted there still:", err)
	}
}

func TestMounts(t *testing.T) {
	if found, err := Mounts(); err != nil || !slices.Contains(found, "/proc") {
		t.Error(found, err)
	}
}

func TestColdStart(t *testing.T) {
	e := newWorld(t)
	e.grant.SnapshotDir = ""
	e.granted()
	if code := e.create(); code != 0 {
		t.Fatal(code)
	}
	if config := e.read(e.dir + "/config-create.json"); !strings.Contains(config, e.w.Node.InitBinary()) {
		t.Error(config)
	}
	if r := e.report(); r.State != contract.Created || r.PID != 1 {
		t.Errorf("%+v", r)
	}
	if code := e.run("start c1"); code != 0 {
		t.Fatal(code)
	}
	if r := e.report(); r.State != contract.Started || r.PID != 1 {
		t.Errorf("%+v", r)
	}
}

func TestAnImageThatSpeaksHTTPIsNotWrapped(t *testing.T) {
	e := newWorld(t)
	e.grant.Wrap, e.grant.CodeDir = false, ""
	e.granted()
	if code := e.create(); code != 0 {
		t.Fatal(code)
	}
	if config := e.read(e.dir + "/config-restore.json"); !strings.Contains(config, `"args":["fn"]`) || !strings.Contains(config, `"mounts":[]`) || !strings.Contains(config, "org.criu.config") {
		t.Error(config)
	}
}

func TestFailedRestoreFallsBackToACold(t *testing.T) {
	e := newWorld(t)
	e.granted()
	e.write(e.dir+"/fail-restore", "(00.05)  1: Error (criu/files-reg.c:2183): File x has bad size\n(00.06) Error (criu/cr-restore.c:2557): Restoring FAILED.\n", 0o600)
	if code := e.create(); code != 0 {
		t.Fatal(code)
	}
	r := e.report()
	if r.State != contract.Created || r.RestoreError != "Error (criu/files-reg.c:2183): File x has bad size" || r.RestoreMs != 0 {
		t.Errorf("%+v", r)
	}
	calls := strings.Split(strings.TrimSpace(e.calls()), "\n")
	if len(calls) != 3 || !strings.Contains(calls[1], "delete --force c1") || !strings.Contains(calls[2], " create ") {
		t.Errorf("%q", calls)
	}
	config := e.read(e.dir + "/config-create.json")
	if strings.Contains(config, e.grant.SnapshotDir) || strings.Count(config, `"/.thaw/pod"`) != 1 {
		t.Error(config)
	}
	if _, err := os.Stat(e.bundle + "/rootfs/from-init"); err == nil {
		t.Error("the diff's files are still there")
	}
	if log := e.read(e.log); log != "" {
		t.Errorf("containerd would show %s", log)
	}
	if e.run("start c1"); e.report().State != contract.Started || e.report().RestoreError == "" {
		t.Errorf("%+v", e.report())
	}
}

func TestUnusableSnapshotFallsBackToo(t *testing.T) {
	e := newWorld(t)
	e.granted()
	os.Symlink("/etc/shadow", e.grant.SnapshotDir+"/checkpoint/core-1.img")
	if code := e.create(); code != 0 {
		t.Fatal(code)
	}
	if r := e.report(); r.State != contract.Created || !strings.Contains(r.RestoreError, "core-1.img is not a regular file") {
		t.Errorf("%+v", r)
	}
}

func TestFailedRestoreWithoutFallback(t *testing.T) {
	e := newWorld(t)
	e.grant.ColdFallback = false
	e.granted()
	e.write(e.dir+"/fail-restore", "", 0o600)
	if code := e.create(); code != 1 {
		t.Fatal(code)
	}
	if r := e.report(); r.State != contract.Failed || r.RestoreError != "runc says: restore failed" {
		t.Errorf("%+v", r)
	}
	if log := e.read(e.log); !strings.Contains(log, `"level":"error"`) || !strings.Contains(log, "restore: runc says: restore failed") {
		t.Error(log)
	}
	// containerd deletes at once what failed; the agent still learns of it, until the pod is gone.
	e.run("delete --force c1")
	if r := e.report(); r.State != contract.Failed {
		t.Errorf("%+v", r)
	}
}

func TestFailedCreateIsReported(t *testing.T) {
	e := newWorld(t)
	e.grant.SnapshotDir = ""
	e.granted()
	e.write(e.dir+"/fail-create", "", 0o600)
	if code := e.create(); code != 1 {
		t.Fatal(code)
	}
	if r := e.report(); r.State != contract.Failed || !strings.Contains(r.RestoreError, "runc says: create failed") {
		t.Errorf("%+v", r)
	}
	if n := strings.Count(e.read(e.log), "level"); n != 1 {
		t.Errorf("%d errors in containerd's log, want runc's own alone", n)
	}
}

func TestNoGrant(t *testing.T) {
	e := newWorld(t)
	if code := e.create(); code != 1 {
		t.Fatal(code)
	}
	if log := e.read(e.log); !strings.Contains(log, "no grant for pod "+uid) || strings.Count(log, "\n") != 1 {
		t.Error(log)
	}
	if e.calls() != "" || e.execed != nil {
		t.Error("runc was called")
	}
	if _, err := e.w.Node.ReadReport(uid); err == nil {
		t.Error("a pod that nobody granted anything left a report")
	}
}

func TestForeignGrant(t *testing.T) {
	e := newWorld(t)
	e.grant.Namespace = "other"
	e.granted()
	if code := e.create(); code != 1 || e.calls() != "" {
		t.Fatal(code, e.calls())
	}
	if r := e.report(); r.State != contract.Failed || !strings.Contains(r.RestoreError, "namespace") {
		t.Errorf("%+v", r)
	}
}

func TestPassthrough(t *testing.T) {
	for name, prepare := range map[string]func(*world) string{
		"another command": func(e *world) string { return "kill c1 9" },
		"not annotated": func(e *world) string {
			e.write(e.bundle+"/config.json", `{"annotations":{}}`, 0o600)
			return "create --bundle " + e.bundle + " c1"
		},
		"no config": func(e *world) string { return "create --bundle /none c1" },
		"sidecar": func(e *world) string {
			e.granted()
			e.config("container", "sidecar")
			return "create --bundle " + e.bundle + " c1"
		},
		"sandbox":           func(e *world) string { e.config("sandbox", ""); return "create --bundle " + e.bundle + " c1" },
		"foreign start":     func(e *world) string { return "start c9" },
		"foreign delete":    func(e *world) string { return "delete c9" },
		"foreign dump":      func(e *world) string { return "checkpoint --image-path /i c9" },
		"hostile container": func(e *world) string { return "delete ../../x" },
	} {
		e := newWorld(t)
		line := prepare(e)
		before := e.read(e.bundle + "/config.json")
		if code := e.run(line); code != 0 {
			t.Errorf("%s: %d", name, code)
		}
		want := "runc --root /r --log " + e.log + " --log-format json " + line
		if got := strings.Join(e.execed, " "); got != want || e.calls() != "" || e.read(e.bundle+"/config.json") != before {
			t.Errorf("%s: became %q, want %q; ran %q", name, got, want, e.calls())
		}
	}
}

func TestCheckpoint(t *testing.T) {
	e := newWorld(t)
	e.grant.SnapshotDir = ""
	e.granted()
	e.create()
	os.Remove(e.dir + "/calls")
	e.mkdir(e.dir + "/criu-work")
	line := "checkpoint --image-path /i --work-path " + e.dir + "/criu-work --leave-running c1"
	if code := e.run(line); code != 0 {
		t.Fatal(code)
	}
	want := "checkpoint --tcp-established --file-locks --image-path /i --work-path " + e.dir + "/criu-work --leave-running c1\n"
	if got := e.calls(); !strings.HasSuffix(got, want) {
		t.Errorf("called %s", got)
	}
	kept := e.w.Node.WorkDir(uid) + "/dump.log"
	if e.read(kept) != "dumped\n" {
		t.Error("dump.log was not kept")
	}
	if e.run("checkpoint --tcp-established --image-path /i c1"); !strings.HasSuffix(e.calls(), "checkpoint --file-locks --work-path "+e.w.Node.WorkDir(uid)+" --tcp-established --image-path /i c1\n") {
		t.Error(e.calls())
	}
	e.write(e.dir+"/fail-checkpoint", "(00.1) Error (criu/sk-inet.c:1): MPTCP\n", 0o600)
	if code := e.run(line); code != 1 || !strings.Contains(e.read(e.log), "Error (criu/sk-inet.c:1): MPTCP") {
		t.Error(code, e.read(e.log))
	}
}

func TestASnapshotHoldsNoConnections(t *testing.T) {
	e := newWorld(t)
	e.grant.SnapshotDir, e.grant.Role = "", "init"
	e.granted()
	e.create()
	if code := e.run("checkpoint --image-path /i c1"); code != 0 {
		t.Fatal(code)
	}
	if len(e.disconnected) != 1 || e.disconnected[0] != 1 {
		t.Errorf("disconnected %v", e.disconnected)
	}
	if r := e.report(); len(r.ClosedConnections) != 1 || r.State != contract.Created {
		t.Errorf("%+v", r)
	}
	e.w.Disconnect = func(int) ([]string, error) { return nil, errors.New("not permitted") }
	os.Remove(e.dir + "/calls")
	if code := e.run("checkpoint --image-path /i c1"); code != 1 || e.calls() != "" || !strings.Contains(e.read(e.log), "cannot be ended: not permitted") {
		t.Errorf("%d: %s%s", code, e.calls(), e.read(e.log))
	}
}

func TestADumpOfWhatServesLeavesItsConnections(t *testing.T) {
	e := newWorld(t)
	e.granted()
	e.create()
	if code := e.run("checkpoint --image-path /i c1"); code != 0 || e.disconnected != nil {
		t.Errorf("%d, disconnected %v", code, e.disconnected)
	}
}

func TestDeleteTakesEverythingWithIt(t *testing.T) {
	e := newWorld(t)
	e.granted()
	e.create()
	e.mkdir(e.w.Node.ImagesDir(uid))
	if code := e.run("delete c1"); code != 0 {
		t.Fatal(code)
	}
	for _, path := range []string{e.w.Node.ReportFile(uid), e.w.Node.WorkDir(uid), e.w.Node.ImagesDir(uid), e.w.Node.RecordFile("c1")} {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s is still there", path)
		}
	}
}

func TestDeleteOfAnOlderContainerLeavesTheNewersReport(t *testing.T) {
	e := newWorld(t)
	e.granted()
	e.create()
	e.config("container", "function")
	e.run("create --bundle " + e.bundle + " --pid-file " + e.dir + "/pid c2")
	e.run("delete c1")
	if r := e.report(); r.ContainerID != "c2" {
		t.Errorf("%+v", r)
	}
}

func TestTheEndOfThePodTakesAFailuresReport(t *testing.T) {
	e := newWorld(t)
	e.config("sandbox", "")
	e.run("create --bundle " + e.bundle + " s1")
	e.config("container", "function")
	e.grant.Name = "other"
	e.granted()
	e.create()
	if e.report().State != contract.Failed {
		t.Fatal(e.report())
	}
	if code := e.run("delete s1"); code != 0 {
		t.Fatal(code)
	}
	if _, err := e.w.Node.ReadReport(uid); err == nil {
		t.Error("the report is still there")
	}
}

func TestFindRunc(t *testing.T) {
	n := contract.Node{Root: t.TempDir()}
	os.MkdirAll(filepath.Dir(n.RuncFile()), 0o755)
	mine := n.Root + "/runc"
	os.WriteFile(mine, nil, 0o755)
	os.WriteFile(n.RuncFile(), []byte(mine+"\n"), 0o644)
	if got, err := FindRunc(n); err != nil || got != mine {
		t.Errorf("%q %v", got, err)
	}
	t.Setenv("THAW_RUNC", "/proc/self/exe")
	if got, err := FindRunc(n); err == nil {
		t.Errorf("wraps itself: %q", got)
	}
}

func TestASecretThatIsNeeded(t *testing.T) {
	e := newWorld(t)
	volume := e.dir + "/volume"
	e.mkdir(volume + "/..2030_01_01")
	if err := os.Symlink("..2030_01_01", volume+"/..data"); err != nil {
		t.Fatal(err)
	}
	config := e.read(e.bundle + "/config.json")
	e.write(e.bundle+"/config.json", strings.Replace(config, `"mounts":[]`, `"mounts":[{"destination":"/etc/db","source":"`+volume+`","type":"bind","options":["rbind","ro"]}]`, 1), 0o600)
	e.grant.Secrets = []contract.NeededSecret{{SecretName: "db", MountPath: "/etc/db"}}
	e.granted()
	if code := e.create(); code == 0 || e.calls() != "" {
		t.Errorf("exit code %d; runc was called: %s", code, e.calls())
	}
	if r := e.report(); r.State != contract.Failed || r.Code != contract.MissingSecret || !strings.Contains(r.RestoreError, "Secret db, which spec.secrets mounts at /etc/db, does not exist in namespace team") {
		t.Errorf("%+v", r)
	}
	e.write(volume+"/..2030_01_01/password", "x", 0o600)
	if err := os.Symlink("..data/password", volume+"/password"); err != nil {
		t.Fatal(err)
	}
	if code := e.create(); code != 0 || e.report().State != contract.Restored {
		t.Errorf("exit code %d: %+v", code, e.report())
	}
	e.grant.Secrets[0].MountPath = "/etc/other"
	e.granted()
	if code := e.create(); code == 0 || e.report().Code != contract.MissingSecret {
		t.Errorf("a Secret that is not mounted at all: %+v", e.report())
	}
}
