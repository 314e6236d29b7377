package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"ahriman/core/alpm"
)

// maxAssigned is how long an assignment counts: no build takes longer, and no
// worker remembers its end.
const maxAssigned = 7 * 24 * time.Hour

// Assignment is a build that was given to a worker and whose end was not seen.
type Assignment struct {
	Base    string
	ID      string // of the job at the worker
	Version string // that is built; once it is built, that was
	Input   string // digest of all that goes in, hex
	Worker  string
	Started time.Time
	// Packages are the names of what the build gave, from when its files begin to
	// be put where the next publication finds them.
	Packages []string
}

// Assign keeps an assignment, in place of the base's last.
func (db *DB) Assign(ctx context.Context, id alpm.RepositoryID, a Assignment) error {
	_, err := db.exec(ctx, `INSERT OR REPLACE INTO assignments (repository, base, id, version, input, worker, packages, started_us)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, key(id), a.Base, a.ID, a.Version, a.Input, a.Worker, strings.Join(a.Packages, " "), microseconds(a.Started))
	if err != nil {
		return fmt.Errorf("storing who builds %s of %s: %w", a.Base, id, err)
	}
	return nil
}

// Unassign forgets a base's assignment, if there is one.
func (db *DB) Unassign(ctx context.Context, id alpm.RepositoryID, base string) error {
	if _, err := db.exec(ctx, "DELETE FROM assignments WHERE repository = ? AND base = ?", key(id), base); err != nil {
		return fmt.Errorf("forgetting who builds %s of %s: %w", base, id, err)
	}
	return nil
}

// Assignments returns a repository's assignments by base, and forgets those
// older than a week.
func (db *DB) Assignments(ctx context.Context, id alpm.RepositoryID) (map[string]Assignment, error) {
	all := map[string]Assignment{}
	oldest := microseconds(db.now().Add(-maxAssigned))
	err := db.rows(ctx, func(rows *sql.Rows) error {
		var a Assignment
		var packages string
		var started sql.NullInt64
		err := rows.Scan(&a.Base, &a.ID, &a.Version, &a.Input, &a.Worker, &packages, &started)
		a.Packages, a.Started = strings.Fields(packages), fromMicroseconds(started)
		all[a.Base] = a
		return err
	}, "SELECT base, id, version, input, worker, packages, started_us FROM assignments WHERE repository = ? AND started_us >= ?", key(id), oldest)
	if err == nil {
		_, err = db.exec(ctx, "DELETE FROM assignments WHERE repository = ? AND started_us < ?", key(id), oldest)
	}
	if err != nil {
		return nil, fmt.Errorf("reading who builds what of %s: %w", id, err)
	}
	return all, nil
}
