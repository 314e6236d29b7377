package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Worker is a node that has said it can build.
type Worker struct {
	Identifier string
	Address    string    // URL of its API
	Seen       time.Time // when it last said so
	Expires    time.Time // when it counts as gone unless it says so again
}

// RegisterWorker adds a worker, or renews it, for the time it may live.
func (db *DB) RegisterWorker(ctx context.Context, identifier, address string, live time.Duration) error {
	now := db.now()
	_, err := db.exec(ctx, `INSERT INTO workers VALUES (?, ?, ?, ?) ON CONFLICT (identifier) DO UPDATE
		SET address = excluded.address, seen_us = excluded.seen_us, expires_us = excluded.expires_us`,
		identifier, address, microseconds(now), microseconds(now.Add(live)))
	if err != nil {
		return fmt.Errorf("registering worker %s: %w", identifier, err)
	}
	return nil
}

// Workers returns the workers that live, sorted by identifier.
func (db *DB) Workers(ctx context.Context) ([]Worker, error) {
	workers := []Worker{}
	err := db.rows(ctx, func(rows *sql.Rows) error {
		var w Worker
		var seen, expires sql.NullInt64
		err := rows.Scan(&w.Identifier, &w.Address, &seen, &expires)
		w.Seen, w.Expires = fromMicroseconds(seen), fromMicroseconds(expires)
		workers = append(workers, w)
		return err
	}, "SELECT identifier, address, seen_us, expires_us FROM workers WHERE expires_us > ? ORDER BY identifier", microseconds(db.now()))
	if err != nil {
		return nil, fmt.Errorf("listing workers: %w", err)
	}
	return workers, nil
}

// RemoveWorker forgets a worker; one that is not known is no error.
func (db *DB) RemoveWorker(ctx context.Context, identifier string) error {
	if _, err := db.exec(ctx, "DELETE FROM workers WHERE identifier = ?", identifier); err != nil {
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
