package contract

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const uid = "0a1b2c3d-0000-4000-8000-000000000001"

// testNode is a node in a folder, with a granted pod, a code package and a snapshot.
func testNode(t *testing.T) (Node, Grant, Pod) {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	n := Node{Root: root, Owner: uint32(os.Getuid())}
	g := Grant{PodUID: uid, Namespace: "team", Name: "f-1", Container: "function", Role: "instance", Wrap: true,
		CodeDir: n.CodeDir() + "/abc", SnapshotDir: n.SnapshotsDir() + "/def"}
	for _, dir := range []string{g.CodeDir, g.SnapshotDir + "/checkpoint", n.PodDir(uid), filepath.Dir(n.GrantFile(uid))} {
		must(t, os.MkdirAll(dir, 0o755))
	}
	write(t, g.SnapshotDir+"/checkpoint/pages-1.img", "x")
	return n, g, Pod{UID: uid, Namespace: "team", Name: "f-1", Container: "function"}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), 0o600))
}

func TestCheckAcceptsWhatTheAgentGrants(t *testing.T) {
	n, g, p := testNode(t)
	must(t, n.Check(g, p))
	s, err := n.OpenSnapshot(g.SnapshotDir)
	must(t, err)
	if s.Diff != "" || s.Init != "" {
		t.Errorf("found a diff or an init that are not there: %+v", s)
	}
	write(t, g.SnapshotDir+"/thaw-init", "x")
	s, err = n.OpenSnapshot(g.SnapshotDir)
	must(t, err)
	if s.Init != g.SnapshotDir+"/thaw-init" {
		t.Errorf("did not find the snapshot's own thaw-init: %+v", s)
	}
}

