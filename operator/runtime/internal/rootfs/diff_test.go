package rootfs

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

var then = time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)

type entry struct {
	name, link, text string
	kind             byte
	mode             int64
}

func file(name, text string) entry {
	return entry{name: name, text: text, kind: tar.TypeReg, mode: 0o640}
}
func dir(name string) entry         { return entry{name: name, kind: tar.TypeDir, mode: 0o750} }
func link(name, to string) entry    { return entry{name: name, link: to, kind: tar.TypeLink} }
func symlink(name, to string) entry { return entry{name: name, link: to, kind: tar.TypeSymlink} }

// archive writes a layer; its owner is whoever runs the test.
func archive(t *testing.T, zip bool, entries ...entry) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Linkname: e.link, Typeflag: e.kind, Mode: e.mode, Size: int64(len(e.text)), ModTime: then, Uid: os.Getuid(), Gid: os.Getgid()}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		w.Write([]byte(e.text))
	}
	w.Close()
	path := filepath.Join(t.TempDir(), "rootfs-diff.tar")
	out := b.Bytes()
	if zip {
		var z bytes.Buffer
		g := gzip.NewWriter(&z)
		g.Write(out)
		g.Close()
		out = z.Bytes()
	}
	if err := os.WriteFile(path, out, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// image is a rootfs as an image leaves it.
func image(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for path, text := range map[string]string{"etc/hosts": "old", "app/app.py": "code", "app/old.pyc": "x", "lib/a/1": "1", "lib/a/2": "2"} {
		os.MkdirAll(filepath.Dir(filepath.Join(root, path)), 0o755)
		os.WriteFile(filepath.Join(root, path), []byte(text), 0o644)
	}
	return root
}

func unpack(t *testing.T, root string, targets []string, zip bool, entries ...entry) *Unpacked {
	t.Helper()
	u, err := Unpack(archive(t, zip, entries...), root, targets)
	t.Cleanup(u.Close)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func read(root, path string) string {
	b, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		return "(" + err.(*fs.PathError).Err.Error() + ")"
	}
	return string(b)
}

func TestUnpack(t *testing.T) {
	for _, zip := range []bool{true, false} {
		root := image(t)
		unpack(t, root, nil, zip,
			dir("app/"), file("app/app.py", "changed"), file("app/new.txt", "new"), file("tmp/deep/er", "made"),
			symlink("app/link", "/etc/passwd"), link("app/hard", "app/new.txt"), entry{name: "app/pipe", kind: tar.TypeFifo, mode: 0o600},
			entry{name: "app/setuid", kind: tar.TypeReg, mode: 0o4755, text: "x"})
		for path, want := range map[string]string{"app/app.py": "changed", "app/new.txt": "new", "app/hard": "new", "tmp/deep/er": "made", "app/old.pyc": "x"} {
			if got := read(root, path); got != want {
				t.Errorf("%s: %q, want %q", path, got, want)
			}
		}
		if to, _ := os.Readlink(root + "/app/link"); to != "/etc/passwd" {
			t.Errorf("symlink to %q", to)
		}
		for path, want := range map[string]fs.FileMode{"app": fs.ModeDir | 0o750, "app/new.txt": 0o640, "app/pipe": fs.ModeNamedPipe | 0o600, "app/setuid": fs.ModeSetuid | 0o755} {
			i, err := os.Lstat(filepath.Join(root, path))
			if err != nil || i.Mode() != want || !i.ModTime().Equal(then) {
				t.Errorf("%s: %v, want %v (%v)", path, i, want, err)
			}
		}
		a, _ := os.Stat(root + "/app/hard")
		if a.Sys().(*syscall.Stat_t).Nlink != 2 {
			t.Error("the hard link is a copy")
		}
	}
}

func TestUnpackKeepsOwners(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root gives files away")
	}
	root := t.TempDir()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	w.WriteHeader(&tar.Header{Name: "f", Typeflag: tar.TypeReg, Mode: 0o600, Uid: 1234, Gid: 5678})
	w.Close()
	path := root + ".tar"
	os.WriteFile(path, b.Bytes(), 0o600)
	u, err := Unpack(path, root, nil)
	defer u.Close()
	if err != nil {
		t.Fatal(err)
	}
	i, _ := os.Stat(root + "/f")
	if s := i.Sys().(*syscall.Stat_t); s.Uid != 1234 || s.Gid != 5678 {
		t.Errorf("%d:%d", s.Uid, s.Gid)
	}
}

