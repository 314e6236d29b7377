package app

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"ahriman/cli/ui"
	"ahriman/core/alpm"
	"ahriman/core/config"
	"ahriman/core/store"
)

type packageStatus struct {
	Ahriman  bool     `help:"show the status of the service too"`
	ExitCode bool     `short:"e" help:"exit 4 when there is nothing to show"`
	Info     bool     `negatable:"" help:"show more of each package"`
	Status   string   `short:"s" enum:",unknown,pending,building,failed,success" default:"" help:"only packages of this status"`
	JSON     bool     `name:"json" help:"print one JSON object a line"`
	Package  []string `arg:"" optional:"" complete:"packages" help:"package bases; all when none is named"`
}

// Help shows how the command is used.
func (c *packageStatus) Help() string {
	return `Examples:

    ahriman package-status
    ahriman package-status --info linux-tools
    ahriman package-status --status failed --json | jq -r .base`
}

// statusLine is what --json prints of a package.
type statusLine struct {
	Base         string            `json:"base"`
	Version      string            `json:"version"`
	Status       store.Status      `json:"status"`
	Changed      int64             `json:"timestamp"` // unix seconds
	Held         bool              `json:"is_held"`
	Source       string            `json:"source"`
	Packages     []string          `json:"packages"`
	Packager     string            `json:"packager,omitempty"`
	Repository   string            `json:"repository"`
	Architecture string            `json:"architecture"`
	Files        map[string]string `json:"files,omitempty"` // file by package, once built
}

// Run prints a table, or JSON lines.
func (c *packageStatus) Run(ctx context.Context, env *Env, globals *Globals) error {
	all, err := globals.settings(env)
	if err != nil {
		return err
	}
	out := ui.New(env.Stdout, env.Getenv)
	shown := 0
	for _, s := range all {
		n, err := c.show(ctx, env, out, s)
		if err != nil {
			return err
		}
		shown += n
	}
	if c.ExitCode && shown == 0 {
		return ErrNothing
	}
	return nil
}

// show prints one repository and returns how many packages.
func (c *packageStatus) show(ctx context.Context, env *Env, out *ui.Output, s *config.Settings) (int, error) {
	db, err := openStore(ctx, s)
	if err != nil {
		return 0, err
	}
	defer db.Close()
	records, err := c.records(ctx, db, s.ID)
	if err != nil {
		return 0, err
	}
	if c.JSON {
		return len(records), c.printJSON(out, s.ID, records)
	}
	if c.Ahriman {
		status, changed, err := db.ServiceStatus(ctx, s.ID)
		if err != nil {
			return 0, err
		}
		fmt.Fprintf(env.Stdout, "%s: %s since %s\n", s.ID, status, since(changed))
	}
	return len(records), c.printTable(out, records)
}

func (c *packageStatus) records(ctx context.Context, db *store.DB, id alpm.RepositoryID) ([]store.Record, error) {
	var records []store.Record
	if len(c.Package) == 0 {
		var err error
		if records, err = db.Packages(ctx, id); err != nil {
			return nil, err
		}
	}
	for _, base := range c.Package {
		record, err := db.Package(ctx, id, base)
		if err != nil {
			return nil, err
		}
		records = append(records, record)
	}
	return slices.DeleteFunc(records, func(r store.Record) bool {
		return c.Status != "" && string(r.Status) != c.Status
	}), nil
}

func (c *packageStatus) printJSON(out *ui.Output, id alpm.RepositoryID, records []store.Record) error {
	for _, r := range records {
		line := statusLine{
			Base: r.Package.Base, Version: r.Package.Version, Status: r.Status, Changed: r.Changed, Held: r.Held,
			Source: string(r.Package.Origin.Source), Packages: slices.Sorted(maps.Keys(r.Package.Packages)),
			Packager: r.Package.Packager, Repository: id.Name, Architecture: id.Architecture, Files: map[string]string{},
		}
		for name, p := range r.Package.Packages {
			if p.FileName != "" {
				line.Files[name] = p.FileName
			}
		}
		if err := out.JSON(line); err != nil {
			return err
		}
	}
	return nil
}

func (c *packageStatus) printTable(out *ui.Output, records []store.Record) error {
	columns := []string{"package", "version", "status", "since"}
	if c.Info {
		columns = append(columns, "source", "packager", "packages")
	}
	table := out.Table(columns...)
	for _, r := range records {
		status := ui.Cell{Text: string(r.Status), Colour: statusColour(r.Status)}
		if r.Held {
			status.Text += ", held"
		}
		table.Row(r.Package.Base, r.Package.Version, status, since(r.Changed), r.Package.Origin.Source,
			r.Package.Packager, fmt.Sprint(slices.Sorted(maps.Keys(r.Package.Packages))))
	}
	return table.Flush()
}

func statusColour(s store.Status) ui.Colour {
	switch s {
	case store.Success:
		return ui.Good
	case store.Failed:
		return ui.Bad
	case store.Building, store.Pending:
		return ui.Change
	}
	return ui.Plain
}

// since shows a time of the store, in unix seconds.
func since(seconds int64) string {
	if seconds == 0 {
		return "never"
	}
	return time.Unix(seconds, 0).Format("2006-01-02 15:04:05")
}
