package trigger_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ahriman/core/source"
	"ahriman/core/trigger"

	"github.com/google/go-cmp/cmp"
)

// TestMirrorlistVersions checks that sources are written when they change, in a
// version that is newer than that before, and that only then they are registered.
func TestMirrorlistVersions(t *testing.T) {
	root := t.TempDir()
	const configuration = "[repository]\nroot = %s\n[mirrorlist]\ntarget = mirrorlist-generator\n[mirrorlist-generator]\nservers = %s\n"
	var registered []string
	create := func(servers string) trigger.Created {
		t.Helper()
		created, err := trigger.CreateMirrorlist(t.Context(), trigger.Options{
			Settings: settings(t, fmt.Sprintf(configuration, root, servers)),
			Register: func(_ context.Context, p source.Package) error {
				registered = append(registered, p.Version)
				return nil
			},
		})
		if err != nil || len(created) != 1 || created[0].Package.Base != "aur-mirrorlist" {
			t.Fatal(created, err)
		}
		return created[0]
	}
	day := regexp.MustCompile(`^20\d{6}-1$`)
	first := create("https://a")
	if !first.Changed || !day.MatchString(first.Package.Version) {
		t.Errorf("first: %+v", first)
	}
	again := create("https://a")
	if again.Changed || again.Package.Version != first.Package.Version {
		t.Errorf("again: %+v", again)
	}
	// A later day: another node's clock, or somebody's hand.
	recipe := filepath.Join(root, "cache", "aur-mirrorlist", "PKGBUILD")
	text, err := os.ReadFile(recipe)
	if err != nil {
		t.Fatal(err)
	}
	later := strings.Replace(string(text), "pkgver="+first.Package.Version[:8], "pkgver=20991231", 1)
	later = strings.Replace(later, "pkgrel=1", "pkgrel=4", 1)
	if err := os.WriteFile(recipe, []byte(later), 0o644); err != nil {
		t.Fatal(err)
	}
	if kept := create("https://a"); kept.Changed || kept.Package.Version != "20991231-4" {
		t.Errorf("kept: %+v", kept)
	}
	if next := create("https://a https://b"); !next.Changed || next.Package.Version != "20991231-5" {
		t.Errorf("next: %+v", next)
	}
	if diff := cmp.Diff([]string{first.Package.Version, "20991231-5"}, registered); diff != "" {
		t.Errorf("registered (-want +got)\n%s", diff)
	}
	list, err := os.ReadFile(filepath.Join(root, "cache", "aur-mirrorlist", "mirrorlist"))
	if err != nil || string(list) != "# Mirrors of aur\nServer = https://a\nServer = https://b\n" {
		t.Errorf("list %q, %v", list, err)
	}
}
