package alpm

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// pacmanFor returns a function that runs the real pacman with one repository.
func pacmanFor(t *testing.T, repository string) func(args ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"db", "cache", "root"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	conf := fmt.Sprintf("[options]\nRootDir = %[1]s/root\nDBPath = %[1]s/db\nCacheDir = %[1]s/cache\nLogFile = %[1]s/log\nArchitecture = x86_64\nSigLevel = Never\n[r]\nServer = file://%[2]s\n", dir, repository)
	path := filepath.Join(dir, "pacman.conf")
	if err := os.WriteFile(path, []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	return func(args ...string) string {
		args = append([]string{"--config", path}, args...)
		if os.Geteuid() != 0 { // refreshing asks for root
			return runIn(t, dir, "fakeroot", append([]string{need(t, "pacman")}, args...)...)
		}
		return runIn(t, dir, "pacman", args...)
	}
}

// TestPacmanReadsDatabase lets the real pacman fetch and list a repository of
// 2,000 packages, packed in each way that pacman is known to read.
func TestPacmanReadsDatabase(t *testing.T) {
	packages := samplePackages(2000, 4)
	packages[5].Files = append(packages[5].Files, escapePath(`usr/share/x\y`))
	byName := func(a, b Package) int { return strings.Compare(a.Name, b.Name) }
	for _, c := range []Compression{Gzip, Zstd, XZ} {
		dir := t.TempDir()
		for name, files := range map[string]bool{"r.db": false, "r.files": true} {
			var b bytes.Buffer
			if err := WriteDatabase(&b, packages, DatabaseOptions{Files: files, Compression: c}); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		pacman := pacmanFor(t, dir)
		pacman("-Sy")
		pacman("-Fy")

		var list, files strings.Builder
		sorted := slices.SortedFunc(slices.Values(packages), byName)
		for _, p := range sorted {
			fmt.Fprintf(&list, "r %s %s\n", p.Name, p.Version)
			for _, f := range p.Files {
				fmt.Fprintf(&files, "%s %s\n", p.Name, f)
			}
		}
		if diff := cmp.Diff(list.String(), sortLines(pacman("-Sl"))); diff != "" {
			t.Errorf("%s: pacman -Sl: -want +got\n%s", c, diff)
		}
		if diff := cmp.Diff(sortLines(files.String()), sortLines(pacman("-Fl"))); diff != "" {
			t.Errorf("%s: pacman -Fl: -want +got\n%s", c, diff)
		}
		comparePacmanInfo(t, sorted, pacman("-Si"))
	}
}

func sortLines(s string) string {
	lines := slices.Collect(strings.Lines(s))
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// comparePacmanInfo compares what pacman -Si prints of each package.
func comparePacmanInfo(t *testing.T, packages []Package, output string) {
	t.Helper()
	blocks := strings.Split(strings.TrimSpace(output), "\n\n")
	if len(blocks) != len(packages) {
		t.Fatalf("pacman -Si shows %d packages, want %d", len(blocks), len(packages))
	}
	shown := make(map[string]map[string]string)
	for _, block := range blocks {
		fields := pacmanFields(block)
		shown[fields["Name"]] = fields
	}
	for i := range packages {
		p := &packages[i]
		got := shown[p.Name]
		want := map[string]string{
			"Repository": "r", "Name": p.Name, "Version": p.Version, "Architecture": p.Architecture, "URL": p.URL, "Packager": p.Packager,
			"Description": strings.Join(strings.Fields(p.Description), " "),
			"Licenses":    words(p.Licenses), "Groups": words(p.Groups), "Provides": words(p.Provides), "Depends On": words(p.Depends),
			"Conflicts With": words(p.Conflicts), "Replaces": words(p.Replaces), "Optional Deps": words(p.OptDepends),
			"Validated By": "SHA-256 Sum",
		}
		for key := range got {
			if want[key] == "" {
				delete(got, key) // sizes and dates, which are rounded for people
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("pacman -Si %s: -want +got\n%s", p.Name, diff)
		}
	}
}

// words joins a list as pacmanFields gives it.
func words(list []string) string {
	if len(list) == 0 {
		return "None"
	}
	return strings.Join(list, " ")
}

// pacmanFields reads "Key   : value", with values going on in indented lines.
func pacmanFields(block string) map[string]string {
	fields := make(map[string]string)
	key := ""
	for line := range strings.Lines(block) {
		if k, value, ok := strings.Cut(line, " : "); ok && line[0] != ' ' {
			key = strings.TrimSpace(k)
			fields[key] = strings.Join(strings.Fields(value), " ")
			continue
		}
		fields[key] += " " + strings.Join(strings.Fields(line), " ")
	}
	return fields
}

// TestPacmanDownloads lets the real pacman check digests and sizes: it downloads
// what the database promises.
func TestPacmanDownloads(t *testing.T) {
	dir := t.TempDir()
	info := Info{Name: "solo", Base: "solo", Version: "1:1-1", Architecture: "any", BuildDate: 1}
	path := writePackageFile(t, dir, &info, tarEntry{name: "usr/"}, tarEntry{name: "usr/solo", content: "x"})
	p, err := OpenPackage(path)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := WriteDatabase(&b, []Package{*p}, DatabaseOptions{Compression: Zstd}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "r.db"), b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	pacman := pacmanFor(t, dir)
	pacman("-Syw", "--noconfirm", "solo")
}
