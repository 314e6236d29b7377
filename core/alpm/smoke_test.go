package alpm

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWriteDatabaseIsRead(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, ".PKGINFO"), []byte("pkgname = foo\npkgbase = foo\npkgver = 1:1.0-1\npkgdesc = A  b\nurl = https://x/?a=\nbuilddate = 1700000000\npackager = me\nsize = 12\narch = any\nlicense = GPL\ndepend = a>=1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "usr/bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, `usr/bin/a\x2d`), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("bsdtar", "--zstd", "-cf", "foo-1:1.0-1-any.pkg.tar.zst", ".PKGINFO", "usr")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	p, err := OpenPackage(filepath.Join(dir, "foo-1:1.0-1-any.pkg.tar.zst"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []Compression{Uncompressed, Gzip, Zstd, XZ} {
		var b bytes.Buffer
		if err := WriteDatabase(&b, []Package{*p}, DatabaseOptions{Files: true, Compression: c}); err != nil {
			t.Fatal(err)
		}
		got, err := ReadDatabase(&b)
		if err != nil {
			t.Fatal(err)
		}
		want := *p
		want.Description, want.URL = "A b", "https://x/?a"
		if diff := cmp.Diff([]Package{want}, got); diff != "" {
			t.Error(diff)
		}
	}
}
