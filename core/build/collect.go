package build

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"ahriman/core/alpm"
)

// maxPackages is how many package files one base may give.
const maxPackages = 10_000

// collect checks the package files that the build left and moves them to the
// job's output. No process of the build is left, but its files may be anything.
func (j *job) collect() ([]string, error) {
	names, err := packageNames(below(j.dir).pkgdest)
	if err != nil {
		return nil, err
	}
	if len(names) > maxPackages {
		return nil, j.failed("more than %d package files", maxPackages)
	}
	var files []string
	for _, name := range names {
		source := filepath.Join(below(j.dir).pkgdest, name)
		if err := plain(source); err != nil {
			return nil, j.failed("%s: %v", name, err)
		}
		p, err := alpm.OpenPackage(source)
		if err != nil {
			return nil, j.failed("%v", err)
		}
		if err := j.spec.CheckPackage(p); err != nil {
			return nil, j.failed("%v", err)
		}
		if isDebug(p) && !j.local.config.IncludeDebug {
			continue
		}
		target := filepath.Join(j.output, name)
		if err := take(source, target); err != nil {
			return nil, fmt.Errorf("taking over %s: %w", name, err)
		}
		files = append(files, target)
	}
	if len(files) == 0 {
		return nil, j.failed("it gave no package")
	}
	return files, nil
}

// packageNames lists the package files in a directory, sorted.
func packageNames(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("looking for packages: %w", err)
	}
	var names []string
	for _, entry := range entries {
		name := entry.Name()
		if strings.Contains(name, ".pkg.tar") && !strings.HasSuffix(name, ".sig") && !strings.HasSuffix(name, ".log") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// plain reports what keeps path from being a regular file of its own.
func plain(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Sys().(*syscall.Stat_t).Nlink != 1 {
		return fmt.Errorf("no regular file, but %v", info.Mode())
	}
	return os.Chmod(path, 0o644)
}

// CheckPackage reports what keeps p, with the name its file has, from being a
// package that the job asks for.
func (j Job) CheckPackage(p *alpm.Package) error {
	if err := p.CheckFileName(); err != nil {
		return err
	}
	switch {
	case p.Base != j.Base:
		return fmt.Errorf("%s is of base %s", p.FileName, p.Base)
	case p.Architecture != "any" && p.Architecture != j.Architecture:
		return fmt.Errorf("%s is for %s, not %s", p.FileName, p.Architecture, j.Architecture)
	}
	return nil
}

// isDebug reports whether makepkg made the package of split debug symbols.
func isDebug(p *alpm.Package) bool {
	return slices.Contains(p.XData, "pkgtype=debug") || p.Name == p.Base+"-debug" && strings.HasPrefix(p.Description, "Detached debugging symbols")
}

// take moves a file, also to another file system, and makes it ours.
func take(source, target string) error {
	self := identity{os.Geteuid(), os.Getegid()}
	if err := os.Remove(target); err != nil && !os.IsNotExist(err) {
		return err
	}
	if err := os.Rename(source, target); err == nil {
		return own(target, self)
	}
	info, err := os.Lstat(source)
	if err != nil {
		return err
	}
	_, err = copyFile(source, target, info.Size(), self)
	return err
}
