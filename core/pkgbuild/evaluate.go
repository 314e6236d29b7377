package pkgbuild

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ahriman/core/pkgbuild/internal/shell"
)

// maxScript is the largest PKGBUILD that is read, in bytes.
const maxScript = 4 << 20

// Options say for which machine a PKGBUILD is evaluated. The zero value is an
// x86_64 machine with Arch Linux's makepkg.conf.
type Options struct {
	// Architecture is makepkg.conf's CARCH; "x86_64" when empty.
	Architecture string
	// Variables override or extend what makepkg.conf and the environment set,
	// such as CHOST, CFLAGS, MAKEFLAGS or PKGEXT.
	Variables map[string]string
	// Now is the time that date tells; the current time when zero.
	Now time.Time
	// Timeout bounds the time of one PKGBUILD; five seconds when zero.
	Timeout time.Duration
}

// Evaluate reads dir/PKGBUILD and returns the metadata that
// `makepkg --printsrcinfo` would print for it, without running anything: the
// shell is interpreted, with no commands, no network and no files outside dir.
//
// Errors are [*SyntaxError] for text bash cannot read, [*LintError] for what
// makepkg refuses, [*NeedsEvaluation] for what only a run can tell,
// [*LimitError] for too much work, or those of ctx and of reading the file.
func Evaluate(ctx context.Context, dir string, options Options) (*Srcinfo, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("finding %s: %w", dir, err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the package directory: %w", err)
	}
	defer root.Close()
	return evaluate(ctx, dir, root.FS(), options)
}

func evaluate(ctx context.Context, dir string, files fs.FS, options Options) (info *Srcinfo, err error) {
	defer func() {
		// The text comes from strangers: a mistake of ours must not end the
		// process that reads it.
		if r := recover(); r != nil {
			info, err = nil, fmt.Errorf("evaluating PKGBUILD: internal error: %v", r)
		}
	}()
	script, err := readScript(files)
	if err != nil {
		return nil, err
	}
	m := newMakepkg(ctx, dir, files, options)
	info, err = m.run(script)
	return info, translate(err)
}

