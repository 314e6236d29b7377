package build_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ahriman/core/build"
	"ahriman/core/build/buildtest"
)

// TestDevtools runs a stand-in for archbuild, whose chroot needs Arch Linux. It
// records how it is called and gives the package of an earlier build.
func TestDevtools(t *testing.T) {
	made, log, err := buildtest.Build(t, local(t, build.Config{}), job(t, "chrooted", ":"))
	if err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	dir := passable(t)
	command := filepath.Join(dir, "aur-x86_64-build")
	script := `#!/bin/sh
for argument; do echo "argument $argument"; done
echo "packager $PACKAGER, epoch $SOURCE_DATE_EPOCH, makeflags $MAKEFLAGS"
test -f PKGBUILD || exit 1
test ! -e fail || exit 9
cp "` + filepath.Join(dir, "package") + `" "$PKGDEST/` + filepath.Base(made.Files[0]) + `"
`
	if err := os.WriteFile(command, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(made.Files[0], filepath.Join(dir, "package")); err != nil {
		t.Fatal(err)
	}
	l := local(t, build.Config{
		Builder: build.Devtools, ArchbuildCommand: command, Chroot: "/srv/chroot", Wrapper: []string{"env", "WRAPPED=1"},
		ArchbuildFlags: []string{"-c"}, MakechrootpkgFlags: []string{"-n"}, MakepkgFlags: []string{"--nocolor"},
		Packager: "Jane <jane@example.org>", MakeFlags: []string{"-j3"},
	})
	j := job(t, "chrooted", ":")
	j.Dependencies, j.SourceDate = []string{"/pool/dep-1-1-any.pkg.tar.zst"}, 1700000000
	result, log, err := buildtest.Build(t, l, j)
	if err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	if len(result.Files) != 1 {
		t.Errorf("got %s", result.Files)
	}
	var arguments []string
	for line := range strings.Lines(log) {
		if argument, ok := strings.CutPrefix(line, "argument "); ok {
			arguments = append(arguments, strings.TrimSpace(argument))
		}
	}
	want := []string{"-r", "/srv/chroot", "-c", "--", "-I", "/pool/dep-1-1-any.pkg.tar.zst", "-n", "--", "--nocolor"}
	if diff := cmp.Diff(want, arguments); diff != "" {
		t.Error(diff)
	}
	if want := "packager Jane <jane@example.org>, epoch 1700000000, makeflags -j3\n"; !strings.Contains(log, want) {
		t.Errorf("no %q in\n%s", want, log)
	}

	j = job(t, "chrooted", ":")
	j.ID = "again"
	if err := os.WriteFile(filepath.Join(j.Source, "fail"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	_, _, err = buildtest.Build(t, l, j)
	var failure *build.Failure
	if !errors.As(err, &failure) || !strings.Contains(failure.Reason, "exit status 9") {
		t.Errorf("got %v, want exit status 9", err)
	}
}

// TestDependencyCheck builds on what looks like a host with pacman: makepkg
// checks there, and knows what the job brings along.
func TestDependencyCheck(t *testing.T) {
	database := passable(t)
	entry := filepath.Join(database, "local", "glibc-2.40-1")
	if err := os.MkdirAll(entry, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"local/ALPM_DB_VERSION":    "9\n",
		"local/glibc-2.40-1/desc":  "%NAME%\nglibc\n\n%VERSION%\n2.40-1\n\n%ARCH%\nx86_64\n\n",
		"local/glibc-2.40-1/files": "",
	} {
		if err := os.WriteFile(filepath.Join(database, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	l := isolated(t, build.Config{PacmanDB: database})
	depends := func(j build.Job, relations string) build.Job {
		path := filepath.Join(j.Source, "PKGBUILD")
		text, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(path, append(text, "depends=("+relations+")\n"...), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		return j
	}
	brought, log, err := buildtest.Build(t, l, depends(job(t, "brought", ":"), "glibc"))
	if err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	missing := depends(job(t, "missing", ":"), "'glibc>=2.40' 'brought=1.0'")
	_, log, err = buildtest.Build(t, l, missing)
	var failure *build.Failure
	if !errors.As(err, &failure) || !strings.Contains(failure.Reason, "missing dependencies") || !strings.Contains(log, "brought=1.0") {
		t.Errorf("without its dependency: %v\n%s", err, log)
	}
	missing.ID, missing.Dependencies = "there", brought.Files
	if _, log, err = buildtest.Build(t, l, missing); err != nil {
		t.Errorf("with its dependency: %v\n%s", err, log)
	}
}
