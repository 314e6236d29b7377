package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"ahriman/cli/ui"
	"ahriman/core/alpm"
	"ahriman/core/config"
	"ahriman/core/store"
)

type packageStatus struct {
	Ahriman  bool     `help:"show the status of the service too, before the packages"`
	ExitCode bool     `short:"e" help:"exit 4 when there is nothing to show"`
	Info     bool     `negatable:"" help:"show more of each package"`
	Status   string   `short:"s" enum:",unknown,pending,building,failed,success" default:"" placeholder:"STATUS" help:"only packages of this status: unknown, pending, building, failed or success"`
	JSON     bool     `name:"json" help:"print one JSON object a line"`
	Package  []string `arg:"" optional:"" complete:"packages" help:"package bases, or - for names from standard input; all when none is named"`
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
	outcome := NewOutcome(env, c.JSON)
	bases, err := outcome.Names(c.Package, "base", "name")
	if err != nil {
		return err
	}
	if len(bases) == 0 && len(c.Package) > 0 { // standard input names none, which is not all
		return cmp.Or(outcome.Err(), nothing(c.ExitCode))
	}
	c.Package = bases
	all, err := globals.settings(env)
	if err != nil {
		return err
	}
	out := ui.New(env.Stdout, env.Getenv)
	shown := 0
	known := map[string]bool{}
	for _, s := range all {
		n, err := c.show(ctx, out, s, known)
		if err != nil {
			return err
		}
		shown += n
	}
	for _, base := range bases {
		if known[base] {
			outcome.Done()
		} else {
			outcome.Fail(base, fmt.Errorf("reading package %s: %w", base, store.ErrUnknownPackage))
		}
	}
	return cmp.Or(outcome.Err(), nothing(c.ExitCode && shown == 0))
}

// show prints one repository, returns how many packages, and adds those of the
// named ones that it has to known.
func (c *packageStatus) show(ctx context.Context, out *ui.Output, s *config.Settings, known map[string]bool) (int, error) {
	db, err := openStore(ctx, s)
	if err != nil {
		return 0, err
	}
	defer db.Close()
	records, err := c.records(ctx, db, s.ID, known)
	if err != nil {
		return 0, err
	}
	if c.Ahriman {
		if err := c.printService(ctx, out, db, s.ID); err != nil {
			return 0, err
		}
	}
	if c.JSON {
		return len(records), c.printJSON(out, s.ID, records)
	}
	return len(records), c.printTable(out, records)
}

// serviceLine is what --json prints of the service.
type serviceLine struct {
	Repository   string       `json:"repository"`
	Architecture string       `json:"architecture"`
	Status       store.Status `json:"status"`
	Changed      int64        `json:"timestamp"` // unix seconds
}

func (c *packageStatus) printService(ctx context.Context, out *ui.Output, db *store.DB, id alpm.RepositoryID) error {
	status, changed, err := db.ServiceStatus(ctx, id)
	if err != nil {
		return err
	}
	if c.JSON {
		return out.JSON(serviceLine{id.Name, id.Architecture, status, changed})
	}
	return out.Println(fmt.Sprintf("%s: %s since %s", id, status, since(changed)))
}

func (c *packageStatus) records(ctx context.Context, db *store.DB, id alpm.RepositoryID, known map[string]bool) ([]store.Record, error) {
	var records []store.Record
	if len(c.Package) == 0 {
		var err error
		if records, err = db.Packages(ctx, id); err != nil {
			return nil, err
		}
	}
	for _, base := range c.Package {
		record, err := db.Package(ctx, id, base)
		if errors.Is(err, store.ErrUnknownPackage) {
			continue
		}
		if err != nil {
			return nil, err
		}
		known[base] = true
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
			r.Package.Packager, strings.Join(slices.Sorted(maps.Keys(r.Package.Packages)), ", "))
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