func TestCheckRefusesAGrantOfAnotherPod(t *testing.T) {
	for name, change := range map[string]func(*Pod){
		"namespace": func(p *Pod) { p.Namespace = "other" },
		"name":      func(p *Pod) { p.Name = "other" },
		"UID":       func(p *Pod) { p.UID = strings.Replace(uid, "1", "2", 1) },
		"container": func(p *Pod) { p.Container = "sidecar" },
	} {
		n, g, p := testNode(t)
		change(&p)
		if err := n.Check(g, p); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCheckRefusesHostilePaths(t *testing.T) {
	for name, change := range map[string]func(*testing.T, Node, *Grant){
		"outside":        func(t *testing.T, n Node, g *Grant) { g.CodeDir = "/etc" },
		"other root":     func(t *testing.T, n Node, g *Grant) { g.CodeDir = g.SnapshotDir },
		"the root":       func(t *testing.T, n Node, g *Grant) { g.CodeDir = n.CodeDir() },
		"dots":           func(t *testing.T, n Node, g *Grant) { g.CodeDir += "/../../../../../etc" },
		"dots within":    func(t *testing.T, n Node, g *Grant) { g.CodeDir = n.CodeDir() + "/x/../abc" },
		"trailing slash": func(t *testing.T, n Node, g *Grant) { g.CodeDir += "/" },
		"sibling":        func(t *testing.T, n Node, g *Grant) { g.CodeDir = n.CodeDir() + "-evil/abc" },
		"relative":       func(t *testing.T, n Node, g *Grant) { g.CodeDir = "abc" },
		"missing":        func(t *testing.T, n Node, g *Grant) { g.CodeDir += "d" },
		"file":           func(t *testing.T, n Node, g *Grant) { g.CodeDir += "/f"; write(t, g.CodeDir, "") },
		"symlink": func(t *testing.T, n Node, g *Grant) {
			g.CodeDir = n.CodeDir() + "/link"
			must(t, os.Symlink("/etc", g.CodeDir))
		},
		"symlink on the way": func(t *testing.T, n Node, g *Grant) {
			must(t, os.Symlink("/etc", n.CodeDir()+"/link"))
			g.CodeDir = n.CodeDir() + "/link/ssl"
		},
		"writable by others": func(t *testing.T, n Node, g *Grant) { must(t, os.Chmod(g.CodeDir, 0o777)) },
		"role":               func(t *testing.T, n Node, g *Grant) { g.Role = "admin" },
		"pod folder is a symlink": func(t *testing.T, n Node, g *Grant) {
			must(t, os.Remove(n.PodDir(uid)))
			must(t, os.Symlink("/etc", n.PodDir(uid)))
		},
	} {
		n, g, p := testNode(t)
		change(t, n, &g)
		if err := n.Check(g, p); err == nil {
			t.Errorf("%s: accepted %+v", name, g)
		}
	}
}

func TestCheckRefusesWhatIsNotRoots(t *testing.T) {
	n, g, p := testNode(t)
	n.Owner++
	if err := n.Check(g, p); err == nil || !strings.Contains(err.Error(), "does not belong to root") {
		t.Error(err)
	}
}

func TestOpenSnapshotRefusesLinksFromTheArchive(t *testing.T) {
	for _, name := range []string{"thaw-init", "rootfs-diff.tar", "checkpoint/inventory.img"} {
		n, g, _ := testNode(t)
		must(t, os.Symlink("/etc/shadow", filepath.Join(g.SnapshotDir, name)))
		if s, err := n.OpenSnapshot(g.SnapshotDir); err == nil {
			t.Errorf("%s: accepted %+v", name, s)
		}
	}
}

func TestWaitGrant(t *testing.T) {
	n, _, _ := testNode(t)
	if _, err := n.WaitGrant(uid, 5*time.Millisecond); !errors.Is(err, ErrNoGrant) {
		t.Errorf("without a grant: %v", err)
	}
	if _, err := n.WaitGrant("../../etc/x", time.Second); !errors.Is(err, ErrNoGrant) {
		t.Errorf("UID with a path in it: %v", err)
	}
	time.AfterFunc(20*time.Millisecond, func() {
		writeFile(n.GrantFile(uid), []byte(`{"podUID":"`+uid+`","role":"init","coldFallback":true,"later":1}`))
	})
	begin := time.Now()
	g, err := n.WaitGrant(uid, 5*time.Second)
	must(t, err)
	if !g.ColdFallback || g.PodUID != uid {
		t.Errorf("%+v", g)
	}
	if took := time.Since(begin); took > time.Second {
		t.Errorf("saw the grant after %s", took)
	}
}

func TestWaitGrantRefusesAGrantThatIsNotRoots(t *testing.T) {
	for name, put := range map[string]func(*testing.T, string){
		"writable by others": func(t *testing.T, path string) {
			write(t, path, "{}")
			must(t, os.Chmod(path, 0o666))
		},
		"symlink": func(t *testing.T, path string) {
			write(t, path+".real", "{}")
			must(t, os.Symlink(path+".real", path))
		},
		"not JSON": func(t *testing.T, path string) { write(t, path, "{") },
	} {
		n, _, _ := testNode(t)
		put(t, n.GrantFile(uid))
		if g, err := n.WaitGrant(uid, time.Second); err == nil {
			t.Errorf("%s: accepted %+v", name, g)
		}
	}
}

func TestReportsAreRootsAlone(t *testing.T) {
	n, _, _ := testNode(t)
	must(t, n.WriteReport(Report{PodUID: uid, ContainerID: "c1", State: Restored, RestoreMs: 143.2}))
	i, err := os.Stat(n.ReportFile(uid))
	must(t, err)
	if i.Mode().Perm() != 0o600 {
		t.Errorf("mode %o", i.Mode().Perm())
	}
	r, err := n.ReadReport(uid)
	must(t, err)
	if r.State != Restored || r.RestoreMs != 143.2 || r.At == 0 {
		t.Errorf("%+v", r)
	}
	left, _ := filepath.Glob(filepath.Dir(n.ReportFile(uid)) + "/.tmp-*")
	if len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

func TestRecords(t *testing.T) {
	n, _, _ := testNode(t)
	must(t, n.WriteRecord("c1", Record{PodUID: uid, Restored: true}))
	if r, ok := n.ReadRecord("c1"); !ok || !r.Restored {
		t.Errorf("%+v %v", r, ok)
	}
	for _, id := range []string{"", "c2", "..", "../by-container/c1", "a/b"} {
		if r, ok := n.ReadRecord(id); ok {
			t.Errorf("%q: %+v", id, r)
		}
	}
}
