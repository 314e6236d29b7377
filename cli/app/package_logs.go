package app

import (
	"context"
	"strings"

	"ahriman/core/alpm"
	"ahriman/core/store"
)

// packageLogs prints what the last build of a package said.
type packageLogs struct {
	ExitCode bool   `short:"e" help:"exit 4 when there is nothing to show"`
	Package  string `arg:"" complete:"packages" help:"package base"`
}

// Help has the examples.
func (packageLogs) Help() string {
	return `Example:

    ahriman package-logs hello | less`
}

// Run prints the lines as they were read. A package may have a log and be no
// longer, or not yet, in the repository.
func (c *packageLogs) Run(ctx context.Context, env *Env, globals *Globals) error {
	var lines []store.LogLine
	err := globals.eachStore(ctx, env, func(db *store.DB, id alpm.RepositoryID) error {
		found, err := db.LastLog(ctx, id, c.Package, 0)
		if err != nil {
			return err
		}
		if lines == nil {
			lines = found
		}
		if found == nil {
			_, err = db.Package(ctx, id, c.Package)
		}
		return err
	})
	if err != nil {
		return err
	}
	if len(lines) == 0 {
		return nothing(c.ExitCode)
	}
	var text strings.Builder
	for _, line := range lines {
		text.WriteString(line.Message + "\n")
	}
	return printText(env, text.String())
}
