package app

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/alecthomas/kong"
)

// version is set by the linker: -X ahriman/cli/app.version=1.2.3. Without it
// the version is what the Go tool recorded.
var version string

// Version returns the program's version: a tag, or the commit it was built of.
func Version() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	if revision := setting(info, "vcs.revision"); revision != "" {
		return "devel-" + revision[:min(12, len(revision))]
	}
	return "devel"
}

func setting(info *debug.BuildInfo, key string) string {
	for _, s := range info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}

// versionFlag prints the version and ends the command line, as --help does.
type versionFlag bool

// BeforeReset is called by kong where the flag stands, before it checks the rest.
func (versionFlag) BeforeReset(app *kong.Kong) error {
	if err := printVersion(app.Stdout); err != nil {
		return err
	}
	app.Exit(0)
	return nil
}

func printVersion(w io.Writer) error {
	_, err := fmt.Fprintf(w, "ahriman %s\n", Version())
	return err
}

// helpVersion prints the version, the compiler's and the modules'.
type helpVersion struct{}

// Help has the examples.
func (helpVersion) Help() string {
	return `The first line is what --version prints; the others are the compiler, the platform and each module built in.

Example: which SQLite is it?

    ahriman version | grep sqlite`
}

// Run prints "name version", one a line.
func (helpVersion) Run(env *Env) error {
	if err := printVersion(env.Stdout); err != nil {
		return err
	}
	return printBuild(env.Stdout)
}

func printBuild(w io.Writer) error {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil
	}
	lines := []string{info.GoVersion + " " + runtime.GOOS + "/" + runtime.GOARCH}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		lines = append(lines, m.Path+" "+m.Version)
	}
	for _, line := range lines {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}
