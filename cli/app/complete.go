package app

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ahriman/core/alpm"
	"ahriman/core/config"
)

// completeCommand answers the shells' completions: the names that only the
// configuration and the repository know, one a line.
type completeCommand struct {
	What  string   `arg:"" enum:"packages,repositories,architectures,sections" help:"what to list"`
	Words []string `arg:"" optional:"" help:"command line so far, after --"`
}

// Run prints nothing, rather than an error, when there is nothing to read: a
// person is in the middle of a line.
func (c *completeCommand) Run(env *Env, globals *Globals) error {
	globals.adopt(c.Words)
	file, err := config.Load(globals.Configuration, env.Environ)
	if err != nil {
		return nil
	}
	ids, err := file.Select(globals.Repository, globals.Architecture)
	if err != nil && (c.What == "packages" || c.What == "sections") {
		return nil
	}
	var names []string
	switch c.What {
	case "packages":
		names = packageNames(file, ids)
	case "sections":
		for _, id := range ids {
			names = append(names, file.Sections(id)...)
		}
	default:
		ids, _ = file.Repositories()
		for _, id := range ids {
			if c.What == "repositories" {
				names = append(names, id.Name)
			} else {
				names = append(names, id.Architecture)
			}
		}
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if _, err := fmt.Fprintln(env.Stdout, name); err != nil {
			return err
		}
	}
	return nil
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
func packageNames(file *config.File, ids []alpm.RepositoryID) []string {
	var names []string
	for _, id := range ids {
		settings, err := file.For(id)
		if err != nil {
			continue
		}
		root := settings.Repository.Root
		for _, entry := range readDir(filepath.Join(root, "repository", id.Name, id.Architecture)) {
			if name, _, _, _, err := alpm.ParseFileName(entry); err == nil {
				names = append(names, name)
			}
		}
		names = append(names, readDir(filepath.Join(root, "cache"))...)
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
