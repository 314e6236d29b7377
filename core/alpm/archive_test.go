package alpm

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pierrec/lz4/v4"
)

const testPkgbuild = `pkgbase=trial
pkgname=(trial trial-docs)
pkgver=1.2+r3
pkgrel=4.1
epoch=2
pkgdesc='A  package to try'
arch=(any)
url='https://example.org/?q=1'
license=(MIT 'GPL-3.0-or-later')
depends=('glibc>=2.3' sh)
optdepends=('python: for the script')
makedepends=(cmake)
options=(!strip !purge emptydirs)
package_trial() {
	install=trial.install
	changelog=trial.changelog
	backup=(etc/trial.conf)
	provides=(libtrial.so=1-64)
	mkdir -p "$pkgdir"/usr/{bin,share/empty} "$pkgdir"/etc
	echo '#!/bin/sh' >"$pkgdir/usr/bin/trial"
	chmod 4755 "$pkgdir/usr/bin/trial"
	ln "$pkgdir/usr/bin/trial" "$pkgdir/usr/bin/hard"
	ln -s trial "$pkgdir/usr/bin/soft link"
	echo key=value >"$pkgdir/etc/trial.conf"
	echo x >"$pkgdir/usr/share/naïve # name\\x2d"
	mkfifo "$pkgdir/usr/share/fifo" && rm "$pkgdir/usr/share/fifo"
}
package_trial-docs() {
	pkgdesc='Its documents'
	depends=()
	optdepends=()
}
`

// makepkg builds testPkgbuild with the real makepkg, which refuses to run as
// root, and returns the paths of trial and trial-docs, not compressed.
func makepkg(t *testing.T) (trial, docs string) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{"PKGBUILD": testPkgbuild, "trial.install": "post_install() { :; }\n", "trial.changelog": "1.2\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), need(t, "makepkg"), "--nodeps", "--force")
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "PKGEXT=.pkg.tar", "SOURCE_DATE_EPOCH=1700000000", "LC_ALL=C.UTF-8", "PACKAGER=Some One <one@example.org>"}
	if os.Geteuid() == 0 {
		const nobody = 65534
		if err := errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.Chown(dir, nobody, nobody)); err != nil {
			t.Fatal(err)
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("makepkg: %v\n%s", err, out)
	}
	return filepath.Join(dir, "trial-2:1.2+r3-4.1-any.pkg.tar"), filepath.Join(dir, "trial-docs-2:1.2+r3-4.1-any.pkg.tar")
}

// TestOpenArchiveOfMakepkg reads what the real makepkg builds, in each form.
func TestOpenArchiveOfMakepkg(t *testing.T) {
	trial, docs := makepkg(t)
	a, err := OpenArchive(docs, ReadOptions{Check: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Mismatches) > 0 || len(a.Files) > 0 || a.Base != "trial" || a.Depends != nil {
		t.Errorf("trial-docs: %+v", a)
	}
	checkTrial(t, trial)
	for program, ext := range map[string]string{"gzip": ".gz", "bzip2": ".bz2", "xz": ".xz", "zstd": ".zst"} {
		runIn(t, filepath.Dir(trial), program, "-q", "-k", trial)
		checkTrial(t, trial+ext)
	}
	plain, err := os.ReadFile(trial)
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	w := lz4.NewWriter(&packed)
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Close(), os.WriteFile(trial+".lz4", packed.Bytes(), 0o644)); err != nil {
		t.Fatal(err)
	}
	checkTrial(t, trial+".lz4")
}

