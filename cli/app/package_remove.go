package app

import (
	"context"
	"errors"

	"ahriman/core/config"
	"ahriman/core/store"
	"ahriman/core/update"
)

type packageRemove struct {
	JSON    bool     `name:"json" help:"print one JSON object a line"`
	Package []string `arg:"" complete:"packages" help:"package bases, or - for names from standard input"`
}

// Help shows how the command is used.
func (c *packageRemove) Help() string {
	return `Packages, signatures and entries leave the repository in one publication; the generation before it stays for repo-rollback. When workers build for a master, remove the package on the worker first, then on the master.

Examples:

    ahriman package-remove hello
    ahriman package-status --status failed --json | jq -r .base | ahriman package-remove -`
}

// Run removes the bases from each selected repository that has them.
func (c *packageRemove) Run(ctx context.Context, env *Env, globals *Globals) error {
	bases, err := allItems(env, c.Package, "base", "name")
	if err != nil {
		return err
	}
	all, err := globals.settings(env)
	if err != nil {
		return err
	}
	found := false
	for _, s := range all {
		err := c.remove(ctx, env, globals, s, bases)
		if errors.Is(err, store.ErrUnknownPackage) && len(all) > 1 {
			continue
		}
		if err != nil {
			return err
		}
		found = true
	}
	if !found {
		return Hinted(store.ErrUnknownPackage, "package-status lists what there is")
	}
	return nil
}

func (c *packageRemove) remove(ctx context.Context, env *Env, globals *Globals, s *config.Settings, bases []string) error {
	n, err := globals.openNode(ctx, env, s)
	if err != nil {
		return err
	}
	defer n.Close()
	flow, err := n.flow(flowOptions{observers: []update.Observer{newNarrator(env, globals, c.JSON, false)}})
	if err != nil {
		return err
	}
	_, err = flow.Remove(ctx, bases)
	return outcomeError(err)
}

// allItems reads all items at once: what they name is handled together. A
// failure that came in through the pipe ends the command.
func allItems(env *Env, args []string, fields ...string) ([]string, error) {
	var texts []string
	for item, err := range Items(env, args, fields...) {
		if err != nil {
			return nil, err
		}
		texts = append(texts, item.Text)
	}
	return texts, nil
}
