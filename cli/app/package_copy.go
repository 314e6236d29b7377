package app

import (
	"cmp"
	"context"
	"errors"

	"ahriman/core/alpm"
	"ahriman/core/config"
	"ahriman/core/repository"
	"ahriman/core/update"
)

// packageCopy publishes bases of another repository of this node.
type packageCopy struct {
	ExitCode bool     `short:"e" help:"exit 4 when there is nothing to copy"`
	Remove   bool     `help:"remove the packages from the repository they come from, once they are published"`
	JSON     bool     `name:"json" help:"print events, one JSON object a line"`
	Source   string   `arg:"" complete:"repositories" help:"name of the repository to copy from, of the same architecture"`
	Package  []string `arg:"" complete:"packages" help:"package bases, or - for names from standard input"`
}

// Help has the examples.
func (packageCopy) Help() string {
	return `The packages are published in the repository that --repository names, all of them in one publication, with their signatures and with what is known of their sources; none of them is when one is not there, or is newer in this one already. Where this repository's packages are signed (sign.target), those that are not are signed.

Examples: from testing to the repository for everybody; all of it that has been built.

    ahriman -r extra package-copy --remove testing hello
    ahriman -r testing package-status --status success --json | ahriman -r extra package-copy testing -`
}

// Run copies the bases, then removes them where they came from.
func (c *packageCopy) Run(ctx context.Context, env *Env, globals *Globals) error {
	outcome := NewOutcome(env, c.JSON)
	bases, err := outcome.Names(c.Package, "base", "name")
	if err != nil {
		return err
	}
	to, err := globals.single(env)
	if err != nil {
		return err
	}
	from, err := c.source(env, globals, to.ID)
	if err != nil {
		return err
	}
	if len(bases) == 0 {
		return cmp.Or(outcome.Err(), nothing(c.ExitCode))
	}
	n, err := globals.openNode(ctx, env, to)
	if err != nil {
		return err
	}
	defer n.Close()
	source, err := globals.nodeWith(env, from, n.store)
	if err != nil {
		return err
	}
	defer source.Close()
	narrator := newNarrator(env, globals, c.JSON, false)
	flow, err := n.flow(flowOptions{builds: true, observers: []update.Observer{narrator}})
	if err != nil {
		return err
	}
	removal, err := source.flow(flowOptions{observers: []update.Observer{narrator}})
	if err != nil {
		return err
	}
	copied, err := flow.Copy(ctx, source.repository, bases)
	if err == nil && c.Remove {
		_, err = removal.Remove(ctx, bases)
	}
	if err := outcome.Ran(c.explain(err)); err != nil {
		return err
	}
	return cmp.Or(outcome.Err(), nothing(c.ExitCode && copied.Empty()))
}

// source returns the settings of the repository to copy from.
func (c *packageCopy) source(env *Env, globals *Globals, to alpm.RepositoryID) (*config.Settings, error) {
	if c.Source == to.Name {
		return nil, Hinted(Usagef("%s cannot be copied to itself", c.Source), "name the repository to copy to with --repository")
	}
	file, err := globals.configuration(env)
	if err != nil {
		return nil, err
	}
	known, err := file.Select(c.Source, "")
	if err != nil {
		return nil, Hinted(err, "service-repositories lists those of this node")
	}
	for _, id := range known {
		if id.Architecture == to.Architecture {
			return file.For(id)
		}
	}
	return nil, Hinted(Usagef("%s is no repository of packages for %s", c.Source, to.Architecture), "service-repositories lists those of this node")
}

// explain adds the hint that fits. Packages stay where they came from also when
// only a trigger failed.
func (c *packageCopy) explain(err error) error {
	if _, ok := errors.AsType[*update.OlderError](err); ok {
		return Hinted(err, "package-remove takes the newer one out of this repository")
	}
	if errors.Is(err, repository.ErrUnknownBase) {
		return Hinted(err, "ahriman -r "+c.Source+" package-status lists what there is")
	}
	return outcomeError(err)
}
