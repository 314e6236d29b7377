package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"ahriman/core/alpm"
	"ahriman/core/source"
)

// Status is how a package base, or the whole service, does; the words are
// ahriman's.
type Status string

// The statuses there are.
const (
	Unknown  Status = "unknown"
	Pending  Status = "pending"
	Building Status = "building"
	Failed   Status = "failed"
	Success  Status = "success"
)

// Valid says whether s is one of the statuses there are.
func (s Status) Valid() bool {
	switch s {
	case Unknown, Pending, Building, Failed, Success:
		return true
	}
	return false
}

// Record is a package base and how it does.
type Record struct {
	Package source.Package
	Status  Status
	Changed int64 // when the status was last set, unix seconds
	Held    bool  // updates leave it alone
}

// Update is one change for SetPackages.
type Update struct {
	Package source.Package
	Status  Status
}

const recordColumns = "package, status, changed, held"

func scanRecord(scan func(...any) error) (Record, error) {
	var r Record
	var text string
	if err := scan(&text, &r.Status, &r.Changed, &r.Held); err != nil {
		return r, err
	}
	err := json.Unmarshal([]byte(text), &r.Package)
	return r, err
}

// Packages returns all bases of a repository, sorted by name.
func (db *DB) Packages(ctx context.Context, id alpm.RepositoryID) ([]Record, error) {
	records := []Record{}
	err := db.rows(ctx, func(rows *sql.Rows) error {
		r, err := scanRecord(rows.Scan)
		records = append(records, r)
		return err
	}, "SELECT "+recordColumns+" FROM packages WHERE repository = ? ORDER BY base", key(id))
	if err != nil {
		return nil, fmt.Errorf("listing packages of %s: %w", id, err)
	}
	return records, nil
}

// Package returns one base, or ErrUnknownPackage.
func (db *DB) Package(ctx context.Context, id alpm.RepositoryID, base string) (Record, error) {
	r, err := scanRecord(db.sql.QueryRowContext(ctx,
		"SELECT "+recordColumns+" FROM packages WHERE repository = ? AND base = ?", key(id), base).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrUnknownPackage
	}
	if err != nil {
		return Record{}, fmt.Errorf("reading package %s of %s: %w", base, id, err)
	}
	return r, nil
}

// PackagesSince returns the bases of a repository that were added or changed
// after a revision, by name, and how many bases there are now: those that were
// removed are told by that.
func (db *DB) PackagesSince(ctx context.Context, id alpm.RepositoryID, revision int64) (changed []Record, count int, err error) {
	err = db.rows(ctx, func(rows *sql.Rows) error {
		r, err := scanRecord(rows.Scan)
		changed = append(changed, r)
		return err
	}, "SELECT "+recordColumns+" FROM packages WHERE repository = ? AND revision > ? ORDER BY base", key(id), revision)
	if err == nil {
		err = db.row(ctx, nil, []any{&count}, "SELECT count(*) FROM packages WHERE repository = ?", key(id))
	}
	if err != nil {
		return nil, 0, fmt.Errorf("listing packages of %s: %w", id, err)
	}
	return changed, count, nil
}

// Revision changes whenever a package of the repository or its status does, in
// any process: what was made from Packages is good while it stays the same.
func (db *DB) Revision(ctx context.Context, id alpm.RepositoryID) (int64, error) {
	var n int64
	ask, err := db.revision()
	if err == nil {
		err = ask.QueryRowContext(ctx, key(id)).Scan(&n)
	}
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("reading revision of %s: %w", id, err)
	}
	return n, nil
}

// SetPackage adds or replaces a base and its status. Whether it is held stays.
func (db *DB) SetPackage(ctx context.Context, id alpm.RepositoryID, p source.Package, status Status) error {
	return db.SetPackages(ctx, id, []Update{{Package: p, Status: status}})
}

// SetPackages does SetPackage for several bases at once: all or none.
func (db *DB) SetPackages(ctx context.Context, id alpm.RepositoryID, updates []Update) error {
	err := db.update(ctx, func(tx *sql.Tx) error {
		for _, u := range updates {
			text, err := json.Marshal(normalise(u.Package))
			if err != nil {
				return err
			}
			_, err = tx.ExecContext(ctx, `INSERT INTO packages (repository, base, package, status, changed) VALUES (?, ?, ?, ?, ?)
				ON CONFLICT (repository, base) DO UPDATE SET package = excluded.package, status = excluded.status, changed = excluded.changed`,
				key(id), u.Package.Base, string(text), u.Status, db.seconds())
			if err != nil {
				return fmt.Errorf("%s: %w", u.Package.Base, err)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("storing packages of %s: %w", id, err)
	}
	for _, u := range updates {
		db.announceStatus(id, u.Package.Base, u.Status)
	}
	return nil
}

// SetStatus sets the status of a base that is known, else ErrUnknownPackage.
func (db *DB) SetStatus(ctx context.Context, id alpm.RepositoryID, base string, status Status) error {
	n, err := db.exec(ctx, "UPDATE packages SET status = ?, changed = ? WHERE repository = ? AND base = ?",
		status, db.seconds(), key(id), base)
	if err == nil && n == 0 {
		err = ErrUnknownPackage
	}
	if err != nil {
		return fmt.Errorf("setting status of %s of %s: %w", base, id, err)
	}
	db.announceStatus(id, base, status)
	return nil
}

// SetHeld holds or releases a base that is known, else ErrUnknownPackage.
func (db *DB) SetHeld(ctx context.Context, id alpm.RepositoryID, base string, held bool) error {
	n, err := db.exec(ctx, "UPDATE packages SET held = ? WHERE repository = ? AND base = ?", held, key(id), base)
	if err == nil && n == 0 {
		err = ErrUnknownPackage
	}
	if err != nil {
		return fmt.Errorf("holding %s of %s: %w", base, id, err)
	}
	db.announce(id, Event{Event: EventPackageHeld, Object: base, Created: db.seconds()})
	return nil
}

// RemovePackage forgets a base with its changes, dependencies, logs and request.
// Patches and builds stay: the ones are the operator's, the others history. A
// base that is not known is no error.
func (db *DB) RemovePackage(ctx context.Context, id alpm.RepositoryID, base string) error {
	err := db.update(ctx, func(tx *sql.Tx) error {
		for _, table := range []string{"packages", "changes", "dependencies", "log_runs", "queue", "upstreams"} {
			if _, err := tx.ExecContext(ctx, "DELETE FROM "+table+" WHERE repository = ? AND base = ?", key(id), base); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("removing package %s of %s: %w", base, id, err)
	}
	db.announce(id, Event{Event: EventPackageRemoved, Object: base, Created: db.seconds()})
	return nil
}

// normalise makes a missing map an empty one, since the API shows it always.
func normalise(p source.Package) source.Package {
	if p.Packages == nil {
		p.Packages = map[string]source.Properties{}
	}
	return p
}
