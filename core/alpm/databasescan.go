package alpm

import (
	"fmt"
	"io"
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