func readScript(files fs.FS) (string, error) {
	// A pipe would be waited for, past every signal.
	if info, err := fs.Stat(files, "PKGBUILD"); err == nil && !info.Mode().IsRegular() {
		return "", errors.New("reading PKGBUILD: not a regular file")
	}
	f, err := files.Open("PKGBUILD")
	if err != nil {
		return "", fmt.Errorf("reading PKGBUILD: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxScript+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("reading PKGBUILD: %w", err)
	case len(data) > maxScript:
		return "", &LimitError{"PKGBUILD", 1, "size of the file"}
	}
	script := string(data)
	if before, _, found := strings.Cut(script, "\r"); found {
		return "", &LintError{[]Finding{{File: "PKGBUILD", Line: lineOf(before), Message: "contains carriage returns, so it cannot be sourced"}}}
	}
	if before, _, found := strings.Cut(script, "\x00"); found {
		return "", &SyntaxError{"PKGBUILD", lineOf(before), "contains a NUL byte"}
	}
	return script, nil
}

// lineOf is the number of the line that follows text.
func lineOf(before string) int { return strings.Count(before, "\n") + 1 }

// translate turns the shell's errors into those of this package.
func translate(err error) error {
	var syntax *shell.SyntaxError
	var unknown *shell.Unknown
	var fatal *shell.Fatal
	var exceeded *shell.Exceeded
	switch {
	case errors.As(err, &syntax):
		return &SyntaxError{syntax.File, syntax.Line, syntax.Message}
	case errors.As(err, &fatal):
		return &SyntaxError{fatal.File, fatal.Line, fatal.Message}
	case errors.As(err, &unknown):
		return &NeedsEvaluation{unknown.File, unknown.Line, unknown.What}
	case errors.As(err, &exceeded):
		return &LimitError{exceeded.File, exceeded.Line, exceeded.What}
	}
	return err
}

// newMakepkg prepares the shell as makepkg does before it sources a PKGBUILD.
func newMakepkg(ctx context.Context, dir string, files fs.FS, options Options) *makepkg {
	now := options.Now
	if now.IsZero() {
		now = time.Now()
	}
	m := &makepkg{files: files, dir: dir, functions: map[string]map[declaration][]string{}}
	m.sh = shell.New(ctx, &shell.Config{Files: files, Dir: dir, File: "PKGBUILD", Now: now, Timeout: cmp.Or(options.Timeout, 5*time.Second), Commands: commands(m), Hidden: hidden})
	for name, value := range configuration(cmp.Or(options.Architecture, "x86_64"), dir) {
		m.sh.Set(name, value)
	}
	m.sh.SetArray("BUILDENV", []string{"!distcc", "color", "!ccache", "check", "!sign"})
	m.sh.SetArray("OPTIONS", []string{"strip", "docs", "!libtool", "!staticlibs", "emptydirs", "zipman", "purge", "debug", "lto"})
	m.sh.SetArray("INTEGRITY_CHECK", []string{"sha256"})
	for _, name := range environment {
		m.sh.SetUnknown(name, "$"+name)
	}
	m.sh.SetReadonly("startdir", dir)
	m.sh.SetReadonly("BUILDSCRIPT", "PKGBUILD")
	m.sh.SetReadonly("confdir", "/etc")
	for name, value := range maps.All(options.Variables) {
		m.sh.Set(name, value)
	}
	return m
}

// environment names variables of the user's session, which nobody here knows.
var environment = []string{"HOME", "USER", "LOGNAME", "PATH", "SHELL", "TERM", "LANG", "LC_ALL", "XDG_CONFIG_HOME", "SOURCE_DATE_EPOCH", "makepkg_version"}

// configuration is Arch Linux's makepkg.conf for an architecture, and the
// settings of makepkg itself.
func configuration(arch, dir string) map[string]string {
	values := map[string]string{
		"CARCH": arch, "CHOST": arch + "-pc-linux-gnu", "PKGEXT": ".pkg.tar.zst", "SRCEXT": ".src.tar.gz",
		"CPPFLAGS":   "",
		"CFLAGS":     "-O2 -pipe -fno-plt -fexceptions -Wp,-D_FORTIFY_SOURCE=3 -Wformat -Werror=format-security -fstack-clash-protection",
		"LDFLAGS":    "-Wl,-O1 -Wl,--sort-common -Wl,--as-needed -Wl,-z,relro -Wl,-z,now -Wl,-z,pack-relative-relocs",
		"LTOFLAGS":   "-flto=auto",
		"MAKEFLAGS":  "-j2",
		"RUSTFLAGS":  "-Cforce-frame-pointers=yes",
		"PACKAGER":   "Unknown Packager",
		"PKGDEST":    dir,
		"SRCDEST":    dir,
		"SRCPKGDEST": dir,
		"LOGDEST":    dir,
		"BUILDDIR":   dir,
		"PACMAN":     "pacman",
		"PWD":        dir,
		"BUILDFILE":  dir + "/PKGBUILD",
		"DBGSRCDIR":  "/usr/src/debug",
		"GPGKEY":     "",
		"LIBRARY":    "/usr/share/makepkg",
	}
	if arch == "x86_64" {
		values["CFLAGS"] = "-march=x86-64 -mtune=generic " + values["CFLAGS"] + " -fcf-protection"
	}
	values["CXXFLAGS"] = values["CFLAGS"] + " -Wp,-D_GLIBCXX_ASSERTIONS"
	for _, name := range []string{"ASDEPS", "BUILDFUNC", "BUILDPKG", "CHECKFUNC", "CLEANBUILD", "CLEANUP", "DEP_BIN", "FORCE", "GENINTEG",
		"HOLDVER", "INFAKEROOT", "INSTALL", "LOGGING", "NEEDED", "NOARCHIVE", "NOBUILD", "NODEPS", "NOEXTRACT", "PKGFUNC", "PKGVERFUNC",
		"PREPAREFUNC", "REPKG", "REPRODUCIBLE", "RMDEPS", "SKIPCHECKSUMS", "SKIPPGPCHECK", "SPLITPKG", "SOURCEONLY", "VERIFYSOURCE"} {
		values[name] = "0"
	}
	values["IGNOREARCH"], values["PRINTSRCINFO"] = "1", "1"
	return values
}
