package criuimg

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// image is what CRIU 4.2 writes for the hostname "old" and the domain "(none)".
const image = "\x19\x43\x56\x54\x03\x32\x47\x54\x0d\x00\x00\x00\x0a\x03old\x12\x06(none)"

func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestTheHostnameIsThePodsAndAllElseTheDumps(t *testing.T) {
	dir, out := folder(t, map[string]string{"utsns-11.img": image, "pages-1.img": "pages"}), filepath.Join(t.TempDir(), "images")
	if err := WithHostname(dir, out, "a-longer-name"); err != nil {
		t.Fatal(err)
	}
	got, _ := os.ReadFile(filepath.Join(out, "utsns-11.img"))
	if want := "\x19\x43\x56\x54\x03\x32\x47\x54\x17\x00\x00\x00\x0a\x0da-longer-name\x12\x06(none)"; string(got) != want {
		t.Errorf("\n got %q\nwant %q", got, want)
	}
	if pages, _ := os.ReadFile(filepath.Join(out, "pages-1.img")); string(pages) != "pages" {
		t.Errorf("pages: %q", pages)
	}
	if kept, _ := os.ReadFile(filepath.Join(dir, "utsns-11.img")); string(kept) != image {
		t.Error("the snapshot itself was changed")
	}
}

func TestADumpInTheNodesNamespace(t *testing.T) {
	dir := folder(t, map[string]string{"pages-1.img": "pages"})
	if err := WithHostname(dir, filepath.Join(t.TempDir(), "images"), "name"); !errors.Is(err, ErrNoImage) {
		t.Error(err)
	}
}

func TestWhatIsNoImageIsRefused(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "another image": "\x19\x43\x56\x54\x00" + image[5:], "cut": image[:len(image)-2], "longer than it says": image + "x",
		"a length beyond the end": image[:12] + "\x0a\x7fold\x12\x06(none)", "a number": image[:12] + "\x08\x03old\x12\x06(none)", "huge": string(make([]byte, 5000)),
	} {
		dir := folder(t, map[string]string{"utsns-1.img": text})
		if err := WithHostname(dir, filepath.Join(t.TempDir(), "images"), "name"); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
