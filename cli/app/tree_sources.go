package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"ahriman/core/alpm"
	"ahriman/core/config"
	"ahriman/core/pkgbuild"
	"ahriman/core/repository"
	"ahriman/core/source"
	"ahriman/core/store"
	"ahriman/core/tree"

	"golang.org/x/sync/errgroup"
)

// repositoryPackages reads what the store knows of a repository, with the times
// of earlier builds; without a store, what the published database holds.
func repositoryPackages(ctx context.Context, file *config.File, id alpm.RepositoryID) ([]tree.Package, error) {
	settings, err := file.For(id)
	if err != nil {
		return nil, err
	}
	db, err := existingStore(ctx, settings)
	if err != nil {
		return nil, err
	}
	if db != nil {
		defer db.Close()
		packages, err := storedPackages(ctx, db, id)
		if err != nil || len(packages) > 0 {
			return packages, err
		}
	}
	return publishedPackages(settings)
}

// existingStore opens the node's store, or returns nil when there is none yet:
// reading makes none.
func existingStore(ctx context.Context, settings *config.Settings) (*store.DB, error) {
	if _, err := os.Stat(storePath(settings)); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return openStore(ctx, settings)
}

func storedPackages(ctx context.Context, db *store.DB, id alpm.RepositoryID) ([]tree.Package, error) {
	records, err := db.Packages(ctx, id)
	if err != nil {
		return nil, err
	}
	seconds, err := db.BuildSeconds(ctx, id)
	if err != nil {
		return nil, err
	}
	packages := make([]tree.Package, len(records))
	for i, record := range records {
		packages[i] = leaf(record.Package)
		packages[i].Seconds = seconds[record.Package.Base]
	}
	return packages, nil
}

// leaf joins the packages of a base.
func leaf(p source.Package) tree.Package {
	joined := tree.Package{Base: p.Base, Version: p.Version}
	for name, properties := range p.Packages {
		joined.Names = append(joined.Names, name)
		joined.Provides = append(joined.Provides, properties.Provides...)
		joined.Depends = append(joined.Depends, properties.Depends...)
		joined.MakeDepends = append(joined.MakeDepends, properties.MakeDepends...)
		joined.CheckDepends = append(joined.CheckDepends, properties.CheckDepends...)
	}
	return joined
}

// publishedPackages returns the packages of the published repository.
func publishedPackages(settings *config.Settings) ([]tree.Package, error) {
	found, err := publishedDatabase(settings)
	if err != nil {
		return nil, err
	}
	packages := make([]tree.Package, len(found))
	for i, p := range found {
		packages[i] = relations(p.Info)
	}
	return packages, nil
}

// publishedDatabase reads <name>.db of the published repository; none when
// nothing is published yet.
func publishedDatabase(s *config.Settings) ([]alpm.Package, error) {
	path := filepath.Join(repository.PublishedPath(s.Repository.Root, s.ID), s.ID.Name+".db")
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the repository: %w", err)
	}
	defer file.Close()
	found, err := alpm.ReadDatabase(file)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return found, nil
}

func relations(p alpm.Info) tree.Package {
	base := p.Base
	if base == "" {
		base = p.Name
	}
	return tree.Package{Base: base, Version: p.Version, Names: []string{p.Name}, Provides: p.Provides,
		Depends: p.Depends, MakeDepends: p.MakeDepends, CheckDepends: p.CheckDepends}
}

// machine is pacman's name of the architecture that we run on.
func machine() string {
	switch runtime.GOARCH {
	case "amd64":
		return "x86_64"
	case "arm64":
		return "aarch64"
	case "386":
		return "i686"
	case "arm":
		return "armv7h"
	}
	return runtime.GOARCH
}

// sourcePackages reads the PKGBUILDs in the directories, without running them.
// What cannot be read is a failure of its own in outcome.
func sourcePackages(ctx context.Context, env *Env, globals *Globals, from []string, outcome *Outcome) (forest, error) {
	directories, err := sourceDirectories(from, outcome)
	if err != nil {
		return forest{}, err
	}
	architecture := globals.Architecture
	if architecture == "" {
		architecture = machine()
	}
	packages := make([]tree.Package, len(directories))
	failures := make([]error, len(directories))
	var readers errgroup.Group
	readers.SetLimit(runtime.GOMAXPROCS(0))
	for i, directory := range directories {
		readers.Go(func() error {
			packages[i], failures[i] = readSource(ctx, directory, architecture)
			return nil
		})
	}
	readers.Wait() // failures are in failures
	if err := ctx.Err(); err != nil {
		return forest{}, err
	}
	dirs := map[string]string{}
	for i, err := range failures {
		if err != nil {
			outcome.Fail(directories[i], err)
			continue
		}
		outcome.Done()
		dirs[packages[i].Base] = directories[i]
	}
	packages = slices.DeleteFunc(packages, func(p tree.Package) bool { return p.Base == "" })
	return forest{packages: packages, dirs: dirs}, addTimes(ctx, env, globals, packages)
}

