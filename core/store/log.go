package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"ahriman/core/alpm"
)

// Bounds of what the store keeps. Beyond them the oldest goes.
const (
	maxLogLines   = 2_000_000
	maxLogMessage = 64 << 10 // bytes; the rest of a longer line is cut off
	maxEvents     = 500_000
)

// LogLine is one line of a log.
type LogLine struct {
	Created float64 // unix seconds
	Message string
	Version string // of the package; "<unknown>" before it is known
	Process string // process_id of who said it
}

// LogQuery selects log lines; the zero value selects all.
type LogQuery struct {
	Version string // empty: any
	Process string // empty: any
	Head    bool   // only the first line of each version and process, newest first
	Limit   int    // 0 or negative: all; else the newest
	Offset  int    // how many of the newest to leave out first
}

// AddLogs adds lines to the log of a base, which need not be known yet.
func (db *DB) AddLogs(ctx context.Context, id alpm.RepositoryID, base string, lines []LogLine) error {
	if len(lines) == 0 {
		return nil
	}
	err := db.update(ctx, func(tx *sql.Tx) error {
		runs := map[LogLine]int64{}
		for _, line := range lines {
			runKey := LogLine{Version: line.Version, Process: line.Process}
			run, ok := runs[runKey]
			if !ok {
				var err error
				if run, err = logRun(ctx, tx, id, base, line); err != nil {
					return err
				}
				runs[runKey] = run
			}
			message := strings.ToValidUTF8(line.Message[:min(len(line.Message), maxLogMessage)], "")
			if _, err := tx.ExecContext(ctx, "INSERT INTO log_lines (run, created, message) VALUES (?, ?, ?)", run, line.Created, message); err != nil {
				return err
			}
		}
		return boundLogs(ctx, tx)
	})
	if err != nil {
		return fmt.Errorf("adding to log of %s of %s: %w", base, id, err)
	}
	for _, line := range lines {
		db.announce(id, Event{Event: EventBuildLog, Object: base, Created: int64(line.Created), Message: line.Message, Data: logData(line)})
	}
	return nil
}

// logRun returns the run that line belongs to, adding it when it is new.
func logRun(ctx context.Context, tx *sql.Tx, id alpm.RepositoryID, base string, line LogLine) (int64, error) {
	var run int64
	err := tx.QueryRowContext(ctx, `INSERT INTO log_runs (repository, base, version, process) VALUES (?, ?, ?, ?)
		ON CONFLICT (repository, base, version, process) DO UPDATE SET base = excluded.base RETURNING id`,
		key(id), base, line.Version, line.Process).Scan(&run)
	return run, err
}

// boundLogs drops the oldest lines beyond maxLogLines.
func boundLogs(ctx context.Context, tx *sql.Tx) error {
	rows, err := tx.QueryContext(ctx, "DELETE FROM log_lines WHERE id <= (SELECT max(id) FROM log_lines) - ? RETURNING run", maxLogLines)
	if err != nil {
		return err
	}
	defer rows.Close()
	shortened := map[int64]bool{}
	for rows.Next() {
		var run int64
		if err := rows.Scan(&run); err != nil {
			return err
		}
		shortened[run] = true
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for run := range shortened { // not all runs: a full log is shortened with every addition
		_, err := tx.ExecContext(ctx, "DELETE FROM log_runs WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM log_lines WHERE run = ?1)", run)
		if err != nil {
			return err
		}
	}
	return nil
}

// Logs returns the lines of a base that q selects, oldest first.
func (db *DB) Logs(ctx context.Context, id alpm.RepositoryID, base string, q LogQuery) ([]LogLine, error) {
	if q.Limit <= 0 {
		q.Limit = -1
	}
	lines := []LogLine{}
	err := db.rows(ctx, func(rows *sql.Rows) error {
		var l LogLine
		err := rows.Scan(&l.Created, &l.Message, &l.Version, &l.Process)
		lines = append(lines, l)
		return err
	}, q.statement(), key(id), base, q.Version, q.Process, q.Limit, max(q.Offset, 0))
	if err != nil {
		return nil, fmt.Errorf("reading log of %s of %s: %w", base, id, err)
	}
	if !q.Head {
		slices.Reverse(lines)
	}
	return lines, nil
}

// statement is the SQL of a query.
func (q LogQuery) statement() string {
	lines := "l.run = r.id"
	if q.Head {
		lines = "l.id = (SELECT id FROM log_lines WHERE run = r.id ORDER BY created, id LIMIT 1)"
	}
	return `SELECT l.created, l.message, r.version, r.process FROM log_runs r JOIN log_lines l ON ` + lines + `
		WHERE r.repository = ?1 AND r.base = ?2 AND (?3 = '' OR r.version = ?3) AND (?4 = '' OR r.process = ?4)
		ORDER BY l.created DESC, l.id DESC LIMIT ?5 OFFSET ?6`
}

// LastLog returns the last limit lines, 0 for all, of the newest run that a base
// has a log of. Nil: it has none.
func (db *DB) LastLog(ctx context.Context, id alpm.RepositoryID, base string, limit int) ([]LogLine, error) {
	newest, err := db.Logs(ctx, id, base, LogQuery{Head: true, Limit: 1})
	if err != nil || len(newest) == 0 {
		return nil, err
	}
	return db.Logs(ctx, id, base, LogQuery{Version: newest[0].Version, Process: newest[0].Process, Limit: limit})
}

// RemoveLogs removes the log of a base: of one version, or all when it is empty.
func (db *DB) RemoveLogs(ctx context.Context, id alpm.RepositoryID, base, version string) error {
	_, err := db.exec(ctx, "DELETE FROM log_runs WHERE repository = ?1 AND base = ?2 AND (?3 = '' OR version = ?3)", key(id), base, version)
	if err != nil {
		return fmt.Errorf("removing log of %s of %s: %w", base, id, err)
	}
	return nil
}

// RotateLogs keeps the logs of the last keep processes of each base of a
// repository, or of these bases only; 0 removes all.
func (db *DB) RotateLogs(ctx context.Context, id alpm.RepositoryID, keep int, bases ...string) error {
	only, err := json.Marshal(append([]string{}, bases...))
	if err != nil {
		return fmt.Errorf("rotating logs of %s: %w", id, err)
	}
	_, err = db.exec(ctx, `DELETE FROM log_runs WHERE id IN (
		SELECT r.id FROM log_runs r JOIN (
			SELECT base, process, row_number() OVER (PARTITION BY base ORDER BY max(id) DESC) AS age
			FROM log_runs WHERE repository = ?1 GROUP BY base, process
		) p ON p.base = r.base AND p.process = r.process
		WHERE r.repository = ?1 AND p.age > ?2 AND (?3 = '[]' OR r.base IN (SELECT value FROM json_each(?3))))`,
		key(id), keep, string(only))
	if err != nil {
		return fmt.Errorf("rotating logs of %s: %w", id, err)
	}
	return nil
}
