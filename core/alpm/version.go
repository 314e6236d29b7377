package alpm

import (
	"fmt"
	"strconv"
	"strings"
)

// Version is a package version taken apart, as alpm-package-version(7)
// describes it: [epoch:]pkgver[-pkgrel].
type Version struct {
	Epoch   string // digits; empty: none, which counts as 0
	Pkgver  string
	Release string // "2" or "2.1"; empty where the version has none
}

// SplitVersion takes a version apart the way libalpm does: the epoch is the
// leading run of digits when a colon follows it, and the release is what
// stands behind the last hyphen. It accepts anything; see CheckVersion.
func SplitVersion(version string) Version {
	var v Version
	n := 0
	for n < len(version) && isDigit(version[n]) {
		n++
	}
	if n > 0 && n < len(version) && version[n] == ':' {
		v.Epoch, version = version[:n], version[n+1:]
	}
	v.Pkgver = version
	if i := strings.LastIndexByte(version, '-'); i >= 0 {
		v.Pkgver, v.Release = version[:i], version[i+1:]
	}
	return v
}

// String puts the version together again.
func (v Version) String() string {
	s := v.Pkgver
	if v.Epoch != "" {
		s = v.Epoch + ":" + s
	}
	if v.Release != "" {
		s += "-" + v.Release
	}
	return s
}

// NextRelease returns the version with its release raised by the smallest
// step: 1.0-3 gives 1.0-3.1, and 1.0-3.1 gives 1.0-3.2. It is what a rebuild of
// an unchanged package is called. A version without a release, or with one
// that is not N or N.M, is an error.
func NextRelease(version string) (string, error) {
	v := SplitVersion(version)
	major, minor, _ := strings.Cut(v.Release, ".")
	if minor == "" {
		minor = "0"
	}
	n, err := strconv.ParseUint(minor, 10, 32)
	if err != nil || !isDigits(major) || strings.HasSuffix(v.Release, ".") {
		return "", fmt.Errorf("raising the release of %q: the release is not N or N.M", version)
	}
	v.Release = major + "." + strconv.FormatUint(n+1, 10)
	return v.String(), nil
}

// Vercmp compares two versions as vercmp(8) does and returns -1, 0 or 1: first
// the epoch, then pkgver, then the release when both versions have one. It
// accepts any two strings.
func Vercmp(a, b string) int {
	if a == b {
		return 0
	}
	ea, va, ra, hasA := splitEVR(a)
	eb, vb, rb, hasB := splitEVR(b)
	if c := compareParts(ea, eb); c != 0 {
		return c
	}
	if c := compareParts(va, vb); c != 0 {
		return c
	}
	if hasA && hasB {
		return compareParts(ra, rb)
	}
	return 0
}

// splitEVR is SplitVersion for comparing: a missing epoch is "0", and an empty
// release is told from none.
func splitEVR(s string) (epoch, version, release string, hasRelease bool) {
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	epoch = "0"
	if n < len(s) && s[n] == ':' {
		if n > 0 {
			epoch = s[:n]
		}
		s = s[n+1:]
	}
	if i := strings.LastIndexByte(s, '-'); i >= 0 {
		return epoch, s[:i], s[i+1:], true
	}
	return epoch, s, "", false
}

// compareParts compares two epochs, pkgvers or releases run by run, without
// allocating.
func compareParts(a, b string) int {
	if a == b {
		return 0
	}
	for a != "" && b != "" {
		separatorsA, separatorsB := separators(a), separators(b)
		a, b = a[separatorsA:], b[separatorsB:]
		if a == "" || b == "" {
			break
		}
		if separatorsA != separatorsB {
			return order(separatorsA < separatorsB)
		}
		digits := isDigit(a[0])
		runA, runB := run(a, digits), run(b, digits)
		if runB == 0 { // digits against letters: digits are newer
			return order(!digits)
		}
		if c := compareRuns(a[:runA], b[:runB], digits); c != 0 {
			return c
		}
		a, b = a[runA:], b[runB:]
	}
	if a == "" && b == "" {
		return 0
	}
	// What is left decides: a tail of letters is older than no tail, any other
	// tail newer.
	return order(a == "" && !isLetter(b[0]) || a != "" && isLetter(a[0]))
}

// compareRuns compares two runs of the same kind. Numbers are compared as
// text, so they cannot overflow.
func compareRuns(a, b string, digits bool) int {
	if digits {
		a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
		if len(a) != len(b) {
			return order(len(a) < len(b))
		}
	}
	return strings.Compare(a, b)
}

func order(less bool) int {
	if less {
		return -1
	}
	return 1
}

func separators(s string) int {
	n := 0
	for n < len(s) && !isDigit(s[n]) && !isLetter(s[n]) {
		n++
	}
	return n
}

func run(s string, digits bool) int {
	n := 0
	for n < len(s) && (digits && isDigit(s[n]) || !digits && isLetter(s[n])) {
		n++
	}
	return n
}

func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

func isDigits(s string) bool { return s != "" && run(s, true) == len(s) }
