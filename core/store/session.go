package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// EndSession remembers, until it would have expired, that a session of the web
// service has ended.
func (db *DB) EndSession(ctx context.Context, id string, until time.Time) error {
	err := db.update(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM ended_sessions WHERE until_us < ?", microseconds(db.now()))
		if err == nil {
			_, err = tx.ExecContext(ctx, "INSERT OR REPLACE INTO ended_sessions VALUES (?, ?)", id, microseconds(until))
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("ending a session: %w", err)
	}
	return nil
}

// SessionEnded says whether EndSession was called for a session.
func (db *DB) SessionEnded(ctx context.Context, id string) (bool, error) {
	n := 0
	err := db.row(ctx, nil, []any{&n}, "SELECT count(*) FROM ended_sessions WHERE id = ?", id)
	if err != nil {
		return false, fmt.Errorf("reading a session: %w", err)
	}
	return n > 0, nil
}
