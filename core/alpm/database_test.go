package alpm

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// rawDatabase returns each desc and files of a database by its path.
func rawDatabase(t *testing.T, r *bytes.Reader) map[string]string {
	t.Helper()
	entries := make(map[string]string)
	err := walkDatabase(r, Limits{}.withDefaults(), func(e *databaseEntry) error {
		file := "/desc"
		if e.files {
			file = "/files"
		}
		entries[e.directory+file] = string(e.content)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

func rawDatabaseFile(t *testing.T, path string) map[string]string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return rawDatabase(t, bytes.NewReader(data))
}

// oddPackageFiles makes packages with what is seldom met.
func oddPackageFiles(t *testing.T, dir string) []string {
	t.Helper()
	odd := func(n int, change func(*Info), files ...tarEntry) string {
		info := sampleInfo(100_000 + n)
		change(&info)
		return writePackageFile(t, dir, &info, files...)
	}
	signed := odd(5, func(*Info) {})
	if err := os.WriteFile(signed+".sig", bytes.Repeat([]byte{0x89, 1, 0xff}, 200), 0o644); err != nil {
		t.Fatal(err)
	}
	return []string{
		odd(0, func(i *Info) { i.URL = "https://example.org/?q=" }),
		odd(1, func(i *Info) { i.Base, i.BaseImplied = "", true }),
		odd(2, func(i *Info) { i.Description = "= two == equals, 100%  \t and\ttabs =" }),
		odd(3, func(i *Info) {
			*i = Info{Name: "bare", Base: "bare-base", Version: "0:0-0", Architecture: "any"}
		}),
		odd(4, func(i *Info) { i.Licenses = []string{"a=", "b =", "= c", "d==", "e f="}; i.Description = "" }),
		signed,
		odd(6, func(*Info) {},
			tarEntry{name: "usr/"}, tarEntry{name: "usr/Z"}, tarEntry{name: "usr/a"}, tarEntry{name: "usr/é"},
			tarEntry{name: "usr/tab\there"}, tarEntry{name: "usr/new\nline"}, tarEntry{name: `usr/back\slash`},
			tarEntry{name: "usr/esc\x1b"}, tarEntry{name: "usr/日本 語"}, tarEntry{name: "usr/bad\xff"}, tarEntry{name: "usr/a-b"},
			tarEntry{name: "usr/a/b"}, tarEntry{name: "usr/hard", hard: "usr/a"}, tarEntry{name: "usr/soft", link: "a"},
			tarEntry{name: ".hidden"}, tarEntry{name: "usr/.hidden"}, tarEntry{name: "usr/a"},
			tarEntry{name: "usr/" + strings.Repeat("long/", 60) + "name"}),
		odd(7, func(i *Info) { i.Name = "gtk-sharp-2-docs"; i.Version = "1:2.0+r5-1.3" }),
		odd(8, func(i *Info) { i.Description = `"quoted" $(not run) 'here' \n *` }),
	}
}

// TestDatabaseEqualsRepoAdd judges desc and files by the real repo-add, for new
// packages, for upgrades and for removals.
func TestDatabaseEqualsRepoAdd(t *testing.T) {
	dir := t.TempDir()
	files := append(samplePackageFiles(t, dir, 0, 12), oddPackageFiles(t, dir)...)
	upgrade := sampleInfo(3)
	upgrade.Version = "99:1-1"
	later := append(samplePackageFiles(t, dir, 12, 2), writePackageFile(t, dir, &upgrade))
	removed := sampleInfo(4).Name

	runIn(t, dir, "repo-add", append([]string{"r.db.tar.gz"}, files...)...)
	packages := openAll(t, files)
	compareWithRepoAdd(t, dir, packages, nil)

	runIn(t, dir, "repo-add", append([]string{"r.db.tar.gz"}, later...)...)
	runIn(t, dir, "repo-remove", "r.db.tar.gz", removed)
	updated := func(old string, options DatabaseOptions) []byte {
		f, err := os.Open(filepath.Join(dir, old))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var b bytes.Buffer
		if err := UpdateDatabase(&b, f, openAll(t, later), []string{removed}, options); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	compareWithRepoAdd(t, dir, nil, updated)
}

func openAll(tb testing.TB, files []string) []Package {
	tb.Helper()
	var packages []Package
	for _, f := range files {
		a, err := OpenArchive(f, ReadOptions{MD5: true})
		if err != nil {
			tb.Fatal(err)
		}
		if err := a.CheckFileName(); err != nil {
			tb.Error(err)
		}
		packages = append(packages, a.Package)
	}
	return packages
}

// compareWithRepoAdd compares r.db and r.files in dir with what we write: all
// packages, or an update of repo-add's previous database.
func compareWithRepoAdd(t *testing.T, dir string, packages []Package, update func(old string, options DatabaseOptions) []byte) {
	t.Helper()
	for _, kind := range []string{"db", "files"} {
		options := DatabaseOptions{Files: kind == "files", Compression: Gzip, Dialect: Pacman6}
		var b bytes.Buffer
		if update != nil {
			b.Write(update("old."+kind, options))
		} else if err := WriteDatabase(&b, packages, options); err != nil {
			t.Fatal(err)
		}
		want := rawDatabaseFile(t, filepath.Join(dir, "r."+kind+".tar.gz"))
		if diff := cmp.Diff(want, rawDatabase(t, bytes.NewReader(b.Bytes()))); diff != "" {
			t.Errorf("%s differs, -repo-add +ours\n%s", kind, diff)
		}
		if update != nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, "old."+kind), b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		again := rewrite(t, b.Bytes(), options)
		if !bytes.Equal(b.Bytes(), again) {
			t.Errorf("%s: reading and writing it again gives other bytes", kind)
		}
	}
}

func rewrite(t *testing.T, database []byte, options DatabaseOptions) []byte {
	t.Helper()
	packages, err := ReadDatabase(bytes.NewReader(database))
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(packages)
	var b bytes.Buffer
	if err := WriteDatabase(&b, packages, options); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestDatabaseDialects compares with the forms alpm-repo-desc(5) documents.
func TestDatabaseDialects(t *testing.T) {
	p := Package{
		FileName: "example-1:1.0.0-1-any.pkg.tar.zst", CompressedSize: 4729, Signature: []byte("signature"),
		MD5:    "d3b07384d113edec49eaa6238ad5ff00",
		SHA256: "b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c",
		Info: Info{
			Name: "example", Base: "example-base", Version: "1:1.0.0-1", Architecture: "any",
			Description: "A package that gives all metadata", URL: "https://example.org/",
			BuildDate: 1729181726, Packager: "Foobar McFooface <foobar@mcfooface.org>",
			Groups: []string{"group", "other_group"}, Licenses: []string{"GPL-3.0-or-later", "MIT"},
			Replaces: []string{"other-package-replaced"}, Conflicts: []string{"conflicting-package<1.0.0"},
			Provides: []string{"some-component", "libx.so=1-64"}, Depends: []string{"glibc", "gcc-libs>=14"},
			OptDepends: []string{"python: for the script", "other"}, MakeDepends: []string{"cmake"}, CheckDepends: []string{"bats"},
		},
	}
	for name, options := range map[string]DatabaseOptions{
		"pacman6":            {Dialect: Pacman6},
		"pacman7":            {},
		"pacman7-signatures": {Signatures: true},
	} {
		got := string(appendDesc(nil, &p, &options))
		want, err := os.ReadFile("testdata/" + name + ".desc")
		if err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
}

func TestDatabaseRoundTrip(t *testing.T) {
	packages := samplePackages(50, 5)
	packages[3].Signature = []byte("sig")
	packages[4].Base, packages[4].BaseImplied = packages[4].Name, true
	want := slices.Clone(packages)
	for i := range want {
		want[i].Backup, want[i].XData = nil, nil
		want[i].Description = strings.Join(strings.Fields(want[i].Description), " ")
	}
	byName := func(a, b Package) int { return strings.Compare(a.directory(), b.directory()) }
	slices.SortFunc(want, byName)
	for _, c := range []Compression{Uncompressed, Gzip, Zstd, XZ} {
		options := DatabaseOptions{Files: true, Compression: c, Signatures: true}
		var first, second bytes.Buffer
		if err := WriteDatabase(&first, packages, options); err != nil {
			t.Fatal(err)
		}
		slices.Reverse(packages)
		if err := WriteDatabase(&second, packages, options); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first.Bytes(), second.Bytes()) {
			t.Errorf("%s: the order of the packages changes the bytes", c)
		}
		got, err := ReadDatabase(&first)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", c, diff)
		}
	}
	for _, c := range []Compression{Bzip2, LZ4, "lzo"} {
		if err := WriteDatabase(&bytes.Buffer{}, nil, DatabaseOptions{Compression: c}); !errors.Is(err, ErrCompression) {
			t.Errorf("writing %s: %v, want ErrCompression", c, err)
		}
	}
}

const oddDesc = "\r\n%FILENAME%\r\nfoo-bar-1:1-1-any.pkg.tar.zst\r\n\r\n%NAME%\nfoo-bar\n\n%VERSION%\n1:1-1\n\n%ARCH%\nany\n\n%UNKNOWN%\n%NAME%\nx\n\n%DEPENDS%\na\nb"

// TestReadDatabaseForeign reads what other writers make.
func TestReadDatabaseForeign(t *testing.T) {
	archive := tarBytes(t,
		tarEntry{name: "./"}, tarEntry{name: "./foo-bar-1:1-1/"},
		tarEntry{name: "./foo-bar-1:1-1/files", content: "%FILES%\nusr/\nusr/a"},
		tarEntry{name: "./none-1-1/"}, tarEntry{name: "./none-1-1/files", content: "%FILES%\n"},
		tarEntry{name: "./foo-bar-1:1-1/depends", content: "%DEPENDS%\nold\n"},
		tarEntry{name: "./foo-bar-1:1-1/desc", content: oddDesc}, tarEntry{name: "README", content: "?"})
	got, err := ReadDatabase(bytes.NewReader(gzipped(t, archive)))
	if err != nil {
		t.Fatal(err)
	}
	want := []Package{{
		Info:     Info{Name: "foo-bar", Base: "foo-bar", BaseImplied: true, Version: "1:1-1", Architecture: "any", Depends: []string{"a", "b"}},
		FileName: "foo-bar-1:1-1-any.pkg.tar.zst", Files: []string{"usr/", "usr/a"},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	err = UpdateDatabase(&bytes.Buffer{}, bytes.NewReader(archive), nil, nil, DatabaseOptions{})
	if !errors.Is(err, ErrFormat) {
		t.Errorf("updating entries that stand apart: %v, want ErrFormat", err)
	}
}

func TestReadDatabaseRefuses(t *testing.T) {
	desc := func(change ...string) []byte {
		return tarBytes(t, tarEntry{name: "a-1-1/desc", content: strings.NewReplacer(change...).Replace(oddDesc)})
	}
	tests := map[string][]byte{
		"text":           []byte("not a database at all, but long enough to look at"),
		"truncated":      gzipped(t, desc())[:100],
		"slash in name":  desc("foo-bar\n", "../bar\n"),
		"file elsewhere": desc("foo-bar-1:1-1-any", "../x"),
		"hidden file":    desc("foo-bar-1:1-1-any", ".x"),
		"no version":     desc("%VERSION%\n1:1-1", "%VERSION%\n"),
		"no release":     desc("%VERSION%\n1:1-1", "%VERSION%\n1:1"),
		"negative size":  desc("%UNKNOWN%\n%NAME%", "%CSIZE%\n-1"),
		"huge size":      desc("%UNKNOWN%\n%NAME%", "%ISIZE%\n99999999999999999999"),
		"bad signature":  desc("%UNKNOWN%\n%NAME%", "%PGPSIG%\n***"),
		"huge desc":      tarBytes(t, tarEntry{name: "a-1-1/desc", content: strings.Repeat("x\n", maxMetadata)}),
	}
	for name, data := range tests {
		if got, err := ReadDatabase(bytes.NewReader(data)); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v, %v, want ErrFormat", name, got, err)
		}
	}
	for _, empty := range [][]byte{{}, tarBytes(t)} {
		if got, err := ReadDatabase(bytes.NewReader(empty)); len(got) > 0 || err != nil {
			t.Errorf("empty database: %v, %v", got, err)
		}
	}
}

func TestWriteDatabaseRefuses(t *testing.T) {
	p := samplePackage(1, 0)
	for name, change := range map[string]func(*Package){
		"name":      func(p *Package) { p.Name = "../x" },
		"version":   func(p *Package) { p.Version = "1" },
		"file name": func(p *Package) { p.FileName = "a/b" },
	} {
		bad := p
		change(&bad)
		if err := WriteDatabase(&bytes.Buffer{}, []Package{bad}, DatabaseOptions{}); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v, want ErrFormat", name, err)
		}
	}
	if err := WriteDatabase(&bytes.Buffer{}, []Package{p, p}, DatabaseOptions{}); err == nil {
		t.Error("two packages of one name were written")
	}
}