// sourceDirectories lists the directories with a PKGBUILD that arguments and
// standard input name.
func sourceDirectories(from []string, outcome *Outcome) ([]string, error) {
	var directories []string
	for item, err := range outcome.Items(from, "path", "dir") {
		if err != nil {
			return nil, err
		}
		found, err := withPKGBUILD(item.Text)
		if err != nil {
			outcome.Fail(item.Text, err)
			continue
		}
		directories = append(directories, found...)
	}
	return directories, nil
}

// withPKGBUILD returns the directory when it has a PKGBUILD, else those in it
// that have one.
func withPKGBUILD(directory string) ([]string, error) {
	if hasPKGBUILD(directory) {
		return []string{directory}, nil
	}
	entries, err := os.ReadDir(directory)
	if err != nil {
		return nil, fmt.Errorf("reading sources: %w", err)
	}
	var found []string
	for _, entry := range entries {
		path := filepath.Join(directory, entry.Name())
		if !strings.HasPrefix(entry.Name(), ".") && hasPKGBUILD(path) {
			found = append(found, path)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("reading sources: %s has no PKGBUILD, nor has a directory in it", directory)
	}
	return found, nil
}

func hasPKGBUILD(directory string) bool {
	info, err := os.Stat(filepath.Join(directory, "PKGBUILD"))
	return err == nil && info.Mode().IsRegular()
}

// readSource evaluates a PKGBUILD; where that would mean to run it, the .SRCINFO
// beside it serves.
func readSource(ctx context.Context, directory, architecture string) (tree.Package, error) {
	info, err := pkgbuild.Evaluate(ctx, directory, pkgbuild.Options{Architecture: architecture})
	var needs *pkgbuild.NeedsEvaluation
	if errors.As(err, &needs) {
		written, readErr := readSrcinfo(directory)
		if readErr != nil && !errors.Is(readErr, fs.ErrNotExist) {
			return tree.Package{}, readErr
		}
		if readErr == nil {
			info, err = written, nil
		}
	}
	if err != nil {
		return tree.Package{}, fmt.Errorf("reading %s: %w", directory, err)
	}
	joined := tree.Package{Base: info.Base, Version: info.Version()}
	for _, p := range info.ForArch(architecture) {
		one := relations(p)
		joined.Names = append(joined.Names, one.Names...)
		joined.Provides = append(joined.Provides, one.Provides...)
		joined.Depends = append(joined.Depends, one.Depends...)
		joined.MakeDepends = append(joined.MakeDepends, one.MakeDepends...)
		joined.CheckDepends = append(joined.CheckDepends, one.CheckDepends...)
	}
	return joined, nil
}

func readSrcinfo(directory string) (*pkgbuild.Srcinfo, error) {
	path := filepath.Join(directory, ".SRCINFO")
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := pkgbuild.ParseSrcinfo(file)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return info, nil
}

// addTimes sets the seconds of bases that a repository of this node has built.
// A machine without a configuration has none.
func addTimes(ctx context.Context, env *Env, globals *Globals, packages []tree.Package) error {
	file, err := globals.configuration(env)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	ids, err := file.Select(globals.Repository, globals.Architecture)
	if err != nil {
		return nil // no repository, no times
	}
	for _, id := range ids {
		if err := addTimesOf(ctx, file, id, packages); err != nil {
			return err
		}
	}
	return nil
}

func addTimesOf(ctx context.Context, file *config.File, id alpm.RepositoryID, packages []tree.Package) error {
	settings, err := file.For(id)
	if err != nil {
		return err
	}
	db, err := existingStore(ctx, settings)
	if err != nil || db == nil {
		return err
	}
	defer db.Close()
	seconds, err := db.BuildSeconds(ctx, id)
	if err != nil {
		return err
	}
	for i, p := range packages {
		packages[i].Seconds = max(p.Seconds, seconds[p.Base])
	}
	return nil
}
