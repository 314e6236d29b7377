package app

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"ahriman/core/pkgbuild"
)

// srcinfo prints the metadata of PKGBUILDs without running them.
type srcinfo struct {
	Directories []string `arg:"" optional:"" name:"dir" complete:"directories" help:"directory of a PKGBUILD, by default the current one; - for standard input"`
	JSON        bool     `name:"json" help:"print one object a line: path, base, version, packages, srcinfo"`
}

// Help has the examples.
func (srcinfo) Help() string {
	return `Prints what makepkg --printsrcinfo prints, for the architecture of this machine or that of -a; several files have an empty line between them. The PKGBUILD is read, not run: no command, no network, no file outside its directory. What only a run can tell is an error that says so, with the line; so is what makepkg would refuse. A .SRCINFO that is there already is not looked at.

Examples: write the file; the versions of a checkout of PKGBUILDs.

    ahriman srcinfo > .SRCINFO
    ls -d */ | ahriman srcinfo --json - | jq -r 'select(.base) | .base + " " + .version'`
}

// srcinfoLine is what --json prints.
type srcinfoLine struct {
	Path     string   `json:"path"`
	Base     string   `json:"base"`
	Version  string   `json:"version"`
	Packages []string `json:"packages"`
	Srcinfo  string   `json:"srcinfo"` // the file's text
}

// Run prints the metadata of each directory in order.
func (c *srcinfo) Run(ctx context.Context, env *Env, globals *Globals) error {
	directories := c.Directories
	if len(directories) == 0 {
		directories = []string{"."}
	}
	outcome := NewOutcome(env, c.JSON)
	options := pkgbuild.Options{Architecture: globals.Architecture}
	if options.Architecture == "" {
		options.Architecture = machine()
	}
	separator := ""
	for item, err := range outcome.Items(directories, "path", "dir") {
		if err != nil {
			return err
		}
		info, err := pkgbuild.Evaluate(ctx, item.Text, options)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			outcome.Fail(item.Text, evaluationError(item.Text, err))
			continue
		}
		if err := c.print(env, item.Text, separator, info); err != nil {
			return err
		}
		separator = "\n"
		outcome.Done()
	}
	return outcome.Err()
}

func (c *srcinfo) print(env *Env, path, separator string, info *pkgbuild.Srcinfo) error {
	var text strings.Builder
	if _, err := info.WriteTo(&text); err != nil {
		return err
	}
	if c.JSON {
		return env.Out().JSON(srcinfoLine{path, info.Base, info.Version(), info.Names(), text.String()})
	}
	_, err := fmt.Fprint(env.Stdout, separator, text.String())
	return err
}

// evaluationError says which directory is meant, and what helps.
func evaluationError(directory string, err error) error {
	err = fmt.Errorf("reading %s: %w", directory, err)
	var needs *pkgbuild.NeedsEvaluation
	if errors.As(err, &needs) {
		return Hinted(err, "only a run can tell: makepkg --printsrcinfo, in a sandbox unless you trust the file")
	}
	return err
}
