package pkgbuild

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"ahriman/core/alpm"

	"github.com/google/go-cmp/cmp"
)

const sample = `pkgbase = split
	pkgdesc = All of it
	pkgver = 2.0
	pkgrel = 1
	epoch = 3
	url = https://example.org
	arch = x86_64
	arch = aarch64
	license = MIT
	makedepends = cmake
	makedepends_x86_64 = nasm
	depends = glibc
	depends_x86_64 = lib32-glibc
	optdepends = perl: for scripts
	source = a.tar.gz
	source = b.patch
	source_x86_64 = blob
	sha256sums = aaa
	sha256sums = SKIP
	sha256sums_x86_64 = bbb
	b2sums = ccc

pkgname = split
	depends = glibc
	depends = split-libs
	provides = split-all=2.0

pkgname = split-docs
	pkgdesc = Documentation
	arch = any
	depends = 
	depends_x86_64 = 

pkgname = split-arm
	arch = aarch64
`

func TestSrcinfoRoundTrip(t *testing.T) {
	info, err := ParseSrcinfo(strings.NewReader("# Generated\n\n" + sample))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	n, err := info.WriteTo(&out)
	if err != nil || n != int64(len(sample)) {
		t.Errorf("wrote %d bytes, %v", n, err)
	}
	if diff := cmp.Diff(sample, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestSrcinfoViews(t *testing.T) {
	info, err := ParseSrcinfo(strings.NewReader(sample))
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Version(); got != "3:2.0-1" {
		t.Errorf("version %s", got)
	}
	common := alpm.Info{Base: "split", Version: "3:2.0-1", URL: "https://example.org", Licenses: []string{"MIT"},
		OptDepends: []string{"perl: for scripts"}, MakeDepends: []string{"cmake", "nasm"}}
	program, docs := common, common
	program.Name, program.Description, program.Architecture = "split", "All of it", "x86_64"
	program.Depends, program.Provides = []string{"glibc", "split-libs", "lib32-glibc"}, []string{"split-all=2.0"}
	docs.Name, docs.Description, docs.Architecture = "split-docs", "Documentation", "any"
	if diff := cmp.Diff([]alpm.Info{program, docs}, info.ForArch("x86_64")); diff != "" {
		t.Error(diff)
	}
	var names []string
	for _, p := range info.ForArch("aarch64") {
		names = append(names, p.Name)
	}
	if diff := cmp.Diff([]string{"split", "split-docs", "split-arm"}, names); diff != "" {
		t.Error(diff)
	}
	want := []Source{
		{"a.tar.gz", map[string]string{"sha256": "aaa", "b2": "ccc"}},
		{"b.patch", map[string]string{"sha256": "SKIP"}},
		{"blob", map[string]string{"sha256": "bbb"}},
	}
	if diff := cmp.Diff(want, info.Sources("x86_64")); diff != "" {
		t.Error(diff)
	}
	if got := len(info.Sources("aarch64")); got != 2 {
		t.Errorf("%d sources on aarch64", got)
	}
}

func TestSrcinfoErrors(t *testing.T) {
	tests := []struct {
		text string
		want string
	}{
		{"", ".SRCINFO:0: no pkgbase"},
		{"pkgver = 1\n", ".SRCINFO:1: pkgver before pkgbase"},
		{"pkgbase = a\npkgbase = b\n", ".SRCINFO:2: a second pkgbase"},
		{"pkgbase = a\n\nnonsense\n", ".SRCINFO:3: not a \"key = value\" line"},
		{"pkgbase = a\n= b\n", ".SRCINFO:2: not a \"key = value\" line"},
	}
	for _, test := range tests {
		_, err := ParseSrcinfo(strings.NewReader(test.text))
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || err.Error() != test.want {
			t.Errorf("%q: got %v, want %s", test.text, err, test.want)
		}
	}
	if _, err := ParseSrcinfo(strings.NewReader("pkgbase = a\n" + strings.Repeat("\tk = v\n", maxSrcinfoSize/7+1))); err == nil {
		t.Error("no error for a file over the limit")
	}
	if _, err := ParseSrcinfo(strings.NewReader("pkgbase = " + strings.Repeat("a", maxSrcinfoLine+1))); err == nil {
		t.Error("no error for a line over the limit")
	}
}

// FuzzSrcinfo: whatever reads, writes what reads back equal.
func FuzzSrcinfo(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte("pkgbase = a\n\tk = \n\tk = v\npkgname = b\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		info, err := ParseSrcinfo(bytes.NewReader(data))
		if err != nil {
			return
		}
		var out bytes.Buffer
		if _, err := info.WriteTo(&out); err != nil {
			t.Fatal(err)
		}
		again, err := ParseSrcinfo(&out)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(info, again); diff != "" {
			t.Error(diff)
		}
		info.ForArch("x86_64")
		info.Sources("x86_64")
	})
}

// FuzzEvaluate: any text ends, with an answer that reads back or an error of
// the package's own.
func FuzzEvaluate(f *testing.F) {
	files, err := os.ReadDir("testdata/packages")
	if err != nil {
		f.Fatal(err)
	}
	for _, entry := range files {
		data, err := os.ReadFile("testdata/packages/" + entry.Name() + "/PKGBUILD")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	snippets, err := filepath.Glob("internal/shell/testdata/snippets/*.sh")
	if err != nil || len(snippets) == 0 {
		f.Fatalf("no snippets: %v", err)
	}
	for _, name := range snippets {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for snippet := range strings.SplitSeq(string(data), "\n----\n") {
			f.Add([]byte("pkgname=a\npkgver=1\npkgrel=1\narch=(any)\n" + snippet))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		files := fstest.MapFS{"PKGBUILD": {Data: data}, "file": {Data: []byte("a=1\nb=2\n")}}
		info, err := evaluate(t.Context(), "/nowhere", files, Options{})
		if err != nil {
			if !ours(err) {
				t.Errorf("%T %v", err, err)
			}
			return
		}
		var out bytes.Buffer
		if _, err := info.WriteTo(&out); err != nil {
			t.Fatal(err)
		}
		if info.Preamble != "" {
			return // no .SRCINFO, but what makepkg prints
		}
		if _, err := ParseSrcinfo(&out); err != nil {
			t.Errorf("reading back: %v", err)
		}
	})
}
