package build

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// member is one entry of an archive.
type member struct {
	tar.Header
	content string
}

// archive packs members behind a .PKGINFO.
func archive(t *testing.T, members ...member) *bytes.Buffer {
	t.Helper()
	var packed bytes.Buffer
	w := tar.NewWriter(&packed)
	info := member{tar.Header{Name: ".PKGINFO", Typeflag: tar.TypeReg}, "pkgname = dep\npkgbase = dep\npkgver = 1.0-1\narch = any\nsize = 3\ndepend = glibc\nprovides = libdep.so=1-64\n"}
	for _, m := range append([]member{info}, members...) {
		m.Size = int64(len(m.content))
		if err := w.WriteHeader(&m.Header); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(m.content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &packed
}

func TestUnpack(t *testing.T) {
	dir := t.TempDir()
	past := time.Unix(1_600_000_000, 0)
	err := unpack(archive(t,
		member{Header: tar.Header{Name: "usr/", Typeflag: tar.TypeDir, Mode: 0o555, ModTime: past}},
		member{tar.Header{Name: "usr/bin/tool", Typeflag: tar.TypeReg, Mode: 0o4755, ModTime: past}, "tool"},
		member{Header: tar.Header{Name: "usr/bin/same", Typeflag: tar.TypeLink, Linkname: "usr/bin/tool"}},
		member{Header: tar.Header{Name: "usr/bin/link", Typeflag: tar.TypeSymlink, Linkname: "/usr/bin/tool"}},
		member{Header: tar.Header{Name: "usr/bin", Typeflag: tar.TypeSymlink, Linkname: "/etc"}}, // stands for a directory of the host
		member{Header: tar.Header{Name: "dev/sda", Typeflag: tar.TypeBlock, Devmajor: 8}},
		member{tar.Header{Name: ".INSTALL", Typeflag: tar.TypeReg}, "post_install() { rm -rf /; }"},
	), dir)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "usr/bin/tool"))
	if err != nil || info.Mode() != 0o755 || !info.ModTime().Equal(past) {
		t.Errorf("tool: %v, %v", info, err)
	}
	if info, err := os.Stat(filepath.Join(dir, "usr")); err != nil || !info.ModTime().Equal(past) || info.Mode().Perm()&0o700 != 0o700 {
		t.Errorf("usr: %v, %v", info, err)
	}
	if target, err := os.Readlink(filepath.Join(dir, "usr/bin/link")); err != nil || target != "/usr/bin/tool" {
		t.Errorf("link: %s, %v", target, err)
	}
	for _, name := range []string{"dev/sda", ".INSTALL", ".PKGINFO"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s was unpacked", name)
		}
	}
	desc, err := os.ReadFile(filepath.Join(dir, localDB, "dep-1.0-1/desc"))
	if err != nil || !strings.Contains(string(desc), "%NAME%\ndep\n") || !strings.Contains(string(desc), "%PROVIDES%\nlibdep.so=1-64\n") {
		t.Errorf("desc: %v\n%s", err, desc)
	}
}

func TestUnpackRefuses(t *testing.T) {
	outside := t.TempDir()
	for _, test := range []struct {
		name    string
		members []member
	}{
		{"parent", []member{{tar.Header{Name: "../x", Typeflag: tar.TypeReg}, "x"}}},
		{"parent within", []member{{tar.Header{Name: "usr/../../x", Typeflag: tar.TypeReg}, "x"}}},
		{"absolute", []member{{tar.Header{Name: "/etc/x", Typeflag: tar.TypeReg}, "x"}}},
		{"through an absolute link", []member{
			{tar.Header{Name: "out", Typeflag: tar.TypeSymlink, Linkname: outside}, ""},
			{tar.Header{Name: "out/x", Typeflag: tar.TypeReg}, "x"},
		}},
		{"through a relative link", []member{
			{tar.Header{Name: "usr/out", Typeflag: tar.TypeSymlink, Linkname: "../../../../../../.." + outside}, ""},
			{tar.Header{Name: "usr/out/x", Typeflag: tar.TypeReg}, "x"},
		}},
		{"hard link", []member{{tar.Header{Name: "x", Typeflag: tar.TypeLink, Linkname: "/etc/passwd"}, ""}}},
		{"hard link through a link", []member{
			{tar.Header{Name: "out", Typeflag: tar.TypeSymlink, Linkname: "/etc"}, ""},
			{tar.Header{Name: "x", Typeflag: tar.TypeLink, Linkname: "out/passwd"}, ""},
		}},
		{"twice", []member{{tar.Header{Name: "x", Typeflag: tar.TypeReg}, "1"}, {tar.Header{Name: "x", Typeflag: tar.TypeReg}, "2"}}},
	} {
		dir := t.TempDir()
		if err := unpack(archive(t, test.members...), dir); err == nil {
			t.Errorf("%s: was unpacked", test.name)
		}
		if left, _ := os.ReadDir(outside); len(left) > 0 {
			t.Fatalf("%s: wrote outside: %v", test.name, left)
		}
	}
	if err := unpack(bytes.NewReader([]byte("rubbish")), t.TempDir()); err == nil {
		t.Error("rubbish was unpacked")
	}
	var empty bytes.Buffer
	if err := tar.NewWriter(&empty).Close(); err != nil {
		t.Fatal(err)
	}
	if err := unpack(&empty, t.TempDir()); err == nil || !strings.Contains(err.Error(), "no .PKGINFO") {
		t.Errorf("an archive that is no package: %v", err)
	}
}

func TestIdentity(t *testing.T) {
	if os.Geteuid() != 0 {
		if _, err := (Config{User: "root"}).builder(); err == nil {
			t.Error("building as another user was taken from somebody who is not root")
		}
		return
	}
	root := t.TempDir()
	if _, err := (Config{Root: root}).builder(); err == nil || !strings.Contains(err.Error(), "belongs to root") {
		t.Errorf("owner root: %v", err)
	}
	for _, user := range []string{"0", "root"} {
		if _, err := (Config{Root: root, User: user}).builder(); err == nil {
			t.Errorf("build.user = %s was taken", user)
		}
	}
	if err := os.Chown(root, 4711, 4712); err != nil {
		t.Fatal(err)
	}
	for user, want := range map[string]identity{"": {4711, 4712}, "65534": {65534, 65534}, "12:34": {12, 34}} {
		if got, err := (Config{Root: root, User: user}).builder(); err != nil || got != want {
			t.Errorf("build.user = %q: got %v, %v; want %v", user, got, err, want)
		}
	}
	if _, err := (Config{User: "no-such-user-here"}).builder(); err == nil {
		t.Error("an unknown user was taken")
	}
}