func checkTrial(t *testing.T, path string) {
	t.Helper()
	got, err := OpenArchive(path, ReadOptions{MD5: true, Check: true})
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got.Build == nil || got.Build.Name != "trial" || got.Build.Tool != "makepkg" || got.Build.Format != "2" || got.Build.PkgbuildSHA256 == "" || len(got.Build.Options) == 0 {
		t.Errorf(".BUILDINFO: %+v", got.Build)
	}
	if len(got.Mtree) != 14 {
		t.Errorf(".MTREE has %d entries: %+v", len(got.Mtree), got.Mtree)
	}
	want := &Archive{
		Package: Package{
			Info: Info{
				Name: "trial", Base: "trial", Version: "2:1.2+r3-4.1", Description: "A package to try", URL: "https://example.org/?q=1",
				BuildDate: 1_700_000_000, Packager: "Some One <one@example.org>", Size: got.Size, Architecture: "any",
				Licenses: []string{"MIT", "GPL-3.0-or-later"}, Provides: []string{"libtrial.so=1-64"}, Backup: []string{"etc/trial.conf"},
				Depends: []string{"glibc>=2.3", "sh"}, OptDepends: []string{"python: for the script"}, MakeDepends: []string{"cmake"},
				XData: got.XData,
			},
			FileName: filepath.Base(path), CompressedSize: int64(len(data)),
			SHA256: fmt.Sprintf("%x", sha256.Sum256(data)), MD5: fmt.Sprintf("%x", md5.Sum(data)),
			Files: []string{
				"etc/", "etc/trial.conf", "usr/", "usr/bin/", "usr/bin/hard", "usr/bin/soft link", "usr/bin/trial",
				"usr/share/", "usr/share/empty/", `usr/share/naïve # name\\x2d`,
			},
		},
		Build: got.Build, Mtree: got.Mtree, Install: true, Changelog: true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: -want +got\n%s", path, diff)
	}
	if err := got.CheckFileName(); err != nil {
		t.Error(err)
	}
}

// mtreeFor writes the .MTREE of the entries that tarBytes makes, by bsdtar.
func mtreeFor(t *testing.T, archive []byte) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "in.tar"), archive, 0o644); err != nil {
		t.Fatal(err)
	}
	runIn(t, dir, "bsdtar", "-czf", "out", "--format=mtree", "--options=!all,use-set,type,uid,gid,mode,time,size,sha256,link", "@in.tar")
	data, err := os.ReadFile(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	// makepkg lists "./path".
	text, err := io.ReadAll(decompressed(t, data))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for line := range strings.Lines(string(text)) {
		if line[0] != '#' && line[0] != '/' && !strings.HasPrefix(line, "./") {
			line = "./" + line
		}
		b.WriteString(line)
	}
	return b.String()
}

