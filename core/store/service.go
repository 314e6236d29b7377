package store

import (
	"context"
	"encoding/json"
	"fmt"

	"ahriman/core/alpm"
)

// ServiceStatus returns how the service does for a repository, and since when
// (unix seconds): Unknown and 0 when nobody has said.
func (db *DB) ServiceStatus(ctx context.Context, id alpm.RepositoryID) (Status, int64, error) {
	status, changed := Unknown, int64(0)
	err := db.row(ctx, nil, []any{&status, &changed}, "SELECT status, changed FROM service_status WHERE repository = ?", key(id))
	if err != nil {
		return Unknown, 0, fmt.Errorf("reading service status of %s: %w", id, err)
	}
	return status, changed, nil
}

// SetServiceStatus says how the service does for a repository.
func (db *DB) SetServiceStatus(ctx context.Context, id alpm.RepositoryID, status Status) error {
	_, err := db.exec(ctx, `INSERT INTO service_status VALUES (?, ?, ?)
		ON CONFLICT (repository) DO UPDATE SET status = excluded.status, changed = excluded.changed`,
		key(id), status, db.seconds())
	if err != nil {
		return fmt.Errorf("setting service status of %s: %w", id, err)
	}
	db.announce(id, Event{Event: EventServiceStatusChanged, Created: db.seconds(), Data: statusData(status)})
	return nil
}

// Changes is what the source of a base has become since it was last built.
// Empty fields are unknown.
type Changes struct {
	LastCommit string // of the source that was built
	Changes    string // diff from there to the present source
	PKGBUILD   string // text
}

// Changes returns the changes of a base, empty ones when none are stored.
func (db *DB) Changes(ctx context.Context, id alpm.RepositoryID, base string) (Changes, error) {
	var c Changes
	err := db.row(ctx, nil, []any{&c.LastCommit, &c.Changes, &c.PKGBUILD},
		"SELECT last_commit, changes, pkgbuild FROM changes WHERE repository = ? AND base = ?", key(id), base)
	if err != nil {
		return Changes{}, fmt.Errorf("reading changes of %s of %s: %w", base, id, err)
	}
	return c, nil
}

// SetChanges stores the changes of a base; empty ones are forgotten.
func (db *DB) SetChanges(ctx context.Context, id alpm.RepositoryID, base string, c Changes) error {
	var err error
	if c == (Changes{}) {
		_, err = db.exec(ctx, "DELETE FROM changes WHERE repository = ? AND base = ?", key(id), base)
	} else {
		_, err = db.exec(ctx, `INSERT INTO changes VALUES (?, ?, ?, ?, ?) ON CONFLICT (repository, base) DO UPDATE
			SET last_commit = excluded.last_commit, changes = excluded.changes, pkgbuild = excluded.pkgbuild`,
			key(id), base, c.LastCommit, c.Changes, c.PKGBUILD)
	}
	if err != nil {
		return fmt.Errorf("storing changes of %s of %s: %w", base, id, err)
	}
	return nil
}

// Dependencies returns which packages own the files a base was found to need,
// by path of the file; it is never nil.
func (db *DB) Dependencies(ctx context.Context, id alpm.RepositoryID, base string) (map[string][]string, error) {
	text := "{}"
	err := db.row(ctx, nil, []any{&text}, "SELECT paths FROM dependencies WHERE repository = ? AND base = ?", key(id), base)
	paths := map[string][]string{}
	if err == nil {
		err = json.Unmarshal([]byte(text), &paths)
	}
	if err != nil {
		return nil, fmt.Errorf("reading dependencies of %s of %s: %w", base, id, err)
	}
	return paths, nil
}

// SetDependencies stores what Dependencies returns.
func (db *DB) SetDependencies(ctx context.Context, id alpm.RepositoryID, base string, paths map[string][]string) error {
	if paths == nil {
		paths = map[string][]string{}
	}
	text, err := json.Marshal(paths)
	if err == nil {
		_, err = db.exec(ctx, "INSERT INTO dependencies VALUES (?, ?, ?) ON CONFLICT (repository, base) DO UPDATE SET paths = excluded.paths",
			key(id), base, string(text))
	}
	if err != nil {
		return fmt.Errorf("storing dependencies of %s of %s: %w", base, id, err)
	}
	return nil
}
