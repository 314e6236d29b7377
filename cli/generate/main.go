// Command generate writes what is generated from the command line's grammar:
// the manual pages (man/) and the completions (completions/). It runs in the
// module's root, as make generate does; with -check it writes nothing and fails
// when a file is not what it would write.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"ahriman/cli/app"
)

func main() {
	check := flag.Bool("check", false, "only tell which files are stale")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: generate [-check] [man] [completions]")
	}
	flag.Parse()
	if err := run(flag.Args(), *check); err != nil {
		fmt.Fprintf(os.Stderr, "generate: %v\n", err)
		os.Exit(1)
	}
}

func run(what []string, check bool) error {
	model, err := app.Model()
	if err != nil {
		return fmt.Errorf("reading the grammar: %w", err)
	}
	line := newCommandLine(model)
	generators := map[string]func(*commandLine) map[string][]byte{"man": manPages, "completions": completions}
	if len(what) == 0 {
		what = slices.Sorted(maps.Keys(generators))
	}
	for _, dir := range what {
		generator, ok := generators[dir]
		if !ok {
			return fmt.Errorf("no such thing to generate: %s", dir)
		}
		if err := bring(dir, generator(line), check); err != nil {
			return err
		}
	}
	return nil
}

func completions(line *commandLine) map[string][]byte {
	return map[string][]byte{
		"ahriman.bash": bashCompletion(line),
		"_ahriman":     zshCompletion(line),
		"ahriman.fish": fishCompletion(line),
	}
}

// bring makes a directory hold exactly the files, or tells which do not fit.
func bring(dir string, files map[string][]byte, check bool) error {
	var stale []error
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if _, ok := files[entry.Name()]; !ok {
			stale = append(stale, fmt.Errorf("%s/%s is not generated any more", dir, entry.Name()))
		}
	}
	if !check {
		return write(dir, files, entries)
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		have, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !bytes.Equal(have, files[name]) {
			stale = append(stale, fmt.Errorf("%s/%s is stale: run make generate", dir, name))
		}
	}
	return errors.Join(stale...)
}

func write(dir string, files map[string][]byte, entries []os.DirEntry) error {
	for _, entry := range entries {
		if _, ok := files[entry.Name()]; ok {
			continue
		}
		if err := os.Remove(filepath.Join(dir, entry.Name())); err != nil {
			return err
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
