package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"ahriman/core/source"
)

// maxPatch is how long the value of a patch may be, in bytes.
const maxPatch = 16 << 20

// patchAdd sets a variable or function of a PKGBUILD in every build.
type patchAdd struct {
	Package  string `arg:"" complete:"packages" help:"package base"`
	Variable string `arg:"" complete:"none" help:"variable of the PKGBUILD, or a function with its parentheses"`
	Patch    string `arg:"" optional:"" complete:"files" help:"file with the value; standard input when it is not named, or -"`
}

// Help has the examples.
func (patchAdd) Help() string {
	return `The value is appended to the PKGBUILD in every build of the base, and replaces an earlier one of the same variable. A value in parentheses is an array as a shell writes it, one in brackets as JSON does; the value of a function is its body in braces.

Examples: another release; a list; no tests.

    echo 7 | ahriman patch-add hello pkgrel
    echo "(git 'cmake>=3')" | ahriman patch-add hello makedepends
    ahriman patch-add hello 'check()' check.sh`
}

// Run stores the patch.
func (c *patchAdd) Run(ctx context.Context, env *Env, globals *Globals) error {
	value, err := c.value(env)
	if err != nil {
		return err
	}
	patch := source.Patch{Key: &c.Variable, Value: value}
	if err := patch.Validate(); err != nil {
		return err
	}
	_, db, err := globals.openUsers(ctx, env)
	if err != nil {
		return err
	}
	return errors.Join(db.SetPatch(ctx, c.Package, patch), db.Close())
}

// value reads the value, without white space around it.
func (c *patchAdd) value(env *Env) (string, error) {
	from, name := env.Input(), "standard input"
	if c.Patch != "" && c.Patch != "-" {
		file, err := os.Open(c.Patch)
		if err != nil {
			err = fmt.Errorf("reading the patch: %w", err)
			if errors.Is(err, fs.ErrNotExist) {
				return "", Hinted(err, fmt.Sprintf("a value itself comes from standard input: echo … | ahriman patch-add %s '%s'", c.Package, c.Variable))
			}
			return "", err
		}
		defer file.Close()
		from, name = file, c.Patch
	}
	text, err := io.ReadAll(io.LimitReader(from, maxPatch+1))
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", name, err)
	}
	if len(text) > maxPatch {
		return "", fmt.Errorf("reading %s: more than %d bytes", name, maxPatch)
	}
	return strings.TrimSpace(string(text)), nil
}
