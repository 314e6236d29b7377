package app

import (
	"context"
	"fmt"

	"github.com/alecthomas/kong"
)

// helpCommand shows the help of ahriman or one of its commands.
type helpCommand struct {
	Subcommand string `arg:"" optional:"" complete:"commands" help:"command to show help of"`
}

// Help has the examples.
func (helpCommand) Help() string {
	return `Example: what package-add does.

    ahriman help package-add`
}

// Run prints what --help prints.
func (c *helpCommand) Run(ctx context.Context, env *Env) error {
	args := []string{"--help"}
	if c.Subcommand != "" {
		args = []string{c.Subcommand, "--help"}
	}
	inner := *env
	inner.Args = args
	return run(ctx, &inner)
}

// helpCommandsUnsafe lists the commands that do not need to run as the owner of
// the repository's root, or tells whether a given command line is one of them.
type helpCommandsUnsafe struct {
	Subcommand []string `arg:"" optional:"" passthrough:"" complete:"commands" help:"instead of listing, fail when this command line is an unsafe one"`
}

// Help has the examples.
func (helpCommandsUnsafe) Help() string {
	return `An unsafe command may run as any user; all others expect the owner of repository.root. With a command line, nothing is printed and the exit status is 0 for a safe one and 1 for an unsafe one, so that a wrapper can decide whom to run it as.

Example: become the builder where that is needed.

    ahriman help-commands-unsafe -- "$@" && exec sudo -u ahriman -- ahriman "$@"`
}

// Run prints one command a line.
func (c *helpCommandsUnsafe) Run(env *Env, parser *kong.Kong) error {
	if len(c.Subcommand) > 0 {
		return c.test(parser)
	}
	for _, command := range parser.Model.Children {
		if command.Hidden || !command.Tag.Has("unsafe") {
			continue
		}
		if _, err := fmt.Fprintln(env.Stdout, command.Name); err != nil {
			return err
		}
	}
	return nil
}

func (c *helpCommandsUnsafe) test(parser *kong.Kong) error {
	args := c.Subcommand
	if args[0] == "--" {
		args = args[1:]
	}
	trace, err := kong.Trace(parser, args)
	if err != nil {
		return err
	}
	if selected := trace.Selected(); selected != nil && selected.Tag.Has("unsafe") {
		return &Reported{fmt.Errorf("%s is an unsafe command", selected.Name)}
	}
	return nil
}
