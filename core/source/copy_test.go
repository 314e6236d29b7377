package source_test

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ahriman/core/source"
)

func TestCopy(t *testing.T) {
	from := tree(t, map[string]string{
		"PKGBUILD": foo, "patches/a.patch": "a", "link": "-> patches/a.patch",
		".git/config": "x", "src/left": "x", "pkg/left": "x", "sub/src/kept": "x",
	})
	to := t.TempDir()
	var created []string
	err := source.Copy(t.Context(), from, to, source.CopyOptions{Created: func(path string) error {
		created = append(created, path)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"PKGBUILD": foo, "patches/a.patch": "a", "link": "-> patches/a.patch", "sub/src/kept": "x"}
	if diff := cmp.Diff(want, read(t, to)); diff != "" {
		t.Error(diff)
	}
	if len(created) != 7 {
		t.Errorf("created: %q", created)
	}
}

func TestCopyRefuses(t *testing.T) {
	pipe := tree(t, map[string]string{"PKGBUILD": foo})
	if err := syscall.Mkfifo(filepath.Join(pipe, "pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		dir    string
		limits source.Limits
		want   error
	}{
		{"absolute link", tree(t, map[string]string{"PKGBUILD": foo, "x": "-> /etc/passwd"}), source.Limits{}, source.ErrUnsafe},
		{"link that leaves", tree(t, map[string]string{"sub/x": "-> ../../secret"}), source.Limits{}, source.ErrUnsafe},
		{"pipe", pipe, source.Limits{}, source.ErrUnsafe},
		{"too many files", tree(t, map[string]string{"a": "", "b": "", "c": ""}), source.Limits{Files: 2}, source.ErrTooLarge},
		{"too many bytes", tree(t, map[string]string{"a": "xxxx", "b": "xxxx"}), source.Limits{Bytes: 7}, source.ErrTooLarge},
	} {
		err := source.Copy(t.Context(), test.dir, t.TempDir(), source.CopyOptions{Limits: test.limits})
		if !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, err, test.want)
		}
	}
}
