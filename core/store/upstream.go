package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"ahriman/core/alpm"
)

// Upstream is what the upstream of a VCS package was at.
type Upstream struct {
	Version string
	Looked  time.Time // zero: never
}

// Upstream returns what SetUpstream stored of a base last.
func (db *DB) Upstream(ctx context.Context, id alpm.RepositoryID, base string) (Upstream, error) {
	var u Upstream
	var looked sql.NullInt64
	err := db.row(ctx, nil, []any{&u.Version, &looked}, "SELECT version, looked_us FROM upstreams WHERE repository = ? AND base = ?", key(id), base)
	if err != nil {
		return Upstream{}, fmt.Errorf("reading the upstream of %s of %s: %w", base, id, err)
	}
	u.Looked = fromMicroseconds(looked)
	return u, nil
}

// SetUpstream stores the version that the upstream of a base is at now.
func (db *DB) SetUpstream(ctx context.Context, id alpm.RepositoryID, base, version string) error {
	_, err := db.exec(ctx, "INSERT OR REPLACE INTO upstreams (repository, base, version, looked_us) VALUES (?, ?, ?, ?)",
		key(id), base, version, microseconds(db.now()))
	if err != nil {
		return fmt.Errorf("storing the upstream of %s of %s: %w", base, id, err)
	}
	return nil
}
