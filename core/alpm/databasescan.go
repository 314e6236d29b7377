package alpm

import (
	"fmt"
	"io"
	"strings"
)

// CheckDatabase reads a database to its end as ReadDatabase does, with its
// limits and its errors, and keeps nothing: for files databases, which are
// large.
func CheckDatabase(r io.Reader) error {
	var parser descParser
	err := walkDatabase(r, databaseLimits(), func(e *databaseEntry) error {
		if e.files {
			return nil
		}
		return parser.parse(string(e.content), &Package{})
	})
	if err != nil {
		return fmt.Errorf("reading database: %w", err)
	}
	return nil
}

// ScanFiles calls visit with each path that a package of a files database has,
// as Package.Files has it, and that package's directory in the database,
// "name-version": a database of any size, one package at a time.
func ScanFiles(r io.Reader, visit func(directory, path string)) error {
	err := walkDatabase(r, databaseLimits(), func(e *databaseEntry) error {
		if !e.files {
			return nil
		}
		_, text, _ := strings.Cut(string(e.content), "%FILES%")
		for line := range strings.Lines(text) {
			if line = strings.TrimRight(line, "\r\n"); line != "" {
				visit(e.directory, line)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading database: %w", err)
	}
	return nil
}
