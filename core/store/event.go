package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"

	"ahriman/core/alpm"
)

// The names of events; the words are ahriman's. Others are stored as well.
const (
	EventBuildLog             = "build-log"
	EventPackageHeld          = "package-held"
	EventPackageOutdated      = "package-outdated"
	EventPackageRemoved       = "package-removed"
	EventPackageStatusChanged = "package-status-changed"
	EventPackageUpdateFailed  = "package-update-failed"
	EventPackageUpdated       = "package-updated"
	EventServiceStatusChanged = "service-status-changed"
)

// Event is something that happened.
type Event struct {
	Event   string
	Object  string // mostly a package base
	Created int64  // unix seconds; 0: now
	Message string
	Data    json.RawMessage // a JSON object; nil without
}

// EventQuery selects events; the zero value selects all.
type EventQuery struct {
	Event  string // empty: any
	Object string // empty: any
	From   int64  // unix seconds; 0: no bound
	To     int64  // unix seconds, inclusive; 0: no bound
	Limit  int    // 0 or negative: all; else the newest
	Offset int    // how many of the newest to leave out first
}

// AddEvent stores an event and shows it to the watchers.
func (db *DB) AddEvent(ctx context.Context, id alpm.RepositoryID, e Event) error {
	if e.Created == 0 {
		e.Created = db.seconds()
	}
	var data sql.NullString
	if len(e.Data) > 0 {
		data = sql.NullString{String: string(e.Data), Valid: true}
	}
	err := db.update(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO events (repository, event, object, created, message, data) VALUES (?, ?, ?, ?, ?, ?)",
			key(id), e.Event, e.Object, e.Created, e.Message, data)
		if err == nil {
			_, err = tx.ExecContext(ctx, "DELETE FROM events WHERE id <= (SELECT max(id) FROM events) - ?", maxEvents)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("storing event %s of %s: %w", e.Event, id, err)
	}
	db.announce(id, e)
	return nil
}

// Events returns the events of a repository that q selects, oldest first.
func (db *DB) Events(ctx context.Context, id alpm.RepositoryID, q EventQuery) ([]Event, error) {
	if q.Limit <= 0 {
		q.Limit = -1
	}
	events := []Event{}
	err := db.rows(ctx, func(rows *sql.Rows) error {
		var e Event
		var data sql.NullString
		if err := rows.Scan(&e.Event, &e.Object, &e.Created, &e.Message, &data); err != nil {
			return err
		}
		if data.Valid {
			e.Data = json.RawMessage(data.String)
		}
		events = append(events, e)
		return nil
	}, q.statement(),
		key(id), q.Event, q.Object, q.From, q.To, q.Limit, max(q.Offset, 0))
	if err != nil {
		return nil, fmt.Errorf("reading events of %s: %w", id, err)
	}
	slices.Reverse(events)
	return events, nil
}

// statement is the SQL of a query. An index is not used for what stands beside
// an "or".
func (q EventQuery) statement() string {
	object := ""
	if q.Object != "" {
		object = " AND object = ?3"
	}
	return `SELECT event, object, created, message, data FROM events
		WHERE repository = ?1 AND (?2 = '' OR event = ?2)` + object + `
		AND (?4 = 0 OR created >= ?4) AND (?5 = 0 OR created <= ?5)
		ORDER BY created DESC, id DESC LIMIT ?6 OFFSET ?7`
}
