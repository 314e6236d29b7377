package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"ahriman/core/internal/durable"
)

// Snapshot makes a copy of the whole database as it is at one moment, whoever
// works with it meanwhile, and returns its path. The caller removes it.
func (db *DB) Snapshot(ctx context.Context) (path string, remove func() error, err error) {
	scratch, err := durable.NewScratch(filepath.Join(filepath.Dir(db.path), ".scratch"))
	if err != nil {
		return "", nil, fmt.Errorf("copying the database: %w", err)
	}
	path = filepath.Join(scratch.Dir, filepath.Base(db.path))
	if err := db.copyTo(ctx, path); err != nil {
		return "", nil, fmt.Errorf("copying database %s: %w", db.path, errors.Join(err, scratch.Remove()))
	}
	return path, scratch.Remove, nil
}

func (db *DB) copyTo(ctx context.Context, path string) error {
	// SQLite takes an empty file, and would make one for all to read.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	f.Close()
	if _, err := db.sql.ExecContext(ctx, "VACUUM INTO ?", path); err != nil {
		return err
	}
	// A copy is in no WAL mode, and Open changes that of new files only.
	copied, err := sql.Open("sqlite", dataSource(path))
	if err != nil {
		return err
	}
	_, err = copied.ExecContext(ctx, "PRAGMA journal_mode = WAL")
	return errors.Join(err, copied.Close())
}
