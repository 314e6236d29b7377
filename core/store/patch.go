package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"ahriman/core/source"
)

// Patches returns the patches of a base in the order they were added. They
// belong to the base in every repository.
func (db *DB) Patches(ctx context.Context, base string) ([]source.Patch, error) {
	patches := []source.Patch{}
	err := db.rows(ctx, func(rows *sql.Rows) error {
		var p source.Patch
		var text string
		if err := rows.Scan(&p.Key, &text); err != nil {
			return err
		}
		err := json.Unmarshal([]byte(text), &p.Value)
		patches = append(patches, p)
		return err
	}, "SELECT key, value FROM patches WHERE base = ? ORDER BY id", base)
	if err != nil {
		return nil, fmt.Errorf("reading patches of %s: %w", base, err)
	}
	return patches, nil
}

// Patch returns the patch of a base with that key (empty: the diff), or
// ErrUnknownPatch.
func (db *DB) Patch(ctx context.Context, base, name string) (source.Patch, error) {
	var p source.Patch
	var text string
	err := db.row(ctx, ErrUnknownPatch, []any{&p.Key, &text},
		"SELECT key, value FROM patches WHERE base = ? AND ifnull(key, '') = ?", base, name)
	if err == nil {
		err = json.Unmarshal([]byte(text), &p.Value)
	}
	if err != nil {
		return source.Patch{}, fmt.Errorf("reading patch %s of %s: %w", name, base, err)
	}
	return p, nil
}

// SetPatch adds a patch to a base, or replaces the value of the one with its key.
func (db *DB) SetPatch(ctx context.Context, base string, p source.Patch) error {
	text, err := json.Marshal(p.Value)
	if err == nil {
		_, err = db.exec(ctx, `INSERT INTO patches (base, key, value) VALUES (?, ?, ?)
			ON CONFLICT (base, ifnull(key, '')) DO UPDATE SET value = excluded.value`, base, p.Key, string(text))
	}
	if err != nil {
		return fmt.Errorf("storing patch of %s: %w", base, err)
	}
	return nil
}

// RemovePatch removes the patch of a base with that key (empty: the diff). One
// that is not there is no error.
func (db *DB) RemovePatch(ctx context.Context, base, name string) error {
	if _, err := db.exec(ctx, "DELETE FROM patches WHERE base = ? AND ifnull(key, '') = ?", base, name); err != nil {
		return fmt.Errorf("removing patch %s of %s: %w", name, base, err)
	}
	return nil
}

// RemovePatches removes all patches of a base.
func (db *DB) RemovePatches(ctx context.Context, base string) error {
	if _, err := db.exec(ctx, "DELETE FROM patches WHERE base = ?", base); err != nil {
		return fmt.Errorf("removing patches of %s: %w", base, err)
	}
	return nil
}
