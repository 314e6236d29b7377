package alpm

import (
	"errors"
	"testing"
)

func TestParseFileName(t *testing.T) {
	tests := map[string][4]string{
		"foo-1.0-1-any.pkg.tar.zst":             {"foo", "1.0-1", "any", ".pkg.tar.zst"},
		"gtk-sharp-2-1:2.0-1.1-x86_64.pkg.tar":  {"gtk-sharp-2", "1:2.0-1.1", "x86_64", ".pkg.tar"},
		"a.pkg.tar-1-1-any.pkg.tar.xz":          {"a.pkg.tar", "1-1", "any", ".pkg.tar.xz"},
		"foo-plus-1:1.0-r5-1-any.pkg.tar.gz":    {"foo-plus-1:1.0", "r5-1", "any", ".pkg.tar.gz"},
		"lib32-foo+bar@2_x-0-0-aarch64.pkg.tar": {"lib32-foo+bar@2_x", "0-0", "aarch64", ".pkg.tar"},
	}
	for fileName, want := range tests {
		name, version, arch, ext, err := ParseFileName(fileName)
		if got := [4]string{name, version, arch, ext}; got != want || err != nil {
			t.Errorf("ParseFileName(%q) = %q, %v, want %q", fileName, got, err, want)
		}
		info := Info{Name: name, Version: version, Architecture: arch}
		if got := info.FileName(ext); got != fileName {
			t.Errorf("%q put together again is %q", fileName, got)
		}
	}
	for _, fileName := range []string{
		"", "foo", "foo.pkg.tar.zst", "1.0-1-any.pkg.tar.zst", "-1.0-1-any.pkg.tar.zst", "foo--1-any.pkg.tar", "foo-1--any.pkg.tar",
		"foo-1-1-.pkg.tar", "foo-1-1-any.pkg.tar.zst.sig", "foo-1-1-any.pkg.tar.sig", "../foo-1-1-any.pkg.tar.zst", "a/foo-1-1-any.pkg.tar.zst",
		".foo-1-1-any.pkg.tar.zst", "foo-1-1-any.pkg.tar.", "foo-1-1-any.pkg.tarzst", "foo-1 2-1-any.pkg.tar.zst", "foo-1-1-any.tar.zst",
		"foo-1-1-a/b.pkg.tar", "foo-1-1-any.pkg.tar.zst/", "foo-1-1-any.pkg.tar.z-t",
	} {
		if name, version, arch, ext, err := ParseFileName(fileName); !errors.Is(err, ErrFileName) {
			t.Errorf("ParseFileName(%q) = %q %q %q %q, %v, want ErrFileName", fileName, name, version, arch, ext, err)
		}
	}
}

func TestSafeFileName(t *testing.T) {
	tests := map[string]string{
		"foo+plus-1:1.0+r5-1-any": "foo-plus-1:1.0-r5-1-any",
		"a_b~c[d]@e.f":            "a_b~c[d]@e.f",
		"x86_64":                  "x86_64",
		"é/ü b":                   "----b",
		"":                        "",
	}
	for name, want := range tests {
		if got := SafeFileName(name); got != want {
			t.Errorf("SafeFileName(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestCheckFileName(t *testing.T) {
	p := Package{Info: Info{Name: "foo+plus", Version: "1:1.0+r5-1", Architecture: "any"}}
	for name, ok := range map[string]bool{
		"foo+plus-1:1.0+r5-1-any.pkg.tar.zst":    true,
		"foo-plus-1:1.0-r5-1-any.pkg.tar.xz":     true,
		"foo-plus-1:1.0+r5-1-any.pkg.tar.zst":    false,
		"foo+plus-1.0+r5-1-any.pkg.tar.zst":      false,
		"foo+plus-1:1.0+r5-1-x86_64.pkg.tar.zst": false,
		"foo+plus-1:1.0+r5-1-any.zip":            false,
		"":                                       false,
	} {
		p.FileName = name
		if err := p.CheckFileName(); (err == nil) != ok || err != nil && !errors.Is(err, ErrFileName) {
			t.Errorf("CheckFileName of %q: %v", name, err)
		}
	}
}
