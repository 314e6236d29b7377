package backup_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ahriman/core/backup"

	"github.com/google/go-cmp/cmp"
)

func write(t *testing.T, path, text string, mode fs.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// tree lists what is below a directory: modes, paths, and contents or targets.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	var lines []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		info, err := entry.Info()
		if err != nil {
			return err
		}
		content := ""
		switch {
		case info.Mode().IsRegular():
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			content = string(text)
		case info.Mode()&fs.ModeSymlink != 0:
			content, _ = os.Readlink(path)
		}
		lines = append(lines, strings.TrimSpace(info.Mode().String()+" "+name+" "+content))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func TestRoundTrip(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	write(t, filepath.Join(from, "etc/ahriman.ini"), "[repository]", 0o640)
	write(t, filepath.Join(from, "cache/hello/PKGBUILD"), "pkgname=hello", 0o644)
	write(t, filepath.Join(from, "cache/hello/setup.sh"), "true", 0o755)
	write(t, filepath.Join(from, "cache/other/PKGBUILD"), "pkgname=other", 0o644)
	write(t, filepath.Join(from, "gnupg/private"), "key", 0o600)
	write(t, filepath.Join(from, "gnupg/x.lock"), "", 0o600)
	write(t, filepath.Join(from, "snapshot"), "database", 0o600)
	for _, link := range []string{"cache/other/readme", "cache/hello/link"} {
		if err := os.Symlink("../hello/PKGBUILD", filepath.Join(from, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(from, "gnupg"), 0o700); err != nil {
		t.Fatal(err)
	}
	socket, err := net.Listen("unix", filepath.Join(from, "gnupg/S.gpg-agent"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	then := time.Unix(1700000000, 0)
	if err := os.Chtimes(filepath.Join(from, "cache/hello/PKGBUILD"), then, then); err != nil {
		t.Fatal(err)
	}

	archive := filepath.Join(from, "backup.tar.gz")
	err = backup.WriteFile(t.Context(), archive, []backup.Item{
		{Path: filepath.Join(from, "etc/ahriman.ini")},
		{Path: filepath.Join(from, "database"), From: filepath.Join(from, "snapshot")},
		{Path: filepath.Join(from, "cache"), Skip: func(name string) bool { return name == "other" }},
		{Path: filepath.Join(from, "cache/other"), Bare: true},
		{Path: filepath.Join(from, "gnupg"), Skip: func(name string) bool { return strings.HasSuffix(name, ".lock") }},
		{Path: filepath.Join(from, "cache/hello/PKGBUILD")}, // once more
		{Path: filepath.Join(from, "nothing")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(archive); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("archive: %v, %v", info.Mode(), err)
	}
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	options := backup.Options{Output: to}
	if _, strangers, err := backup.Restore(t.Context(), f, options); err != nil || strangers != nil {
		t.Fatal(strangers, err)
	}
	restored := filepath.Join(to, from)
	want := []string{
		"drwxr-xr-x .",
		"drwxr-xr-x cache",
		"drwxr-xr-x cache/hello",
		"-rw-r--r-- cache/hello/PKGBUILD pkgname=hello",
		"Lrwxrwxrwx cache/hello/link ../hello/PKGBUILD",
		"-rwxr-xr-x cache/hello/setup.sh true",
		"drwxr-xr-x cache/other",
		"-rw------- database database",
		"drwxr-xr-x etc",
		"-rw-r----- etc/ahriman.ini [repository]",
		"drwx------ gnupg",
		"-rw------- gnupg/private key",
	}
	if diff := cmp.Diff(want, tree(t, restored)); diff != "" {
		t.Errorf("restored (-want +got)\n%s", diff)
	}
	if info, err := os.Stat(filepath.Join(restored, "cache/hello/PKGBUILD")); err != nil || !info.ModTime().Equal(then) {
		t.Errorf("modified %v, %v", info.ModTime(), err)
	}

	// What is there is left, what is other is not replaced unasked, and then
	// nothing else is written either.
	if _, _, err := backup.Restore(t.Context(), f, options); err != nil {
		t.Error(err)
	}
	write(t, filepath.Join(restored, "etc/ahriman.ini"), "[other]", 0o640)
	write(t, filepath.Join(restored, "gnupg/private"), "two", 0o600)
	if err := os.Remove(filepath.Join(restored, "database")); err != nil {
		t.Fatal(err)
	}
	var blocked *backup.BlockedError
	if _, _, err := backup.Restore(t.Context(), f, options); !errors.As(err, &blocked) {
		t.Fatal(err)
	}
	others := []string{filepath.Join(restored, "etc/ahriman.ini"), filepath.Join(restored, "gnupg/private")}
	if diff := cmp.Diff(others, blocked.Other); diff != "" {
		t.Errorf("blocked (-want +got)\n%s", diff)
	}
	if _, err := os.Stat(filepath.Join(restored, "database")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("something was written", err)
	}
	options.Overwrite = true
	if _, _, err := backup.Restore(t.Context(), f, options); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(want, tree(t, restored)); diff != "" {
		t.Errorf("overwritten (-want +got)\n%s", diff)
	}

	// A database that is open is never replaced.
	write(t, filepath.Join(restored, "database-wal"), "log", 0o600)
	if _, _, err := backup.Restore(t.Context(), f, options); !errors.As(err, &blocked) || len(blocked.InUse) != 1 {
		t.Error(err)
	}

	// A part of an archive is none.
	for _, size := range []int64{0, 10, 300} {
		if err := os.Truncate(archive, size); err != nil {
			t.Fatal(err)
		}
		if _, _, err := backup.Restore(t.Context(), f, backup.Options{Output: t.TempDir()}); err == nil {
			t.Errorf("%d bytes were restored", size)
		}
	}
}

// TestHostile gives archives that tar(1) would unpack somewhere else, or not.
func TestHostile(t *testing.T) {
	file := func(name string) *tar.Header { return &tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644} }
	link := func(name, target string) *tar.Header {
		return &tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: target}
	}
	for name, headers := range map[string][]*tar.Header{
		"absolute":              {file("/etc/passwd")},
		"up":                    {file("../x")},
		"up inside":             {file("a/../../x")},
		"nothing":               {file(".")},
		"newline":               {file("a\nb")},
		"long":                  {file(strings.Repeat("x/", 3000) + "x")},
		"twice":                 {file("a"), file("a")},
		"twice, spelt anew":     {file("a/b"), file("a//b")},
		"link out":              {link("a", "../x")},
		"link out, absolute":    {link("a", "/etc")},
		"link out of depth":     {link("a/b", "../../x")},
		"below a link":          {link("a", "b"), file("a/x")},
		"below a link, earlier": {file("a/x"), link("a", "b")},
		"below a file":          {file("a"), file("a/x")},
		"hard link":             {{Name: "a", Typeflag: tar.TypeLink, Linkname: "/etc/shadow"}},
		"device":                {{Name: "a", Typeflag: tar.TypeBlock, Devmajor: 8}},
		"pipe":                  {{Name: "a", Typeflag: tar.TypeFifo}},
	} {
		t.Run(name, func(t *testing.T) {
			var archive bytes.Buffer
			compressed := gzip.NewWriter(&archive)
			w := tar.NewWriter(compressed)
			for _, h := range append([]*tar.Header{file("good")}, headers...) {
				h.Format = tar.FormatPAX
				if err := w.WriteHeader(h); err != nil {
					t.Fatal(err)
				}
			}
			if err := errors.Join(w.Close(), compressed.Close()); err != nil {
				t.Fatal(err)
			}
			parent := t.TempDir()
			output := filepath.Join(parent, "output")
			if err := os.Mkdir(output, 0o755); err != nil {
				t.Fatal(err)
			}
			_, _, err := backup.Restore(t.Context(), bytes.NewReader(archive.Bytes()), backup.Options{Output: output, Overwrite: true})
			if !errors.Is(err, backup.ErrUnsafe) {
				t.Error(err)
			}
			if got := tree(t, parent); len(got) != 2 {
				t.Errorf("written: %v", got)
			}
		})
	}
}

// TestSetuid: a mode gives no program the rights of its owner.
func TestSetuid(t *testing.T) {
	var archive bytes.Buffer
	compressed := gzip.NewWriter(&archive)
	w := tar.NewWriter(compressed)
	if err := w.WriteHeader(&tar.Header{Name: "sh", Typeflag: tar.TypeReg, Mode: 0o6755}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Close(), compressed.Close()); err != nil {
		t.Fatal(err)
	}
	output := t.TempDir()
	if _, _, err := backup.Restore(t.Context(), bytes.NewReader(archive.Bytes()), backup.Options{Output: output}); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(output, "sh")); err != nil || info.Mode() != 0o755 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}
