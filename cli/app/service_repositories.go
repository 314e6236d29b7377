package app

import (
	"ahriman/core/alpm"
	"ahriman/core/repository"
)

// serviceRepositories lists the repositories of this node.
type serviceRepositories struct {
	IDOnly bool `name:"id-only" negatable:"" help:"print nothing but ARCHITECTURE-NAME, one a line"`
	JSON   bool `help:"print one object a line"`
}

// Help has the examples.
func (serviceRepositories) Help() string {
	return `A repository is found where repository.root has a directory (or link) repository/NAME/ARCHITECTURE. When there is none, repository.name and repository.architecture of the configuration name it. -r and -a narrow the list.

Examples: all repositories; update each on its own.

    ahriman service-repositories
    ahriman service-repositories --json | jq -r '"-r \(.repository) -a \(.architecture)"' | xargs -L1 ahriman repo-update`
}

// repositoryLine is what --json prints.
type repositoryLine struct {
	ID           string `json:"id"`
	Repository   string `json:"repository"`
	Architecture string `json:"architecture"`
	Path         string `json:"path"` // of the published directory
}

// Run prints one repository a line.
func (c *serviceRepositories) Run(env *Env, globals *Globals) error {
	file, err := globals.configuration(env)
	if err != nil {
		return err
	}
	ids, err := globals.chosen(file)
	if err != nil {
		return err
	}
	root, err := file.Root()
	if err != nil {
		return err
	}
	out := env.Out()
	table := out.Table("id", "repository", "architecture", "path")
	for _, id := range ids {
		line := describe(root, id)
		switch {
		case c.JSON:
			err = out.JSON(line)
		case c.IDOnly:
			err = out.Println(line.ID)
		default:
			table.Row(line.ID, line.Repository, line.Architecture, line.Path)
		}
		if err != nil {
			return err
		}
	}
	return table.Flush()
}

func describe(root string, id alpm.RepositoryID) repositoryLine {
	return repositoryLine{ID: identifier(id), Repository: id.Name, Architecture: id.Architecture,
		Path: repository.PublishedPath(root, id)}
}
