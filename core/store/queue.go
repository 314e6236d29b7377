package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"ahriman/core/alpm"
	"ahriman/core/source"
)

// Request is a package base that someone wants built.
type Request struct {
	ID        int64 // given by Enqueue; a base that is asked for again gets another
	Package   source.Package
	Packager  string // empty: the configuration's
	Increment bool   // give it a new pkgrel when the version is published already
	Refresh   bool   // refresh pacman's databases first
	Patches   []source.Patch
	User      string // who asked; empty: unknown
	Requested time.Time
}

// Enqueue adds a request, or replaces the one for the same base, and returns
// its ID.
func (db *DB) Enqueue(ctx context.Context, id alpm.RepositoryID, r Request) (int64, error) {
	var n int64
	err := db.update(ctx, func(tx *sql.Tx) error {
		text, err := json.Marshal(normalise(r.Package))
		if err != nil {
			return err
		}
		if r.Patches == nil {
			r.Patches = []source.Patch{}
		}
		patches, err := json.Marshal(r.Patches)
		if err != nil {
			return err
		}
		if r.Requested.IsZero() {
			r.Requested = db.now()
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM queue WHERE repository = ? AND base = ?", key(id), r.Package.Base); err != nil {
			return err
		}
		result, err := tx.ExecContext(ctx, `INSERT INTO queue (repository, base, package, packager, increment, refresh, patches, user, requested_us)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`, key(id), r.Package.Base, string(text), r.Packager, r.Increment, r.Refresh,
			string(patches), r.User, microseconds(r.Requested))
		if err != nil {
			return err
		}
		n, err = result.LastInsertId()
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("queueing %s for %s: %w", r.Package.Base, id, err)
	}
	return n, nil
}

// Queue returns the requests of a repository, oldest first.
func (db *DB) Queue(ctx context.Context, id alpm.RepositoryID) ([]Request, error) {
	requests := []Request{}
	err := db.rows(ctx, func(rows *sql.Rows) error {
		var r Request
		var text, patches string
		var requested sql.NullInt64
		err := rows.Scan(&r.ID, &text, &r.Packager, &r.Increment, &r.Refresh, &patches, &r.User, &requested)
		if err != nil {
			return err
		}
		r.Requested = fromMicroseconds(requested)
		if err := json.Unmarshal([]byte(text), &r.Package); err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(patches), &r.Patches); err != nil {
			return err
		}
		requests = append(requests, r)
		return nil
	}, "SELECT id, package, packager, increment, refresh, patches, user, requested_us FROM queue WHERE repository = ? ORDER BY id", key(id))
	if err != nil {
		return nil, fmt.Errorf("reading queue of %s: %w", id, err)
	}
	return requests, nil
}

// Dequeue removes requests by ID once they are dealt with. One that was
// replaced meanwhile has another ID and stays.
func (db *DB) Dequeue(ctx context.Context, ids ...int64) error {
	err := db.update(ctx, func(tx *sql.Tx) error {
		for _, id := range ids {
			if _, err := tx.ExecContext(ctx, "DELETE FROM queue WHERE id = ?", id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("removing from queue: %w", err)
	}
	return nil
}

// ClearQueue removes all requests of a repository.
func (db *DB) ClearQueue(ctx context.Context, id alpm.RepositoryID) error {
	if _, err := db.exec(ctx, "DELETE FROM queue WHERE repository = ?", key(id)); err != nil {
		return fmt.Errorf("clearing queue of %s: %w", id, err)
	}
	return nil
}
