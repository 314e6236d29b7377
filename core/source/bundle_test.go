package source_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ahriman/core/source"
)

func TestBundle(t *testing.T) {
	files := map[string]string{"PKGBUILD": foo, "a/b/c": "c", "link": "-> a/b/c"}
	var one, two bytes.Buffer
	first, err := source.WriteBundle(t.Context(), &one, tree(t, files), source.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	other := tree(t, files)
	if err := os.Chtimes(filepath.Join(other, "PKGBUILD"), time.Unix(5, 0), time.Unix(5, 0)); err != nil {
		t.Fatal(err)
	}
	second, err := source.WriteBundle(t.Context(), &two, other, source.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if first != second || !bytes.Equal(one.Bytes(), two.Bytes()) {
		t.Errorf("equal trees make unequal bundles: %s and %s", first, second)
	}
	if digest, err := source.TreeDigest(t.Context(), other, source.Limits{}); err != nil || digest != first {
		t.Errorf("TreeDigest: %s, %v; want %s", digest, err, first)
	}
	dir := t.TempDir()
	if err := source.ReadBundle(bytes.NewReader(one.Bytes()), dir, first, source.Limits{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(files, read(t, dir)); diff != "" {
		t.Error(diff)
	}
	err = source.ReadBundle(bytes.NewReader(one.Bytes()), t.TempDir(), strings.Repeat("0", 64), source.Limits{})
	if !errors.Is(err, source.ErrDigest) {
		t.Errorf("wrong digest: got %v", err)
	}
	if err := os.Chmod(filepath.Join(other, "PKGBUILD"), 0o755); err != nil {
		t.Fatal(err)
	}
	if digest, _ := source.TreeDigest(t.Context(), other, source.Limits{}); digest == first {
		t.Error("the executable bit does not change the digest")
	}
}

func TestReadBundleRefuses(t *testing.T) {
	entry := func(header tar.Header) []tar.Header { return []tar.Header{header} }
	for _, test := range []struct {
		name    string
		entries []tar.Header
		limits  source.Limits
		want    error
	}{
		{"parent", entry(tar.Header{Name: "../x", Typeflag: tar.TypeReg}), source.Limits{}, source.ErrUnsafe},
		{"absolute", entry(tar.Header{Name: "/x", Typeflag: tar.TypeReg}), source.Limits{}, source.ErrUnsafe},
		{"device", entry(tar.Header{Name: "x", Typeflag: tar.TypeChar}), source.Limits{}, source.ErrUnsafe},
		{"hard link", entry(tar.Header{Name: "x", Linkname: "/etc/passwd", Typeflag: tar.TypeLink}), source.Limits{}, source.ErrUnsafe},
		{"link", entry(tar.Header{Name: "x", Linkname: "/etc", Typeflag: tar.TypeSymlink}), source.Limits{}, source.ErrUnsafe},
		{"through a link", []tar.Header{
			{Name: "a", Linkname: "b", Typeflag: tar.TypeSymlink}, {Name: "b", Linkname: ".", Typeflag: tar.TypeSymlink},
			{Name: "a/../../x", Typeflag: tar.TypeReg},
		}, source.Limits{}, source.ErrUnsafe},
		{"many", []tar.Header{{Name: "a", Typeflag: tar.TypeReg}, {Name: "b", Typeflag: tar.TypeReg}}, source.Limits{Files: 1}, source.ErrTooLarge},
		{"large", entry(tar.Header{Name: "a", Typeflag: tar.TypeReg, Size: 100}), source.Limits{Bytes: 99}, source.ErrTooLarge},
	} {
		var packed bytes.Buffer
		archive := tar.NewWriter(&packed)
		for _, header := range test.entries {
			if err := archive.WriteHeader(&header); err != nil {
				t.Fatal(err)
			}
			if _, err := archive.Write(make([]byte, header.Size)); err != nil {
				t.Fatal(err)
			}
		}
		if err := archive.Close(); err != nil {
			t.Fatal(err)
		}
		if err := source.ReadBundle(&packed, t.TempDir(), "", test.limits); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, err, test.want)
		}
	}
}

func TestDigest(t *testing.T) {
	base := source.Inputs{Tree: "t", Architecture: "x86_64", Flags: []string{"a"}, Dependencies: []string{"2", "1"}}
	same := source.Inputs{Tree: "t", Architecture: "x86_64", Flags: []string{"a"}, Dependencies: []string{"1", "2"}}
	if base.Digest() != same.Digest() {
		t.Error("the order of dependencies changes the digest")
	}
	for _, other := range []source.Inputs{
		{Tree: "u", Architecture: "x86_64", Flags: []string{"a"}, Dependencies: []string{"1", "2"}},
		{Tree: "t", Architecture: "aarch64", Flags: []string{"a"}, Dependencies: []string{"1", "2"}},
		{Tree: "t", Architecture: "x86_64", Dependencies: []string{"1", "2"}},
		{Tree: "t", Architecture: "x86_64", Flags: []string{"a"}, Dependencies: []string{"1", "3"}},
	} {
		if base.Digest() == other.Digest() {
			t.Errorf("%+v has the digest of %+v", other, base)
		}
	}
}
