package app

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"ahriman/cli/ui"
	"ahriman/core/config"
	"ahriman/core/source"
)

// aurSearch searches the AUR.
type aurSearch struct {
	ExitCode bool     `short:"e" help:"exit 4 when nothing is found"`
	Info     bool     `negatable:"" help:"show more of each package"`
	SortBy   string   `enum:"name,package_base,version,description,url,url_path,maintainer,submitter,num_votes,popularity,out_of_date,first_submitted,last_modified" default:"name" placeholder:"FIELD" help:"field to sort by, then by name: ${enum}"`
	JSON     bool     `name:"json" help:"print one JSON object a line"`
	Search   []string `arg:"" complete:"none" help:"words that the name or description holds, all of them"`
}

// Help has the examples.
func (aurSearch) Help() string {
	return `The AUR is the one of aur.address. It wants words of two letters at least.

Examples: what is liked most, last; add what one maintainer has.

    ahriman aur-search --sort-by num_votes pacman helper
    ahriman aur-search --json ahriman | jq -r 'select(.maintainer == "arcanis") | .package_base' | sort -u | ahriman package-add -`
}

// aurLine is what --json prints of a package.
type aurLine struct {
	Name           string  `json:"name"`
	Base           string  `json:"package_base"`
	Version        string  `json:"version"`
	Description    string  `json:"description"`
	URL            string  `json:"url"`
	URLPath        string  `json:"url_path"`
	Maintainer     string  `json:"maintainer"`
	Submitter      string  `json:"submitter"`
	NumVotes       int     `json:"num_votes"`
	Popularity     float64 `json:"popularity"`
	OutOfDate      int64   `json:"out_of_date"`     // unix seconds; 0: it is not
	FirstSubmitted int64   `json:"first_submitted"` // unix seconds
	LastModified   int64   `json:"last_modified"`   // unix seconds
}

// Run prints what is found.
func (c *aurSearch) Run(ctx context.Context, env *Env, globals *Globals) error {
	sources, err := globals.aur(env)
	if err != nil {
		return err
	}
	found, err := sources.Search(ctx, c.Search...)
	if err != nil {
		return err
	}
	slices.SortStableFunc(found, c.compare) // they come by name
	out := env.Out()
	columns := []string{"package", "version", "#votes", "description"}
	if c.Info {
		columns = []string{"package", "base", "version", "#votes", "#popularity", "maintainer", "modified", "out of date", "url", "description"}
	}
	table := out.Table(columns...)
	for _, p := range found {
		if !c.JSON {
			c.row(table, p)
			continue
		}
		line := aurLine{p.Name, p.Base, p.Version, p.Description, p.URL, p.URLPath, p.Maintainer, p.Submitter,
			p.NumVotes, p.Popularity, p.OutOfDate, p.FirstSubmitted, p.LastModified}
		if err := out.JSON(line); err != nil {
			return err
		}
	}
	if c.ExitCode && len(found) == 0 {
		return ErrNothing
	}
	return table.Flush()
}

func (c *aurSearch) row(table *ui.Table, p source.AURPackage) {
	if !c.Info {
		table.Row(p.Name, p.Version, p.NumVotes, p.Description)
		return
	}
	outdated := ""
	if p.OutOfDate > 0 {
		outdated = since(p.OutOfDate)
	}
	table.Row(p.Name, p.Base, p.Version, p.NumVotes, p.Popularity, p.Maintainer, since(p.LastModified), outdated, p.URL, p.Description)
}

// compare puts two packages in the order of --sort-by.
func (c *aurSearch) compare(a, b source.AURPackage) int {
	switch c.SortBy {
	case "package_base":
		return strings.Compare(a.Base, b.Base)
	case "version":
		return strings.Compare(a.Version, b.Version)
	case "description":
		return strings.Compare(a.Description, b.Description)
	case "url":
		return strings.Compare(a.URL, b.URL)
	case "url_path":
		return strings.Compare(a.URLPath, b.URLPath)
	case "maintainer":
		return strings.Compare(a.Maintainer, b.Maintainer)
	case "submitter":
		return strings.Compare(a.Submitter, b.Submitter)
	case "num_votes":
		return cmp.Compare(a.NumVotes, b.NumVotes)
	case "popularity":
		return cmp.Compare(a.Popularity, b.Popularity)
	case "out_of_date":
		return cmp.Compare(a.OutOfDate, b.OutOfDate)
	case "first_submitted":
		return cmp.Compare(a.FirstSubmitted, b.FirstSubmitted)
	case "last_modified":
		return cmp.Compare(a.LastModified, b.LastModified)
	}
	return 0
}

// aur returns what asks the AUR, of any selected repository: a machine with no
// repository yet searches all the same.
func (g *Globals) aur(env *Env) (*source.Fetcher, error) {
	all, err := g.settings(env)
	switch {
	case errors.Is(err, config.ErrNoRepository):
		return source.New(source.Config{}), nil
	case err != nil:
		return nil, err
	}
	return source.New(fetcherConfig(all[0])), nil
}
