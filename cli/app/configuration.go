package app

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"ahriman/core/alpm"
	"ahriman/core/config"
)

// configuration reads the file that -c names, with its includes and the
// environment.
func (g *Globals) configuration(env *Env) (*config.File, error) {
	file, err := config.Load(g.Configuration, env.Environ)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, Hinted(err, "name the file with -c, or write one: ahriman service-setup")
	}
	return file, err
}

// chosen returns the repositories that -r and -a choose: all without them.
func (g *Globals) chosen(file *config.File) ([]alpm.RepositoryID, error) {
	ids, err := file.Select(g.Repository, g.Architecture)
	if errors.Is(err, config.ErrNoRepository) {
		return nil, Hinted(err, "set one up with ahriman service-setup, or name it with -r and -a")
	}
	return ids, err
}

// one returns the repository that -r and -a choose, for commands that work on
// one; it is wrong usage when there are several.
func (g *Globals) one(file *config.File) (alpm.RepositoryID, error) {
	ids, err := g.chosen(file)
	if err != nil {
		return alpm.RepositoryID{}, err
	}
	if len(ids) > 1 {
		return alpm.RepositoryID{}, Hinted(
			Usagef("this command needs one repository, and there are %s", joined(ids)), "choose with -r and -a")
	}
	return ids[0], nil
}

func joined(ids []alpm.RepositoryID) string {
	words := make([]string, len(ids))
	for i, id := range ids {
		words[i] = id.String()
	}
	return strings.Join(words, ", ")
}

// identifier is how ahriman's API and commands write a repository in one word.
func identifier(id alpm.RepositoryID) string {
	return fmt.Sprintf("%s-%s", id.Architecture, id.Name)
}
