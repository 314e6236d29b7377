package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"ahriman/core/alpm"
)

// ErrNoRepository says that nothing names a repository: none is found below
// repository.root, and repository.name or repository.architecture is not set.
var ErrNoRepository = errors.New("no repository is configured")

// Repositories returns every repository found below repository.root, as
// repository/<name>/<architecture>, sorted by name; else the one that
// repository.name and repository.architecture name; else ErrNoRepository.
func (f *File) Repositories() ([]alpm.RepositoryID, error) {
	base, err := f.repository()
	if err != nil {
		return nil, err
	}
	found, err := published(filepath.Join(base.Root, "repository"))
	if err != nil {
		return nil, fmt.Errorf("looking for repositories: %w", err)
	}
	if len(found) > 0 {
		return found, nil
	}
	id := alpm.RepositoryID{Name: base.Name, Architecture: base.Architecture}
	if id.Name == "" || id.Architecture == "" {
		return nil, fmt.Errorf("%w: none is found below %s, and [repository] has no name and architecture",
			ErrNoRepository, base.Root)
	}
	return []alpm.RepositoryID{id}, nil
}

// Root returns repository.root, absolute: the directory of everything a node
// keeps.
func (f *File) Root() (string, error) {
	section, err := f.repository()
	return section.Root, err
}

// repository reads the section repository alone, so that an error elsewhere
// does not keep us from listing repositories.
func (f *File) repository() (Repository, error) {
	var section Repository
	errs := f.view(alpm.RepositoryID{}).fill([]string{"repository"}, f.schema.sections["repository"],
		reflect.ValueOf(&section).Elem())
	return section, errors.Join(errs...)
}

// Select returns the repositories that -r name and -a architecture choose; an
// empty one chooses all. Both together choose that one, there or not, so that
// it can be set up. It is ErrNoRepository when they choose none.
func (f *File) Select(name, architecture string) ([]alpm.RepositoryID, error) {
	for _, part := range []string{name, architecture} {
		if err := checkName(part); err != nil {
			return nil, err
		}
	}
	if name != "" && architecture != "" {
		return []alpm.RepositoryID{{Name: name, Architecture: architecture}}, nil
	}
	all, err := f.Repositories()
	if err != nil {
		return nil, err
	}
	chosen := slices.DeleteFunc(slices.Clone(all), func(id alpm.RepositoryID) bool {
		return name != "" && id.Name != name || architecture != "" && id.Architecture != architecture
	})
	if len(chosen) == 0 {
		wanted := "name " + name
		if name == "" {
			wanted = "architecture " + architecture
		}
		return nil, fmt.Errorf("%w with %s; there are: %s", ErrNoRepository, wanted, join(all))
	}
	return chosen, nil
}

func join(ids []alpm.RepositoryID) string {
	var words []string
	for _, id := range ids {
		words = append(words, id.String())
	}
	return strings.Join(words, ", ")
}

// checkName refuses what would lead out of the directory of repositories.
func checkName(name string) error {
	if strings.ContainsAny(name, "/\x00\n\t") || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "-") {
		return fmt.Errorf("%q cannot be the name or architecture of a repository", name)
	}
	return nil
}

// published lists <name>/<architecture> below root. The architecture may be a
// link to a generation, even to one that is missing.
func published(root string) ([]alpm.RepositoryID, error) {
	names, err := directories(root)
	if err != nil {
		return nil, err
	}
	var found []alpm.RepositoryID
	for _, name := range names {
		architectures, err := directories(filepath.Join(root, name))
		if err != nil {
			return nil, err
		}
		for _, architecture := range architectures {
			found = append(found, alpm.RepositoryID{Name: name, Architecture: architecture})
		}
	}
	return found, nil
}

// directories lists the directories in path, and links that lead to one or
// nowhere, by name; none when there is no path.
func directories(path string) ([]string, error) {
	entries, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		directory := entry.IsDir()
		if entry.Type()&fs.ModeSymlink != 0 {
			info, err := os.Stat(filepath.Join(path, entry.Name()))
			directory = errors.Is(err, fs.ErrNotExist) || err == nil && info.IsDir()
		}
		if directory {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}