func decompressed(t *testing.T, data []byte) io.Reader {
	t.Helper()
	r, err := Decompress(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func TestCheckFindsEachDifference(t *testing.T) {
	info := sampleInfo(1)
	entries := []tarEntry{
		{name: ".PKGINFO", content: pkginfoText(&info)}, {name: "usr/"}, {name: "usr/same", content: "same"},
		{name: "usr/link", link: "same"}, {name: "usr/gone", content: "x"}, {name: "usr/hard", content: "same"},
	}
	mtree := mtreeFor(t, tarBytes(t, entries...))
	entries[len(entries)-1] = tarEntry{name: "usr/hard", hard: "usr/same"}
	entries = append([]tarEntry{{name: ".MTREE", content: mtree}}, entries...)
	check := func(entries ...tarEntry) []string {
		a, err := ReadArchive(bytes.NewReader(tarBytes(t, entries...)), "x.pkg.tar", ReadOptions{Check: true})
		if err != nil {
			t.Fatal(err)
		}
		var found []string
		for _, m := range a.Mismatches {
			found = append(found, m.Path+" "+m.Field)
		}
		return found
	}
	if found := check(entries...); found != nil {
		t.Errorf("an unchanged package: %q\n%s", found, mtree)
	}
	changed := append([]tarEntry{}, entries[:len(entries)-2]...) // without gone and hard
	changed[3].content = "else"
	changed[4].link = "elsewhere"
	changed = append(changed, tarEntry{name: "usr/more"}, tarEntry{name: "usr/hard", content: "longer"}, tarEntry{name: "usr/"})
	want := []string{"usr entry", "usr/gone entry", "usr/hard size", "usr/hard sha256", "usr/link link", "usr/more entry", "usr/same sha256"}
	if diff := cmp.Diff(want, check(changed...)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestReadPackageRefuses(t *testing.T) {
	info := sampleInfo(1)
	pkginfo := tarEntry{name: ".PKGINFO", content: pkginfoText(&info)}
	whole := tarBytes(t, pkginfo, tarEntry{name: "usr/a", content: strings.Repeat("a", 10_000)})
	packed := gzipped(t, whole)
	damaged := bytes.Clone(packed)
	damaged[len(damaged)-6] ^= 1 // the checksum, behind the tar's end
	change := func(old, new string) []byte {
		return tarBytes(t, tarEntry{name: ".PKGINFO", content: strings.Replace(pkginfo.content, old, new, 1)})
	}
	tests := map[string][]byte{
		"empty":              {},
		"text":               []byte("hello"),
		"no .PKGINFO":        tarBytes(t, tarEntry{name: "usr/a"}),
		"./.PKGINFO":         tarBytes(t, tarEntry{name: "./.PKGINFO", content: pkginfo.content}),
		"two .PKGINFO":       tarBytes(t, pkginfo, pkginfo),
		"truncated":          packed[:len(packed)-20],
		"damaged":            damaged,
		"absolute path":      tarBytes(t, pkginfo, tarEntry{name: "/etc/passwd"}),
		"path above":         tarBytes(t, pkginfo, tarEntry{name: "usr/../../x"}),
		"hidden path above":  tarBytes(t, pkginfo, tarEntry{name: "../x"}),
		"name with slash":    change("pkgname = ", "pkgname = ../"),
		"no name":            change("pkgname = ", "other = "),
		"version without -":  change("pkgver = ", "pkgver = 1\nx = "),
		"bad build date":     change("builddate = ", "builddate = yesterday"),
		"size over int64":    change("size = ", "size = 99999999999999999999"),
		"negative size":      change("size = ", "size = -"),
		"no architecture":    change("arch = ", "x = "),
		"overlong name":      change("pkgname = ", "pkgname = "+strings.Repeat("x", 300)),
		"overlong .PKGINFO":  change("pkgdesc = ", "pkgdesc = "+strings.Repeat("x", maxMetadata)),
		"endless .PKGINFO":   change("pkgdesc = ", strings.Repeat("# xxxxxxxxxxxx\n", maxMetadata/10)+"pkgdesc = "),
		"trailing rubbish":   append(bytes.Clone(packed), "rubbish"...),
		"half a second gzip": append(bytes.Clone(packed), packed[:30]...),
	}
	for name, data := range tests {
		if p, err := ReadPackage(bytes.NewReader(data), "x"); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %+v, %v, want ErrFormat", name, p, err)
		}
	}
	if _, err := ReadPackage(io.MultiReader(bytes.NewReader(packed[:100]), brokenReader{}), "x"); errors.Is(err, ErrFormat) || !errors.Is(err, os.ErrPermission) {
		t.Errorf("a file that cannot be read: %v", err)
	}
}

// brokenReader fails as a disk does.
type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) {
	return 0, &os.PathError{Op: "read", Path: "x", Err: os.ErrPermission}
}

// TestLimits meets archives made to exhaust the reader.
func TestLimits(t *testing.T) {
	info := sampleInfo(1)
	zeros := tarEntry{name: "usr/zeros", content: strings.Repeat("\x00", 8<<20)}
	data := gzipped(t, tarBytes(t, tarEntry{name: ".PKGINFO", content: pkginfoText(&info)}, tarEntry{name: "usr/"}, zeros))
	for name, limits := range map[string]Limits{
		"entries": {Entries: 2},
		"size":    {Size: 8 << 20},
		"paths":   {Paths: 12},
	} {
		if _, err := ReadArchive(bytes.NewReader(data), "x", ReadOptions{Limits: limits}); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v, want ErrFormat", name, err)
		}
	}
	if _, err := ReadArchive(bytes.NewReader(data), "x", ReadOptions{Limits: Limits{Entries: 3, Size: 9 << 20, Paths: 100}}); err != nil {
		t.Errorf("within the limits: %v", err)
	}
	bounded := &boundedReader{r: zeroReader{}, packed: new(packedReader), limits: Limits{}.withDefaults()}
	bounded.packed.n.Store(1 << 20)
	n, err := io.Copy(io.Discard, bounded)
	if !errors.Is(err, ErrFormat) || n < ratioFree || n > 2100<<20 {
		t.Errorf("1 MiB unpacked to %d bytes, %v", n, err)
	}
}

type zeroReader struct{}

func (zeroReader) Read(b []byte) (int, error) { return len(b), nil }

func TestSignatures(t *testing.T) {
	info := sampleInfo(1)
	path := writePackageFile(t, t.TempDir(), &info)
	if p, err := OpenPackage(path); err != nil || p.Signature != nil {
		t.Errorf("unsigned: %v, %v", p, err)
	}
	for name, test := range map[string]struct {
		data []byte
		ok   bool
	}{
		"binary":  {[]byte{0x89, 2, 3}, true},
		"largest": {make([]byte, 16384), true},
		"larger":  {make([]byte, 16385), false},
		"empty":   {nil, false},
		"armored": {[]byte("\n-----BEGIN PGP SIGNATURE-----\n"), false},
	} {
		if err := os.WriteFile(path+".sig", test.data, 0o644); err != nil {
			t.Fatal(err)
		}
		p, err := OpenPackage(path)
		if test.ok && (err != nil || !bytes.Equal(p.Signature, test.data)) || !test.ok && !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParsePkginfo(t *testing.T) {
	text := "\xef\xbb\xbf# comment\r\npkgname=foo\r\n\r\npkgver =1-1\nnonsense\nunknown = 1\narch= any\npkgname = bar\nlicense =\nlicense = a = b\nsize = 0007\npkgdesc = "
	got, err := ParsePkginfo(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	want := Info{Name: "bar", Base: "bar", BaseImplied: true, Version: "1-1", Architecture: "any", Licenses: []string{"a = b"}, Size: 7}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestParseMtree(t *testing.T) {
	text := "#mtree\n/set type=file uid=0 gid=0 mode=644\n" +
		`./with\040space\134x\303\251 time=1700000000.5 size=3 sha256digest=ab` + "\n" +
		"./dir time=-3.0 mode=2755 type=dir\n/unset uid mode\n/set gid=7\n./link mode=777 type=link link=to\\040it nochange unknown=1\n"
	got, err := parseMtree(strings.NewReader(text), defaultEntries)
	if err != nil {
		t.Fatal(err)
	}
	want := []MtreeEntry{
		{Path: `with space\xé`, Type: "file", Mode: 0o644, Time: 1_700_000_000, Size: 3, SHA256: "ab"},
		{Path: "dir", Type: "dir", Mode: 0o2755, Time: -3, Size: -1},
		{Path: "link", Type: "link", UID: -1, GID: 7, Mode: 0o777, Time: -1, Size: -1, Link: "to it"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	for _, text := range []string{"bare type=file", "./a mode=9", "./a size=-1", "./a time=x", "./a uid=root", "/set mode=x\n./a", strings.Repeat("x", maxMtreeLine+1)} {
		if got, err := parseMtree(strings.NewReader(text), defaultEntries); !errors.Is(err, ErrFormat) {
			t.Errorf("%.40q: %v, %v, want ErrFormat", text, got, err)
		}
	}
}

func TestReadInfo(t *testing.T) {
	info := sampleInfo(1)
	info.Description = strings.Join(strings.Fields(info.Description), " ")
	got, err := ReadInfo(writePackageFile(t, t.TempDir(), &info))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(info, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}
