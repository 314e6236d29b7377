package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ahriman/core/alpm"
	"ahriman/core/config"
	"ahriman/core/repository"
)

// completeCommand answers the shells' completions: the names that only the
// configuration and the repository know, one a line.
type completeCommand struct {
	What  string   `arg:"" enum:"packages,versions,repositories,architectures,sections,users,workers" help:"what to list"`
	Words []string `arg:"" optional:"" help:"command line so far, after --"`
}

// Run prints nothing, rather than an error, when there is nothing to read: a
// person is in the middle of a line.
func (c *completeCommand) Run(ctx context.Context, env *Env, globals *Globals) error {
	globals.adopt(c.Words)
	file, err := config.Load(globals.Configuration, env.Environ)
	if err != nil {
		return nil
	}
	ids, err := file.Select(globals.Repository, globals.Architecture)
	all := c.What == "repositories" || c.What == "architectures"
	if all {
		ids, err = file.Repositories()
	}
	if err != nil {
		return nil
	}
	var names []string
	for _, id := range ids {
		names = append(names, c.names(ctx, file, id)...)
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if _, err := fmt.Fprintln(env.Stdout, name); err != nil {
			return err
		}
	}
	return nil
}

// names are those of one repository.
func (c *completeCommand) names(ctx context.Context, file *config.File, id alpm.RepositoryID) []string {
	switch c.What {
	case "sections":
		return file.Sections(id)
	case "repositories":
		return []string{id.Name}
	case "architectures":
		return []string{id.Architecture}
	}
	settings, err := file.For(id)
	switch {
	case err != nil:
		return nil
	case c.What == "packages":
		return packageNames(settings)
	case c.What == "versions":
		return c.versions(settings)
	}
	return c.stored(ctx, settings)
}

// adopt takes the flags that decide what is listed from a command line that is
// not finished, and may not even be right.
func (g *Globals) adopt(words []string) {
	flags := []struct {
		long, short string
		value       *string
	}{
		{"--configuration", "-c", &g.Configuration},
		{"--repository", "-r", &g.Repository},
		{"--architecture", "-a", &g.Architecture},
	}
	for i, word := range words {
		for _, flag := range flags {
			if value, ok := strings.CutPrefix(word, flag.long+"="); ok {
				*flag.value = value
			} else if (word == flag.long || word == flag.short) && i+1 < len(words) {
				*flag.value = words[i+1]
			}
		}
	}
}

// packageNames are those of the published files and of the local sources.
func packageNames(s *config.Settings) []string {
	var names []string
	for _, entry := range readDir(repository.PublishedPath(s.Repository.Root, s.ID)) {
		if name, _, _, _, err := alpm.ParseFileName(entry); err == nil {
			names = append(names, name)
		}
	}
	return append(names, readDir(filepath.Join(s.Repository.Root, "cache"))...)
}

// versions are those that are kept of the bases that the command line names.
func (c *completeCommand) versions(s *config.Settings) []string {
	r, err := repository.Open(repository.Options{Root: s.Repository.Root, ID: s.ID})
	if err != nil {
		return nil
	}
	var versions []string
	for _, word := range c.Words {
		if alpm.CheckName(word) != nil {
			continue
		}
		for _, entry := range readDir(filepath.Dir(r.PoolPath(word, "any"))) {
			if _, version, _, _, err := alpm.ParseFileName(entry); err == nil {
				versions = append(versions, version)
			}
		}
	}
	return versions
}

// stored are the users or the workers, as far as whoever asks may read the store.
func (c *completeCommand) stored(ctx context.Context, s *config.Settings) []string {
	if _, err := os.Stat(storePath(s)); err != nil {
		return nil
	}
	db, err := openStore(ctx, s)
	if err != nil {
		return nil
	}
	defer db.Close()
	var names []string
	if c.What == "users" {
		users, _ := db.Users(ctx)
		for _, u := range users {
			names = append(names, u.Name)
		}
		return names
	}
	members, _ := fleet(ctx, s, db)
	for _, m := range members {
		names = append(names, m.Name)
	}
	return names
}

// readDir returns the names in a directory, none when it cannot be read.
func readDir(path string) []string {
	// The published directory is a link, which ReadDir follows.
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil
	}
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = entry.Name()
	}
	return names
}
