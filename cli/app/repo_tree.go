package app

import (
	"context"
	"fmt"
	"strings"

	"ahriman/core/alpm"
	"ahriman/core/tree"
)

// repoTree prints in which order and in which parts packages can be built.
type repoTree struct {
	Partitions int      `short:"p" default:"1" placeholder:"N" help:"split into at most N parts that need nothing of each other"`
	Partition  *int     `placeholder:"K" help:"print part K only, counted from 0; nothing when there are fewer"`
	By         string   `enum:"count,time" default:"count" help:"parts of as many bases, or of as many seconds (${enum})"`
	Names      bool     `xor:"form" help:"print nothing but bases, one a line, in an order that gives each what it needs"`
	JSON       bool     `xor:"form" help:"print one object a line: partition, level, base, version, seconds"`
	From       []string `sep:"none" placeholder:"DIR" complete:"directories" help:"instead of the repository, take the PKGBUILD in DIR, or those in the directories in it; - for standard input"`
	More       []string `arg:"" optional:"" name:"dir" complete:"directories" help:"further directories for --from"`
}

// Help has the examples.
func (repoTree) Help() string {
	return `A base stands on the level below the first that needs it; all of a level can be built at once. Parts need nothing of each other: give each to another worker. --by count splits as ahriman always did; --by time gives each about as many seconds, by the times of earlier builds.

A cycle is named on standard error; its members stand on one level.

Examples: the levels; the share of the second of three workers; what is built from a checkout of PKGBUILDs.

    ahriman repo-tree
    ahriman repo-tree -p 3 --partition 1 --names | ahriman build -
    ahriman repo-tree --by time -p 2 --partition 0 --json --from ~/pkgbuilds | ahriman build -`
}

// treeLine is what --json prints.
type treeLine struct {
	Repository   string  `json:"repository,omitempty"`
	Architecture string  `json:"architecture,omitempty"`
	Partition    int     `json:"partition"`
	Level        int     `json:"level"`
	Base         string  `json:"base"`
	Dir          string  `json:"dir,omitempty"` // with --from: that of the PKGBUILD
	Version      string  `json:"version"`
	Seconds      float64 `json:"seconds,omitempty"` // of a build; missing where it is not known
	Cycle        int     `json:"cycle,omitempty"`   // members of one cycle have the same number, from 1
}

// forest is the packages to print the tree of, and where they are from.
type forest struct {
	id       alpm.RepositoryID
	packages []tree.Package
	dirs     map[string]string // of the sources, by base; those of a repository are not known
}

// Run prints the tree of each repository, or of the directories.
func (c *repoTree) Run(ctx context.Context, env *Env, globals *Globals) error {
	if c.Partitions < 1 {
		return Usagef("--partitions must be at least 1")
	}
	if c.Partition != nil && (*c.Partition < 0 || *c.Partition >= c.Partitions) {
		return Usagef("--partition must be between 0 and %d, one below --partitions", c.Partitions-1)
	}
	if len(c.More) > 0 && len(c.From) == 0 {
		return Usagef("%s: directories are named with --from", c.More[0])
	}
	outcome := NewOutcome(env, c.JSON)
	forests, err := c.collect(ctx, env, globals, outcome)
	if err != nil {
		return err
	}
	for _, f := range forests {
		if err := c.print(env, f, len(forests) > 1); err != nil {
			return err
		}
	}
	return outcome.Err()
}

func (c *repoTree) collect(ctx context.Context, env *Env, globals *Globals, outcome *Outcome) ([]forest, error) {
	if len(c.From) > 0 {
		f, err := sourcePackages(ctx, env, globals, append(c.From, c.More...), outcome)
		return []forest{f}, err
	}
	file, err := globals.configuration(env)
	if err != nil {
		return nil, err
	}
	ids, err := globals.chosen(file)
	if err != nil {
		return nil, err
	}
	var forests []forest
	for _, id := range ids {
		packages, err := repositoryPackages(ctx, file, id)
		if err != nil {
			return nil, err
		}
		forests = append(forests, forest{id: id, packages: packages})
	}
	return forests, nil
}

func (c *repoTree) print(env *Env, f forest, several bool) error {
	graph := tree.New(f.packages)
	cycles := c.warn(env, f, graph)
	if several && !c.JSON && !c.Names {
		if err := env.Out().Println("repository " + f.id.String()); err != nil {
			return err
		}
	}
	parts := c.split(graph)
	var text strings.Builder
	for i, part := range parts {
		if c.Partition != nil && i != *c.Partition {
			continue
		}
		levels := part.Levels()
		if c.JSON {
			if err := c.printJSON(env, f, i, levels, cycles); err != nil {
				return err
			}
			continue
		}
		c.write(&text, i, levels)
	}
	_, err := env.Stdout.Write([]byte(text.String()))
	return err
}

func (c *repoTree) split(graph *tree.Graph) []*tree.Graph {
	if c.By == "time" {
		return graph.PartitionsByTime(c.Partitions)
	}
	return graph.Partitions(c.Partitions)
}

// maxNamed is how many members of a cycle are named.
const maxNamed = 20

// warn names the cycles, and numbers their members.
func (c *repoTree) warn(env *Env, f forest, graph *tree.Graph) map[string]int {
	numbers := map[string]int{}
	for i, members := range graph.Cycles() {
		var names []string
		for _, p := range members {
			numbers[p.Base] = i + 1
			names = append(names, p.Base)
		}
		where, rest := "", ""
		if f.id.Name != "" {
			where = f.id.String() + ": "
		}
		if len(names) > maxNamed {
			rest = fmt.Sprintf(" and %d more (--json marks them)", len(names)-maxNamed)
		}
		env.Warn("%s%d bases need each other in a circle: %s%s", where, len(names),
			strings.Join(names[:min(len(names), maxNamed)], ", "), rest)
	}
	if c.By == "time" && !timed(f.packages) {
		env.Warn("no build time is known: parts are made by count")
	}
	return numbers
}

func timed(packages []tree.Package) bool {
	for _, p := range packages {
		if p.Seconds > 0 {
			return true
		}
	}
	return len(packages) == 0
}

// write prints a part as ahriman does, or names only.
func (c *repoTree) write(text *strings.Builder, number int, levels [][]tree.Package) {
	if !c.Names {
		fmt.Fprintf(text, "partition #%d\n", number)
	}
	for i, level := range levels {
		if !c.Names {
			fmt.Fprintf(text, "level #%d\n", i)
		}
		for _, p := range level {
			if c.Names {
				text.WriteString(p.Base + "\n")
			} else {
				text.WriteString("\t" + p.Base + " " + p.Version + "\n")
			}
		}
	}
	if !c.Names {
		text.WriteByte('\n')
	}
}

func (c *repoTree) printJSON(env *Env, f forest, number int, levels [][]tree.Package, cycles map[string]int) error {
	out := env.Out()
	for i, level := range levels {
		for _, p := range level {
			err := out.JSON(treeLine{Repository: f.id.Name, Architecture: f.id.Architecture, Partition: number, Level: i,
				Base: p.Base, Dir: f.dirs[p.Base], Version: p.Version, Seconds: p.Seconds, Cycle: cycles[p.Base]})
			if err != nil {
				return err
			}
		}
	}
	return nil
}
