package pkgbuild

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// publicDirectory makes a directory that any user can read: t.TempDir is the
// tests' own.
func publicDirectory(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pkgbuild-test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// packageDirectories copies testdata/packages to where makepkg's user can
// read it.
func packageDirectories(t testing.TB) []string {
	t.Helper()
	root := publicDirectory(t)
	if err := os.CopyFS(filepath.Join(root, "packages"), os.DirFS("testdata/packages")); err != nil {
		t.Fatal(err)
	}
	dirs, err := filepath.Glob(filepath.Join(root, "packages/*"))
	if err != nil || len(dirs) < 12 {
		t.Fatalf("%d packages in testdata, %v", len(dirs), err)
	}
	return dirs
}

func evaluateText(t testing.TB, dir string) (string, error) {
	t.Helper()
	info, err := Evaluate(t.Context(), dir, Options{})
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	if _, err := info.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	return out.String(), nil
}

// TestPackages compares each package of testdata with the real makepkg.
func TestPackages(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it is about other processes")
	}
	judge := newJudge(t)
	for _, dir := range packageDirectories(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			want, accepted, err := judge.printsrcinfo(t.Context(), dir)
			if err != nil || !accepted {
				t.Fatalf("makepkg: accepted %v, %v", accepted, err)
			}
			got, err := evaluateText(t, dir)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("-makepkg +here\n%s", diff)
			}
		})
	}
}

// TestVerdicts checks that what makepkg refuses is refused here, with the
// reason, and that what it accepts is not. Each is a PKGBUILD's rest after the
// lines of head that it does not replace.
func TestVerdicts(t *testing.T) {
	judge := newJudge(t)
	tests := []struct {
		script string
		want   string // part of the error; empty when makepkg accepts
	}{
		{"", ""},
		{"pkgver=1:2", "pkgver contains a colon"},
		{"pkgver=", "pkgver is empty"},
		{"pkgver='1 2'", "pkgver contains"},
		{"pkgver=é1", "outside ASCII"},
		{"pkgrel=1a", "pkgrel must be"},
		{"pkgrel=1.2", ""},
		{"pkgrel=1.2.3", "pkgrel must be"},
		{"pkgrel=", "pkgrel is empty"},
		{"epoch=x", "epoch must be"},
		{"epoch=", ""},
		{"pkgname=-x", "starts with a hyphen"},
		{"pkgname=.x", "starts with a dot"},
		{"pkgname='x y'", "invalid characters"},
		{"pkgname=()", "pkgname is empty"},
		{"pkgname=(x y)", "no function package_x"},
		{"pkgname=(x y)\npackage_x() { :; }\npackage_y() { :; }", ""},
		{"pkgname=(x y)\npackage_x() { :; }\npackage_y() { :; }\npackage() { :; }", "one function too many"},
		{"package() { :; }\npackage_x() { :; }", "both package and package_x"},
		{"build() { :; }", "no package function"},
		{"prepare() { :; }", ""},
		{"arch=(any x86_64)", "any beside other"},
		{"arch=(x86-64)", "arch contains invalid"},
		{"arch=(riscv64)", ""},
		{"unset arch; arch=any", "arch should be an array"},
		{"arch=()", ""},
		{"depends=foo", "depends should be an array"},
		{"depends=('foo bar')", "depends contains invalid"},
		{"depends=('')", "depends has an empty name"},
		{"depends=('foo>=1:2.0-3' 'a<b' 'c=')", ""},
		{"depends=('foo=1:2:3')", "pkgver in depends"},
		{"depends=('foo=1-x')", "pkgrel in depends"},
		{"makedepends=('foo=')", "pkgver in makedepends"},
		{"optdepends=('foo: bar baz' 'a>=1: x')", ""},
		{"optdepends=('foo bar')", "optdepends contains invalid"},
		{"provides=('a>1')", "cannot compare versions"},
		{"provides=('libx.so=1-64' 'a=b=1')", "provides contains invalid"},
		{"provides=('libx.so=1-64')", ""},
		{"url=(a)", "url should not be an array"},
		{"backup=(/etc/x)", "starts with a slash"},
		{"package() { backup=(/etc/x); :; }", "starts with a slash"},
		{"options=(fast)", "unknown option"},
		{"options=(!strip !ccache)", ""},
		{"install=none.install", "does not exist"},
		{"changelog=none", "does not exist"},
		{"install=here", ""},
		{"install=sub", "does not exist or is not a regular file"},
		{"package() { install=none; :; }", "does not exist"},
		{"source=([1]=a)", "sparse"},
		{"arch=(x86_64)\nlicense_x86_64=(a)", "cannot be for one architecture"},
		{"depends_any=(a)", "cannot be for one architecture"},
		{"arch=(x86_64)\ndepends_x86_64=a", "depends_x86_64 should be an array"},
		{"package() { pkgver=2; :; }", "pkgver cannot be set inside"},
		{"package() { makedepends=(x); :; }", "makedepends cannot be set inside"},
		{"package() { depends=x; :; }", "depends should be an array"},
		{"package() { url=(x); :; }", "url should not be an array"},
		{"package() { local pkgver=2; :; }", ""},
		{"[[ a == b ]]", "its last command fails"},
		{"false", "its last command fails"},
		{"false; true", ""},
		{"return 0\npkgver=", ""},
		{"x=(", "unexpected end of file"},
		{"if true", "syntax error"},
		{"package() { foo ( bar; }", "syntax error"},
		{"package() { echo ${x!y}; }", ""},
		{"package() { rm !(a); }", "syntax error"},
		{"shopt -s extglob\npackage() { rm !(a); }", ""},
		{"declare -a depends=(lost)", ""},
		{"local x=1", ""},
		{"msg 'hello %s' world; msg2 x; plain y; warning z; echo; echo text", ""},
		{"x=${a!b}", "bad substitution"},
		{"x=$((1 / 0))", "division by 0"},
		{"x=${none:?missing}", "missing"},
		{"x=$(echo ${none:?missing})\ntrue", ""},
		{"startdir=/x", "readonly"},
		{"package() { depends=(${a!b}); :; }", ""},
		{"package() { depends=($((1/0))); pkgdesc=${none:-x}; :; }", ""},
		{"package() { pkgdesc=${none:?missing}; :; }", "missing"},
		{"f() { local pkgver=2; x=${a!b}; pkgrel=2; }\nf; pkgrel=3\nurl=$pkgver", ""},
		{"package() { pkgdesc='two\nlines'; :; }", ""},
		{"pkgbase='a b'", "pkgbase contains invalid"},
	}
	root := publicDirectory(t)
	for i, test := range tests {
		t.Run(test.script, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(root, strconv.Itoa(i))
			writePKGBUILD(t, dir, "pkgname=x\npkgver=1\npkgrel=1\narch=(any)\n"+test.script+"\n")
			if err := errors.Join(os.WriteFile(filepath.Join(dir, "here"), nil, 0o644), os.Mkdir(filepath.Join(dir, "sub"), 0o755)); err != nil {
				t.Fatal(err)
			}
			got, err := evaluateText(t, dir)
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if testing.Short() {
				return // makepkg takes most of a second
			}
			want, accepted, err := judge.printsrcinfo(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			if accepted != (test.want == "") {
				t.Errorf("makepkg accepts: %v; the table is wrong", accepted)
			}
			if accepted && got != string(want) {
				t.Errorf("-makepkg +here\n%s", cmp.Diff(string(want), got))
			}
		})
	}
}

