package trigger

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"ahriman/core/alpm"
	"ahriman/core/config"
	"ahriman/core/internal/durable"
	"ahriman/core/pkgbuild"
	"ahriman/core/source"
)

// PublicKeys exports public keys of gpg's keyring, armored, and returns their
// fingerprints in the order of the names.
type PublicKeys func(ctx context.Context, names []string) (armored []byte, fingerprints []string, err error)

// maintenance is a package made from the configuration: what its PKGBUILD says,
// and its files.
type maintenance struct {
	name        string
	description string
	homepage    string
	licenses    []string
	files       map[string]string // sources, by name
	backup      string            // path in the package; empty: none
	install     []string          // commands of package()
	afterwards  []string          // commands once it is installed; none: no install script
}

// Created is a package whose sources are in cache/.
type Created struct {
	Package source.Package
	Changed bool // they are other than before
}

// create puts the sources of the packages that the targets name into cache/.
func create(ctx context.Context, options Options, targets []config.PackageTarget, describe func(config.PackageTarget) (*maintenance, error)) ([]Created, error) {
	var all []Created
	var errs []error
	for _, target := range targets {
		m, err := describe(target)
		var created Created
		if err == nil {
			created, err = m.keep(ctx, options, time.Now())
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("making the package of %s: %w", target.Name, err))
			continue
		}
		all = append(all, created)
	}
	return all, errors.Join(errs...)
}

// keep writes the sources into cache/, unless they are there already.
func (m *maintenance) keep(ctx context.Context, options Options, now time.Time) (Created, error) {
	if err := alpm.CheckName(m.name); err != nil {
		return Created{}, err
	}
	kept := filepath.Join(options.Settings.Repository.Root, "cache", m.name)
	arch := options.Settings.ID.Architecture
	evaluate := func(dir string) (source.Package, error) {
		info, err := pkgbuild.Evaluate(ctx, dir, pkgbuild.Options{Architecture: arch})
		if err != nil {
			return source.Package{}, err
		}
		return source.FromSrcinfo(info, arch, source.Origin{Source: source.Local}), nil
	}
	have, err := evaluate(kept) // or nothing, which is no version
	if err == nil && m.isIn(kept, have.Version) {
		return Created{Package: have}, nil
	}
	scratch, err := durable.NewScratch(filepath.Join(options.Settings.Repository.Root, ".scratch"))
	if err != nil {
		return Created{}, err
	}
	defer scratch.Remove()
	for name, text := range m.sources(nextVersion(have.Version, now)) {
		if err := os.WriteFile(filepath.Join(scratch.Dir, name), []byte(text), 0o644); err != nil {
			return Created{}, err
		}
	}
	p, err := evaluate(scratch.Dir)
	if err == nil {
		err = source.Keep(ctx, scratch.Dir, kept)
	}
	if err == nil && options.Register != nil {
		err = options.Register(ctx, p)
	}
	if err == nil && options.Messages != nil {
		options.Messages.Info("made sources", "base", p.Base, "version", p.Version)
	}
	return Created{Package: p, Changed: true}, err
}

// isIn reports whether a directory has the sources, in this version, and nothing
// else.
func (m *maintenance) isIn(dir, version string) bool {
	want := m.sources(version)
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != len(want) {
		return false
	}
	for name, text := range want {
		have, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) || string(have) != text {
			return false
		}
	}
	return true
}

// nextVersion is the day, and a release for each change on it; newer than what
// was had also where the clock was set back.
func nextVersion(have string, now time.Time) string {
	day, release := now.UTC().Format("20060102"), 1
	if version, rel, _ := strings.Cut(have, "-"); len(version) == len(day) && version >= day {
		n, _ := strconv.Atoi(rel) // 0 for what we have not written
		day, release = version, n+1
	}
	return fmt.Sprintf("%s-%d", day, release)
}

// sources are the files of the package's directory, by name.
func (m *maintenance) sources(version string) map[string]string {
	files := maps.Clone(m.files)
	pkgver, pkgrel, _ := strings.Cut(version, "-")
	var b strings.Builder
	fmt.Fprintln(&b, "# Made by ahriman from its configuration, and made again when that changes.")
	fmt.Fprintf(&b, "pkgname=%s\npkgver=%s\npkgrel=%s\n", m.name, pkgver, pkgrel)
	fmt.Fprintf(&b, "pkgdesc=%s\narch=('any')\n", quote(m.description))
	if m.homepage != "" {
		fmt.Fprintf(&b, "url=%s\n", quote(m.homepage))
	}
	fmt.Fprintf(&b, "license=(%s)\n", quote(m.licenses...))
	if m.backup != "" {
		fmt.Fprintf(&b, "backup=(%s)\n", quote(m.backup))
	}
	names := slices.Sorted(maps.Keys(m.files))
	var sums []string
	for _, name := range names {
		sums = append(sums, fmt.Sprintf("%x", sha256.Sum256([]byte(m.files[name]))))
	}
	if len(m.afterwards) > 0 {
		fmt.Fprintf(&b, "install=%s.install\n", m.name)
		files[m.name+".install"] = "post_install() {\n\t" + strings.Join(m.afterwards, "\n\t") + "\n}\n\npost_upgrade() {\n\tpost_install\n}\n"
	}
	fmt.Fprintf(&b, "source=(%s)\nsha256sums=(%s)\n", quote(names...), quote(sums...))
	fmt.Fprintf(&b, "\npackage() {\n\t%s\n}\n", strings.Join(m.install, "\n\t"))
	files["PKGBUILD"] = b.String()
	return files
}

// quote writes words for a shell, each on the one line.
func quote(words ...string) string {
	var quoted []string
	for _, word := range words {
		word = strings.Join(strings.Fields(word), " ")
		quoted = append(quoted, "'"+strings.ReplaceAll(word, "'", `'\''`)+"'")
	}
	return strings.Join(quoted, " ")
}
