package app

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"ahriman/core/backup"
)

// repoRestore puts back what repo-backup has packed.
type repoRestore struct {
	Output    string `short:"o" default:"/" placeholder:"DIRECTORY" complete:"directories" help:"directory that stands for the root of the archive's paths"`
	Overwrite bool   `help:"replace files that are there and have other contents"`
	DryRun    bool   `help:"show what would be restored, and what is there already"`
	JSON      bool   `name:"json" help:"print one object a line: path, size, state"`
	Path      string `arg:"" complete:"files" help:"archive, or - for standard input"`
}

// Help has the examples.
func (repoRestore) Help() string {
	return `What is there already and has other contents is never replaced, unless --overwrite says so; a database that is in use never is. The archive is checked before anything is written: one that is damaged, that leads out of the output directory, or that holds anything but files, directories and links within it, is refused. As root, files are given to the users who had them. The paths of what was restored are printed.

Examples: what would change; on a new machine, then build what the database knows.

    ahriman repo-restore --dry-run ahriman.tar.gz
    sudo ahriman repo-restore ahriman.tar.gz && sudo -u ahriman ahriman repo-rebuild --from-database`
}

// restoreLine is what --json prints.
type restoreLine struct {
	Path  string       `json:"path"`
	Size  int64        `json:"size"`
	State backup.State `json:"state"` // what there was
}

// Run checks the archive, then unpacks it.
func (c *repoRestore) Run(ctx context.Context, env *Env) error {
	output, err := filepath.Abs(c.Output)
	if err != nil {
		return err
	}
	archive, err := c.open(env)
	if err != nil {
		return err
	}
	defer archive.Close()
	options := backup.Options{Output: output, Overwrite: c.Overwrite}
	if c.DryRun {
		entries, err := backup.Check(ctx, archive, options)
		if err != nil {
			return err
		}
		return c.plan(env, entries)
	}
	entries, strangers, err := backup.Restore(ctx, archive, options)
	if blocked, ok := errors.AsType[*backup.BlockedError](err); ok {
		if len(blocked.InUse) > 0 {
			return Hinted(err, "stop the web service and all other commands that work with it")
		}
		return Hinted(err, "--dry-run shows all of them, --overwrite replaces them, --output restores elsewhere")
	}
	if errors.Is(err, fs.ErrPermission) {
		return Hinted(err, "restore as root, and again: what is there already is left")
	}
	if err != nil {
		return err
	}
	if len(strangers) > 0 {
		env.Warn("there is no user %s here: what they had belongs to root now", strings.Join(strangers, ", "))
	}
	return c.print(env, entries)
}

// open opens the archive; one that comes through a pipe is kept in a file
// without a name, since it is read twice.
func (c *repoRestore) open(env *Env) (*os.File, error) {
	if c.Path != "-" {
		return os.Open(c.Path)
	}
	f, err := os.CreateTemp(env.Getenv("TMPDIR"), "ahriman-restore-")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, err
	}
	// What is no archive is not read to an end that it may not have.
	archive, err := gzip.NewReader(io.TeeReader(env.Input(), f))
	if err == nil {
		_, err = io.Copy(io.Discard, archive)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("reading standard input: %w", err)
	}
	return f, nil
}

func (c *repoRestore) plan(env *Env, entries []backup.Entry) error {
	out := env.Out()
	table := out.Table("state", "#size", "path")
	for _, e := range entries {
		if c.JSON {
			if err := out.JSON(restoreLine(e)); err != nil {
				return err
			}
			continue
		}
		table.Row(e.State, e.Size, e.Path)
	}
	return table.Flush()
}

// print names what was restored.
func (c *repoRestore) print(env *Env, entries []backup.Entry) error {
	out := env.Out()
	for _, e := range entries {
		var err error
		switch {
		case e.State == backup.Same:
		case c.JSON:
			err = out.JSON(restoreLine(e))
		default:
			err = out.Println(e.Path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