func TestWhiteouts(t *testing.T) {
	root := image(t)
	unpack(t, root, nil, true, file("app/.wh.old.pyc", ""), dir("lib/a"), file("lib/a/3", "3"), file("lib/a/.wh..wh..opq", ""), file("lib/.wh.none", ""))
	for path, there := range map[string]bool{"app/old.pyc": false, "app/app.py": true, "lib/a/1": false, "lib/a/2": false, "lib/a/3": true} {
		if _, err := os.Stat(filepath.Join(root, path)); (err == nil) != there {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestFoldersAndFilesReplaceEachOther(t *testing.T) {
	root := image(t)
	unpack(t, root, nil, true, file("lib/a", "a file now"), dir("app/app.py"), file("app/app.py/in", "x"))
	if got := read(root, "lib/a"); got != "a file now" {
		t.Error(got)
	}
	if got := read(root, "app/app.py/in"); got != "x" {
		t.Error(got)
	}
}

func TestSkipsWhatIsThePods(t *testing.T) {
	root := image(t)
	unpack(t, root, []string{"/var/task", "/.thaw", "/proc"}, true,
		file("etc/hosts", "the old pod's"), file("etc/.wh.hosts", ""), file("etc/resolv.conf", "x"), file("./etc/hostname", "x"),
		dir("dev/"), file("dev/termination-log", "x"), dir("var/task"), file("var/task/app.py", "x"), file(".thaw/thaw-init", "x"), file("var/tasks", "mine"))
	if got := read(root, "etc/hosts"); got != "old" {
		t.Error(got)
	}
	if got := read(root, "var/tasks"); got != "mine" {
		t.Error(got)
	}
	for _, path := range []string{"etc/resolv.conf", "etc/hostname", "dev", "var/task", ".thaw"} {
		if _, err := os.Lstat(filepath.Join(root, path)); err == nil {
			t.Errorf("%s was unpacked", path)
		}
	}
}

// A hostile archive stays inside, whether it is refused or not.
func TestHostileArchives(t *testing.T) {
	for name, c := range map[string]struct {
		entries []entry
		refused bool
	}{
		"dots":                     {[]entry{file("../evil", "x")}, true},
		"dots inside":              {[]entry{file("a/../../evil", "x")}, true},
		"absolute":                 {[]entry{file("/evil", "x")}, false},
		"symlink up, then through": {[]entry{symlink("s", ".."), file("s/evil", "x")}, true},
		"absolute symlink":         {[]entry{symlink("s", "OUT"), file("s/evil", "x")}, true},
		"symlink chain":            {[]entry{dir("d"), symlink("d/s", "../.."), symlink("t", "d/s"), file("t/evil", "x")}, true},
		"file over a symlink":      {[]entry{symlink("s", "OUT/secret"), file("s", "x")}, false},
		"folder over a symlink":    {[]entry{symlink("s", "OUT"), dir("s"), file("s/evil", "x")}, false},
		"hard link out":            {[]entry{link("h", "../secret"), file("h", "x")}, true},
		"hard link out, absolute":  {[]entry{link("h", "OUT/secret")}, true},
		"hard link by a symlink":   {[]entry{symlink("s", "OUT"), link("h", "s/secret")}, true},
		"whiteout out":             {[]entry{file("../.wh.secret", "")}, true},
		"whiteout of ..":           {[]entry{file("a/.wh...", "")}, true},
		"whiteout by a symlink":    {[]entry{symlink("s", "OUT"), file("s/.wh.secret", "")}, true},
		"opaque by a symlink":      {[]entry{symlink("s", "OUT"), file("s/.wh..wh..opq", "")}, true},
		"mode by a symlink":        {[]entry{symlink("s", "OUT"), dir("s/d")}, true},
		"fifo by a symlink":        {[]entry{symlink("s", "OUT"), {name: "s/evil", kind: tar.TypeFifo}}, true},
		"device":                   {[]entry{{name: "sda", kind: tar.TypeBlock}, {name: "mem", kind: tar.TypeChar}}, false},
	} {
		out, err := filepath.EvalSymlinks(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		root := out + "/rootfs"
		os.Mkdir(root, 0o755)
		os.WriteFile(out+"/secret", []byte("secret"), 0o600)
		for i := range c.entries {
			c.entries[i].link = strings.Replace(c.entries[i].link, "OUT", out, 1)
		}
		u, err := Unpack(archive(t, true, c.entries...), root, nil)
		u.Close()
		if (err != nil) != c.refused {
			t.Errorf("%s: refused: %v, want %v", name, err, c.refused)
		}
		left, _ := os.ReadDir(out)
		if len(left) != 2 || read(out, "secret") != "secret" {
			t.Errorf("%s: got out: %v %q", name, left, read(out, "secret"))
		}
		if i, err := os.Stat(out + "/secret"); err != nil || i.Mode().Perm() != 0o600 || i.Sys().(*syscall.Stat_t).Nlink != 1 {
			t.Errorf("%s: touched the secret: %v %v", name, i, err)
		}
		for _, device := range []string{"sda", "mem"} {
			if _, err := os.Lstat(filepath.Join(root, device)); err == nil {
				t.Errorf("%s: made %s", name, device)
			}
		}
	}
}

func TestUnpackRefusesBombsAndRubbish(t *testing.T) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	w.WriteHeader(&tar.Header{Name: "bomb", Typeflag: tar.TypeReg, Size: maxBytes + 1})
	for name, content := range map[string][]byte{"bomb": b.Bytes(), "not a tar": []byte(strings.Repeat("x", 2000)), "broken gzip": {0x1f, 0x8b, 0, 0}} {
		path := filepath.Join(t.TempDir(), "x.tar")
		os.WriteFile(path, content, 0o600)
		u, err := Unpack(path, t.TempDir(), nil)
		u.Close()
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if u, err := Unpack("/none", "/none", nil); err == nil || u == nil {
		t.Error(err)
	}
}

func TestUndo(t *testing.T) {
	root := image(t)
	u := unpack(t, root, nil, true, file("app/new.txt", "x"), file("tmp/deep/er", "x"), file("app/app.py", "changed"))
	u.Undo()
	for path, there := range map[string]bool{"app/new.txt": false, "tmp": false, "app/app.py": true, "lib/a/1": true} {
		if _, err := os.Stat(filepath.Join(root, path)); (err == nil) != there {
			t.Errorf("%s: %v", path, err)
		}
	}
}
