package source

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"ahriman/core/internal/durable"
)

// Keep makes the directory kept a copy of the sources in dir, in one step: who
// reads it sees all of the old sources or all of the new.
func Keep(ctx context.Context, dir, kept string) error {
	if err := keep(ctx, dir, kept); err != nil {
		return fmt.Errorf("keeping sources in %s: %w", kept, err)
	}
	return nil
}

func keep(ctx context.Context, dir, kept string) error {
	if err := durable.Mkdir(filepath.Dir(kept)); err != nil {
		return err
	}
	next, err := os.MkdirTemp(filepath.Dir(kept), ".keep-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(next) // what was there before, once they are exchanged
	if err := os.Chmod(next, 0o755); err != nil {
		return err
	}
	if err := Copy(ctx, dir, next, CopyOptions{}); err != nil {
		return err
	}
	if err := durable.Mkdir(kept); err != nil {
		return err
	}
	return durable.Exchange(next, kept)
}
