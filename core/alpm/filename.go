package alpm

import (
	"errors"
	"fmt"
	"strings"
)

// ErrFileName is what ParseFileName's errors wrap.
var ErrFileName = errors.New("not a package file name")

// ParseFileName takes "name-[epoch:]pkgver-pkgrel-arch.pkg.tar.zst" apart, from
// the right, since names hold hyphens too: name, version (with epoch and
// release), architecture, and the extension from ".pkg.tar" on. The text must
// be a base name; signatures (".sig") are not package files. It says nothing
// about whether the compression is one that ReadPackage reads.
func ParseFileName(fileName string) (name, version, arch, ext string, err error) {
	stem, ext, ok := cutExtension(fileName)
	if !ok {
		return "", "", "", "", fmt.Errorf("reading %q: %w: no .pkg.tar extension", fileName, ErrFileName)
	}
	rest, arch := cutLast(stem)
	rest, release := cutLast(rest)
	name, pkgver := cutLast(rest)
	if pkgver == "" || release == "" || arch == "" {
		return "", "", "", "", fmt.Errorf("reading %q: %w: want name-version-release-architecture", fileName, ErrFileName)
	}
	version = pkgver + "-" + release
	if err := CheckName(name); err != nil {
		return "", "", "", "", fmt.Errorf("reading %q: %w: %w", fileName, ErrFileName, err)
	}
	if err := CheckVersion(version); err != nil {
		return "", "", "", "", fmt.Errorf("reading %q: %w: %w", fileName, ErrFileName, err)
	}
	if strings.Contains(arch, "/") || hasSpace(arch) {
		return "", "", "", "", fmt.Errorf("reading %q: %w: architecture %q", fileName, ErrFileName, arch)
	}
	return name, version, arch, ext, nil
}

// FileName returns the name makepkg gives the package's file; ext is the
// extension from ".pkg.tar" on.
func (i *Info) FileName(ext string) string {
	return i.Name + "-" + i.Version + "-" + i.Architecture + ext
}

// SafeFileName replaces each character outside A-Za-z0-9-._~:[]@ by a hyphen,
// as the Python ahriman does before it uploads or publishes a file. Two names
// may map to one; callers that publish must refuse the second.
func SafeFileName(fileName string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r < 0x80 && (isDigit(byte(r)) || isLetter(byte(r))), strings.ContainsRune("-._~:[]@", r):
			return r
		}
		return '-'
	}, fileName)
}

// CheckFileName reports whether the package's FileName is what its metadata
// asks for, either as makepkg writes it or mapped by SafeFileName. The error
// wraps ErrFileName.
func (p *Package) CheckFileName() error {
	_, ext, ok := cutExtension(p.FileName)
	want := p.Info.FileName(ext)
	if !ok || p.FileName != want && p.FileName != SafeFileName(want) {
		return fmt.Errorf("%w: %s holds %s %s for %s", ErrFileName, p.FileName, p.Name, p.Version, p.Architecture)
	}
	return nil
}

// CheckName reports what keeps a string from being a package's name: it must
// not be empty, begin with a hyphen or a dot, or hold a slash, white space,
// control characters, or what relations compare versions with. (PKGBUILD(5)
// allows still less; databases in the wild do not keep to it.)
func CheckName(name string) error {
	switch {
	case name == "":
		return errors.New("empty package name")
	case len(name) > maxNameLength:
		return fmt.Errorf("package name of %d bytes, more than %d", len(name), maxNameLength)
	case name[0] == '-' || name[0] == '.':
		return fmt.Errorf("package name %q begins with %q", name, name[0])
	case strings.Contains(name, "/") || hasSpace(name):
		return fmt.Errorf("package name %q holds a slash or white space", name)
	case strings.ContainsAny(name, "<>="):
		return fmt.Errorf("package name %q holds what compares versions: <, > or =", name)
	}
	return nil
}

// CheckVersion reports what keeps a string from being a package's full version:
// it needs a pkgver and a release, and must not hold a slash, white space,
// control characters, or what relations compare versions with.
func CheckVersion(version string) error {
	v := SplitVersion(version)
	switch {
	case len(version) > maxNameLength:
		return fmt.Errorf("version of %d bytes, more than %d", len(version), maxNameLength)
	case v.Pkgver == "" || v.Release == "":
		return fmt.Errorf("version %q is not pkgver-pkgrel", version)
	case strings.Contains(version, "/") || hasSpace(version):
		return fmt.Errorf("version %q holds a slash or white space", version)
	case strings.ContainsAny(version, "<>="):
		return fmt.Errorf("version %q holds what compares versions: <, > or =", version)
	}
	return nil
}

// maxNameLength bounds names and versions, in bytes: they become the parts of
// one file name, which Linux limits to 255.
const maxNameLength = 255

// cutExtension splits a file name before its last ".pkg.tar".
func cutExtension(fileName string) (stem, ext string, ok bool) {
	i := strings.LastIndex(fileName, ".pkg.tar")
	if i < 0 {
		return "", "", false
	}
	stem, ext = fileName[:i], fileName[i:]
	switch suffix := ext[len(".pkg.tar"):]; {
	case suffix == "":
		return stem, ext, true
	case suffix[0] != '.' || len(suffix) == 1 || suffix == ".sig":
		return "", "", false
	default:
		return stem, ext, separators(suffix[1:]) == 0 && !strings.ContainsAny(suffix[1:], "./-")
	}
}

// cutLast splits at the last hyphen; without one, all of it is the first half.
func cutLast(s string) (before, after string) {
	i := strings.LastIndexByte(s, '-')
	if i < 0 {
		return s, ""
	}
	return s[:i], s[i+1:]
}
