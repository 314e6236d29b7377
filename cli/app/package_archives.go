package app

import (
	"context"
	"time"

	"ahriman/cli/ui"
	"ahriman/core/alpm"
)

// packageArchives lists the package files of a base that are kept.
type packageArchives struct {
	ExitCode bool   `short:"e" help:"exit 4 when there are none"`
	Info     bool   `negatable:"" help:"show more of each package"`
	JSON     bool   `name:"json" help:"print one JSON object a line"`
	Package  string `arg:"" complete:"packages" help:"package base"`
}

// Help has the examples.
func (packageArchives) Help() string {
	return `How many versions are kept says archive.keep_built_packages; generations keep theirs too, see repo-rollback.

Examples: the versions to go back to; go back to the one before the last.

    ahriman package-archives hello
    ahriman package-rollback hello "$(ahriman package-archives --json hello | jq -r .version | uniq | tail -n 2 | head -n 1)"`
}

// archiveLine is what --json prints of a package file.
type archiveLine struct {
	Base         string `json:"base"`
	Name         string `json:"name"`
	Version      string `json:"version"`
	Architecture string `json:"architecture"`
	Path         string `json:"path"`
	Size         int64  `json:"size"`           // bytes of the file
	Installed    int64  `json:"installed_size"` // bytes
	Built        int64  `json:"build_date"`     // unix seconds
	Packager     string `json:"packager,omitempty"`
}

// Run prints one package file a line, the oldest version first.
func (c *packageArchives) Run(ctx context.Context, env *Env, globals *Globals) error {
	s, err := globals.single(env)
	if err != nil {
		return err
	}
	repository, err := globals.openRepository(s, nil)
	if err != nil {
		return err
	}
	files, err := repository.Archives(ctx, c.Package)
	if err != nil {
		return err
	}
	out := env.Out()
	columns := []string{"package", "version", "built"}
	if c.Info {
		columns = append(columns, "#size", "#installed", "packager", "path")
	}
	table := out.Table(columns...)
	for _, p := range files {
		path := repository.PoolPath(c.Package, p.FileName)
		if !c.JSON {
			c.row(table, p, path)
			continue
		}
		line := archiveLine{p.Base, p.Name, p.Version, p.Architecture, path, p.CompressedSize, p.Size, p.BuildDate, p.Packager}
		if err := out.JSON(line); err != nil {
			return err
		}
	}
	if c.ExitCode && len(files) == 0 {
		return ErrNothing
	}
	return table.Flush()
}

func (c *packageArchives) row(table *ui.Table, p alpm.Package, path string) {
	built := time.Unix(p.BuildDate, 0).Format(time.DateTime)
	table.Row(p.Name, p.Version, built, p.CompressedSize, p.Size, p.Packager, path)
}
