package app

import (
	"errors"
	"fmt"

	"ahriman/core/alpm"
	"ahriman/core/config"
)

// chosen returns the repositories that -r and -a choose: all without them.
func (g *Globals) chosen(file *config.File) ([]alpm.RepositoryID, error) {
	ids, err := file.Select(g.Repository, g.Architecture)
	if errors.Is(err, config.ErrNoRepository) {
		return nil, Hinted(err, "set one up with ahriman service-setup, or name it with -r and -a")
	}
	return ids, err
}

// identifier is how ahriman's API and commands write a repository in one word.
func identifier(id alpm.RepositoryID) string {
	return fmt.Sprintf("%s-%s", id.Architecture, id.Name)
}
