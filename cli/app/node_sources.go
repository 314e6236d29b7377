package app

import (
	"context"

	"ahriman/core/update"
)

// addLooking adds what a flow needs to look for newer sources.
func (n *node) addLooking(c *update.Config) {
	c.VCSAge = n.settings.Build.VCSAllowedAge
	c.Version = func(ctx context.Context, dir string) (string, error) {
		runner, err := n.local()
		if err != nil {
			return "", err
		}
		return runner.Version(ctx, dir, n.settings.ID.Architecture)
	}
}
