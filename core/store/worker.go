package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Worker is a node that has said it can build.
type Worker struct {
	Identifier string
	Address    string    // URL of its API
	User       string    // who registered it; empty where log-in is off
	Seen       time.Time // when it last said so
	Expires    time.Time // when it counts as gone unless it says so again
}

// RegisterWorker adds a worker, or renews it, for the time it may live. Of w it
// reads Identifier, Address and User. One that lives and is another user's stays
// as it is, whether it has that identifier or that address: ErrTaken; someone
// without a name is no other user.
func (db *DB) RegisterWorker(ctx context.Context, w Worker, live time.Duration) error {
	now := db.now()
	n, err := db.exec(ctx, `INSERT INTO workers (identifier, address, user, seen_us, expires_us)
		SELECT ?1, ?2, ?3, ?4, ?5 WHERE NOT EXISTS (SELECT 1 FROM workers
			WHERE rtrim(address, '/') = rtrim(?2, '/') AND user NOT IN ('', ?3) AND ?3 <> '' AND expires_us > ?4)
		ON CONFLICT (identifier) DO UPDATE
		SET address = excluded.address, user = excluded.user, seen_us = excluded.seen_us, expires_us = excluded.expires_us
		WHERE workers.user IN ('', ?3) OR ?3 = '' OR workers.expires_us <= ?4`,
		w.Identifier, w.Address, w.User, microseconds(now), microseconds(now.Add(live)))
	if err == nil && n == 0 {
		err = ErrTaken
	}
	if err != nil {
		return fmt.Errorf("registering worker %s: %w", w.Identifier, err)
	}
	return nil
}

// Workers returns the workers that live, sorted by identifier.
func (db *DB) Workers(ctx context.Context) ([]Worker, error) {
	workers := []Worker{}
	err := db.rows(ctx, func(rows *sql.Rows) error {
		var w Worker
		var seen, expires sql.NullInt64
		err := rows.Scan(&w.Identifier, &w.Address, &w.User, &seen, &expires)
		w.Seen, w.Expires = fromMicroseconds(seen), fromMicroseconds(expires)
		workers = append(workers, w)
		return err
	}, "SELECT identifier, address, user, seen_us, expires_us FROM workers WHERE expires_us > ? ORDER BY identifier", microseconds(db.now()))
	if err != nil {
		return nil, fmt.Errorf("listing workers: %w", err)
	}
	return workers, nil
}

// RemoveWorker forgets a worker of a user, or of anyone when user is empty; one
// that is not known is no error, and another user's is ErrTaken.
func (db *DB) RemoveWorker(ctx context.Context, identifier, user string) error {
	err := db.update(ctx, func(tx *sql.Tx) error {
		var owner string
		err := tx.QueryRowContext(ctx, "SELECT user FROM workers WHERE identifier = ?", identifier).Scan(&owner)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return nil
		case err == nil && user != "" && owner != "" && owner != user:
			return ErrTaken
		case err == nil:
			_, err = tx.ExecContext(ctx, "DELETE FROM workers WHERE identifier = ?", identifier)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("removing worker %s: %w", identifier, err)
	}
	return nil
}

// RemoveWorkers forgets all workers.
func (db *DB) RemoveWorkers(ctx context.Context) error {
	if _, err := db.exec(ctx, "DELETE FROM workers"); err != nil {
		return fmt.Errorf("removing workers: %w", err)
	}
	return nil
}
