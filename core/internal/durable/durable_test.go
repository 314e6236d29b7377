package durable_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ahriman/core/internal/durable"
)

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// only checks that dir holds nothing but the names.
func only(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, entry := range entries {
		got = append(got, entry.Name())
	}
	if strings.Join(got, " ") != strings.Join(names, " ") {
		t.Errorf("%s holds %v, want %v", dir, got, names)
	}
}

func TestWrite(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	for _, text := range []string{"first", "second"} {
		if err := durable.Write(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := read(t, path); got != text {
			t.Errorf("got %q, want %q", got, text)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o644 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	only(t, dir, "file")
	none := filepath.Join(dir, "none", "file")
	if err := durable.Write(none, nil, 0o644); !errors.Is(err, fs.ErrNotExist) || err.Error() != "writing "+none+": no such file or directory" {
		t.Errorf("in a directory that is not there: %v", err)
	}
}

func TestAbort(t *testing.T) {
	dir := t.TempDir()
	f, err := durable.Create(filepath.Join(dir, "file"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if name := filepath.Base(f.Temporary); !durable.Leftover(name) {
		t.Errorf("%s would not be known as a leftover", name)
	}
	// What goes wrong names the file that was to be written.
	if _, err := f.ReadAt(nil, -1); err == nil || !strings.Contains(err.Error(), filepath.Join(dir, "file")+":") {
		t.Errorf("got %v", err)
	}
	f.Abort()
	f.Abort()
	only(t, dir)
	// A directory in the way: the commit fails and leaves nothing.
	if err := os.Mkdir(filepath.Join(dir, "taken"), 0o755); err != nil {
		t.Fatal(err)
	}
	taken := filepath.Join(dir, "taken")
	if err := durable.Write(taken, []byte("x"), 0o600); err == nil || err.Error() != "writing "+taken+": file exists" {
		t.Errorf("a file took a directory's place, or not so: %v", err)
	}
	only(t, dir, "taken")
}

func TestClean(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"kept", ".hidden", "name.part"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	elsewhere := t.TempDir()
	if err := os.WriteFile(filepath.Join(elsewhere, "kept"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, make := range []func(path string) error{
		func(path string) error { return os.WriteFile(path, nil, 0o644) },
		func(path string) error { return os.MkdirAll(filepath.Join(path, "deep"), 0o755) },
		func(path string) error { return os.Symlink(elsewhere, path) },
	} {
		if err := make(durable.Temporary(filepath.Join(dir, "kept"))); err != nil {
			t.Fatal(err)
		}
	}
	if err := durable.Clean(dir); err != nil {
		t.Fatal(err)
	}
	only(t, dir, ".hidden", "kept", "name.part")
	only(t, elsewhere, "kept")
	if err := durable.Clean(filepath.Join(dir, "none")); err != nil {
		t.Error(err)
	}
}

func TestSymlink(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "link")
	for _, target := range []string{"first", "second"} {
		if err := durable.Symlink(target, path); err != nil {
			t.Fatal(err)
		}
		if got, err := os.Readlink(path); err != nil || got != target {
			t.Errorf("got %q, %v", got, err)
		}
	}
	only(t, dir, "link")
	if err := os.MkdirAll(filepath.Join(dir, "directory", "full"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := durable.Symlink("x", filepath.Join(dir, "directory")); err == nil || strings.Contains(err.Error(), ".part") {
		t.Error("a link took a directory's place")
	}
	only(t, dir, "directory", "link")
	if err := durable.Exchange(path, filepath.Join(dir, "directory")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(path); err != nil || !info.IsDir() {
		t.Errorf("after the exchange: %v, %v", info.Mode(), err)
	}
}

func TestMkdir(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	dir := filepath.Join(t.TempDir(), "a", "b")
	for range 2 {
		if err := durable.Mkdir(dir); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{dir, filepath.Dir(dir)} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o755 {
			t.Errorf("%s: mode %v, %v", path, info.Mode(), err)
		}
	}
}

func TestCopy(t *testing.T) {
	dir := t.TempDir()
	text := strings.Repeat("0123456789", 100_000)
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	if err := os.WriteFile(from, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	src, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	dst, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	defer dst.Close()
	if err := durable.Copy(t.Context(), dst, src); err != nil {
		t.Fatal(err)
	}
	if read(t, to) != text {
		t.Error("the copy has other bytes")
	}
}