// TestOptions checks what the machine's settings do.
func TestOptions(t *testing.T) {
	dir := t.TempDir()
	writePKGBUILD(t, dir, `pkgname=x
pkgver=1
pkgrel=1
arch=(x86_64 aarch64)
pkgdesc="$CARCH $CHOST ${_flavour:-none}"
[[ $CARCH == aarch64 ]] && depends=(arm)
true
`)
	tests := []struct {
		options Options
		want    string
	}{
		{Options{}, "x86_64 x86_64-pc-linux-gnu none"},
		{Options{Architecture: "aarch64"}, "aarch64 aarch64-pc-linux-gnu none"},
		{Options{Variables: map[string]string{"_flavour": "lts", "CHOST": "x"}}, "x86_64 x lts"},
	}
	for _, test := range tests {
		info, err := Evaluate(t.Context(), dir, test.options)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Value("pkgdesc"); got != test.want {
			t.Errorf("%+v: got %q, want %q", test.options, got, test.want)
		}
	}
}

// TestErrors checks the kinds, files and lines of errors.
func TestErrors(t *testing.T) {
	dir := t.TempDir()
	writePKGBUILD(t, dir, "pkgname=x\npkgver=1\npkgrel=1\narch=(any)\n\n. ./other.sh\n")
	if err := os.WriteFile(filepath.Join(dir, "other.sh"), []byte("# one\n# two\nif [ \"$(curl x)\" ]; then :; fi\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Evaluate(t.Context(), dir, Options{})
	want := &NeedsEvaluation{"other.sh", 3, "command curl"}
	var got *NeedsEvaluation
	if !errors.As(err, &got) || *got != *want {
		t.Errorf("got %v, want %v", err, want)
	}
	if _, err := Evaluate(t.Context(), t.TempDir(), Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no PKGBUILD: %v", err)
	}
	if _, err := Evaluate(t.Context(), filepath.Join(dir, "none"), Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
}
