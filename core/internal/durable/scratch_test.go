package durable_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"ahriman/core/internal/durable"
)

func TestScratch(t *testing.T) {
	parent := filepath.Join(t.TempDir(), "scratch")
	living, err := durable.NewScratch(parent)
	if err != nil {
		t.Fatal(err)
	}
	leftover := filepath.Join(parent, "of a dead process")
	if err := os.MkdirAll(filepath.Join(leftover, "deep"), 0o755); err != nil {
		t.Fatal(err)
	}
	second, err := durable.NewScratch(parent)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(leftover); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the leftover is there: %v", err)
	}
	if _, err := os.Stat(living.Dir); err != nil {
		t.Errorf("what is in use was removed: %v", err)
	}
	for _, s := range []*durable.Scratch{living, second, nil} {
		if err := s.Remove(); err != nil {
			t.Error(err)
		}
	}
	if entries, err := os.ReadDir(parent); err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v %v", entries, err)
	}
}
