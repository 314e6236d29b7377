package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"ahriman/core/alpm"
)

const (
	// medianOf is how many of the last builds of a base say how long it takes.
	medianOf = 5
	// maxBuilds is how many builds of a base are kept. Beyond them the oldest goes.
	maxBuilds = 100
)

// Output is a package file that a build gave.
type Output struct {
	File   string // base name
	SHA256 string // hex
	Size   int64  // bytes
}

// Build is one build that ran to its end, well or not.
type Build struct {
	Base     string
	Version  string
	Input    string  // digest of all that went in, hex
	Worker   string  // who built it; empty: this machine
	Speed    float64 // of the worker, 1 is usual; 0: 1
	Started  time.Time
	Duration time.Duration
	Success  bool
	Outputs  []Output // sorted by File; none when it failed
}

// AddBuild records a build.
func (db *DB) AddBuild(ctx context.Context, id alpm.RepositoryID, b Build) error {
	err := db.update(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `INSERT INTO builds (repository, base, version, input, worker, started_us, seconds, success, speed)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`, key(id), b.Base, b.Version, b.Input, b.Worker, microseconds(b.Started),
			b.Duration.Seconds(), b.Success, cmp.Or(b.Speed, 1))
		if err != nil {
			return err
		}
		n, err := result.LastInsertId()
		if err != nil {
			return err
		}
		for _, o := range b.Outputs {
			if _, err := tx.ExecContext(ctx, "INSERT INTO build_outputs VALUES (?, ?, ?, ?)", n, o.File, o.SHA256, o.Size); err != nil {
				return fmt.Errorf("%s: %w", o.File, err)
			}
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM builds WHERE repository = ?1 AND base = ?2 AND id <= (
			SELECT id FROM builds WHERE repository = ?1 AND base = ?2 ORDER BY id DESC LIMIT 1 OFFSET ?3)`, key(id), b.Base, maxBuilds)
		return err
	})
	if err != nil {
		return fmt.Errorf("recording build of %s of %s: %w", b.Base, id, err)
	}
	return nil
}

// BuildOf returns the newest successful build with that input digest, or
// ErrUnknownBuild.
func (db *DB) BuildOf(ctx context.Context, id alpm.RepositoryID, input string) (Build, error) {
	builds, err := db.builds(ctx, "repository = ? AND input = ? AND success = 1 ORDER BY id DESC LIMIT 1", key(id), input)
	if err == nil && len(builds) == 0 {
		err = ErrUnknownBuild
	}
	if err != nil {
		return Build{}, fmt.Errorf("looking for a build of %s: %w", id, err)
	}
	return builds[0], nil
}

// Builds returns the newest builds of a base, newest first, at most limit
// (negative: all).
func (db *DB) Builds(ctx context.Context, id alpm.RepositoryID, base string, limit int) ([]Build, error) {
	builds, err := db.builds(ctx, "repository = ? AND base = ? ORDER BY id DESC LIMIT ?", key(id), base, limit)
	if err != nil {
		return nil, fmt.Errorf("reading builds of %s of %s: %w", base, id, err)
	}
	return builds, nil
}

func (db *DB) builds(ctx context.Context, where string, args ...any) ([]Build, error) {
	builds, ids := []Build{}, []int64{}
	err := db.rows(ctx, func(rows *sql.Rows) error {
		var b Build
		var id int64
		var started sql.NullInt64
		var seconds float64
		err := rows.Scan(&id, &b.Base, &b.Version, &b.Input, &b.Worker, &started, &seconds, &b.Success, &b.Speed)
		b.Started, b.Duration = fromMicroseconds(started), time.Duration(seconds*float64(time.Second))
		builds, ids = append(builds, b), append(ids, id)
		return err
	}, "SELECT id, base, version, input, worker, started_us, seconds, success, speed FROM builds WHERE "+where, args...)
	for i, id := range ids {
		if err != nil {
			break
		}
		err = db.rows(ctx, func(rows *sql.Rows) error {
			var o Output
			err := rows.Scan(&o.File, &o.SHA256, &o.Size)
			builds[i].Outputs = append(builds[i].Outputs, o)
			return err
		}, "SELECT file, sha256, size FROM build_outputs WHERE build = ? ORDER BY file", id)
	}
	return builds, err
}

const buildSecondsQuery = `SELECT b.base, b.seconds * b.speed FROM (SELECT DISTINCT base FROM builds WHERE repository = ?1) d
	JOIN builds b ON b.id IN (SELECT id FROM builds WHERE repository = ?1 AND base = d.base AND success = 1 ORDER BY id DESC LIMIT ?2)`

// BuildSeconds returns how long each base of a repository takes on a worker of
// speed 1: the median of its last five successful builds, in seconds. Bases
// never built are missing.
func (db *DB) BuildSeconds(ctx context.Context, id alpm.RepositoryID) (map[string]float64, error) {
	last := map[string][]float64{}
	err := db.rows(ctx, func(rows *sql.Rows) error {
		var base string
		var seconds float64
		err := rows.Scan(&base, &seconds)
		last[base] = append(last[base], seconds)
		return err
	}, buildSecondsQuery, key(id), medianOf)
	if err != nil {
		return nil, fmt.Errorf("reading build times of %s: %w", id, err)
	}
	medians := make(map[string]float64, len(last))
	for base, seconds := range last {
		slices.Sort(seconds)
		n := len(seconds)
		medians[base] = (seconds[(n-1)/2] + seconds[n/2]) / 2
	}
	return medians, nil
}
