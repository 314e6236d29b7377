package app

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ahriman/core/alpm"
	"ahriman/core/config"
	"ahriman/core/source"
	"ahriman/core/store"
)

// stocked makes a node whose store knows n packages in chains of 50, and
// returns its configuration.
func stocked(t testing.TB, n int) string {
	t.Helper()
	directory := t.TempDir()
	main := filepath.Join(directory, "ahriman.ini")
	text := "[repository]\nroot = .\nname = aur\narchitecture = x86_64\n"
	if err := os.WriteFile(main, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	id := alpm.RepositoryID{Name: "aur", Architecture: "x86_64"}
	file, err := config.Load(main, nil)
	if err != nil {
		t.Fatal(err)
	}
	settings, err := file.For(id)
	if err != nil {
		t.Fatal(err)
	}
	db, err := openStore(t.Context(), settings)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	updates := make([]store.Update, n)
	for i := range updates {
		name := fmt.Sprintf("package-%05d", i)
		depends := []string{"glibc", "python"}
		if i%50 != 0 {
			depends = append(depends, fmt.Sprintf("package-%05d", i-1))
		}
		updates[i].Package = source.Package{Base: name, Version: "1.0-1", Packages: map[string]source.Properties{
			name: {Description: "One of many", Depends: depends, MakeDepends: []string{"cmake", "ninja"}},
		}}
		updates[i].Status = store.Success
	}
	if err := db.SetPackages(t.Context(), id, updates); err != nil {
		t.Fatal(err)
	}
	return main
}

// TestRepoTreeOfStore: what the store knows, not what is published, is the
// repository.
func TestRepoTreeOfStore(t *testing.T) {
	code, stdout, stderr := runMain(t, "-c", stocked(t, 120), "repo-tree", "-p", "2")
	if code != 0 || stderr != "" {
		t.Fatalf("exit status %d: %s", code, stderr)
	}
	if got := strings.Count(stdout, "\tpackage-"); got != 120 {
		t.Errorf("%d packages, want 120", got)
	}
	if !strings.HasPrefix(stdout, "partition #0\nlevel #0\n\tpackage-00000 1.0-1\n\tpackage-00100 1.0-1\nlevel #1\n") {
		t.Errorf("begins with %.80q", stdout)
	}
}

func BenchmarkRepoTree(b *testing.B) {
	main := stocked(b, 5000)
	for b.Loop() {
		if code := Main(b.Context(), Env{Args: []string{"-c", main, "repo-tree", "-p", "8"}, Stdin: strings.NewReader(""), Stdout: &strings.Builder{}, Stderr: os.Stderr}); code != 0 {
			b.Fatal(code)
		}
	}
}
