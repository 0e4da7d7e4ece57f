package criulog

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCause(t *testing.T) {
	for name, c := range map[string]struct{ log, want string }{
		"cause first": {`(00.000107) Version: 4.2.1 (gitid 0)
(00.041203)      1: Warn  (criu/apparmor.c:421): apparmor namespace /sys not present
(00.052301)      1: Error (criu/files-reg.c:2183): File app/thaw-init has bad size 6230178 (expect 6230001)
(00.052420)      1: Error (criu/mem.c:1432): ` + "`- Can't open vma" + `
(00.061003) Error (criu/cr-restore.c:1480): 1234 exited, status=1
(00.072000) Error (criu/cr-restore.c:2557): Restoring FAILED.
`, "Error (criu/files-reg.c:2183): File app/thaw-init has bad size 6230178 (expect 6230001)"},
		"consequence first": {`(00.050000) Error (criu/cr-restore.c:1480): 88 killed by signal 9: Killed
(00.050001)      7: Error (criu/sk-inet.c:912): inet: Can't bind inet socket (id 3): Cannot assign requested address
(00.050002) Error (criu/cr-restore.c:2557): Restoring FAILED.
`, "Error (criu/sk-inet.c:912): inet: Can't bind inet socket (id 3): Cannot assign requested address"},
		"consequences only": {`(00.01) Error (criu/cr-restore.c:1480): 88 killed by signal 9: Killed
(00.02) Error (criu/cr-restore.c:2557): Restoring FAILED.
`, "Error (criu/cr-restore.c:1480): 88 killed by signal 9: Killed"},
		"no error":         {"(00.01) Version: 4.2.1\n(00.02) pie: 1: seccomp\n", "pie: 1: seccomp"},
		"terminal escapes": {"(00.01) Error (criu/x.c:1): file \x1b[31mred\x07\xff\n", "Error (criu/x.c:1): file  [31mred"},
		"empty":            {"", ""},
	} {
		path := filepath.Join(t.TempDir(), "restore.log")
		if err := os.WriteFile(path, []byte(c.log), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := Cause(path); got != c.want {
			t.Errorf("%s:\n got %q\nwant %q", name, got, c.want)
		}
	}
}

func TestCauseIsShort(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dump.log")
	os.WriteFile(path, []byte("(00.01) Error (criu/x.c:1): "+strings.Repeat("é", 5000)+"\n"), 0o600)
	if got := Cause(path); len(got) > longest+len("…") || strings.Contains(got, "\ufffd") {
		t.Errorf("%d bytes", len(got))
	}
}

func TestCauseWithoutALog(t *testing.T) {
	if got := Cause(t.TempDir() + "/none"); got != "" {
		t.Error(got)
	}
}
