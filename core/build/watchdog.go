package build

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"
	"time"
)

// The watch over a build's disk use.
const (
	watchInterval = 250 * time.Millisecond
	watchStep     = 256 << 20 // a fall of free space that calls for counting
	watchSlow     = 30 * time.Second
	maxFiles      = 20_000_000
)

// diskLimit returns how many bytes a build below dir may fill.
func diskLimit(dir string, configured int64) (int64, error) {
	if configured > 0 {
		return configured, nil
	}
	free, err := freeSpace(dir)
	return free / 2, err
}

// freeSpace returns the bytes that are free on the file system of dir.
func freeSpace(dir string) (int64, error) {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(dir, &stat); err != nil {
		return 0, fmt.Errorf("asking for free space: %w", err)
	}
	return int64(stat.Bavail) * stat.Bsize, nil
}

// watchDisk calls exceeded once dir holds more than limit bytes, and returns
// then or when ctx ends. Counting a large tree takes long, so it counts only
// when free space has fallen, and now and then.
func watchDisk(ctx context.Context, dir string, limit int64, exceeded func(reason string)) {
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	step := min(watchStep, max(limit/8, 1<<20))
	last, _ := freeSpace(dir)
	counted := time.Now()
	var took time.Duration
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		free, err := freeSpace(dir)
		since := time.Since(counted)
		if err != nil || (last-free < step && since < watchSlow) || since < 4*took {
			continue
		}
		begin := time.Now()
		bytes, files := usage(ctx, dir)
		switch {
		case bytes > limit:
			exceeded(fmt.Sprintf("it filled more than %d bytes of disk", limit))
			return
		case files > maxFiles:
			exceeded(fmt.Sprintf("it made more than %d files", maxFiles))
			return
		}
		last, counted, took = free, time.Now(), time.Since(begin)
	}
}

// usage counts the bytes on disk and the files below dir. What it cannot read
// it leaves out.
func usage(ctx context.Context, dir string) (bytes int64, files int) {
	_ = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return fs.SkipAll
		}
		if err != nil {
			return nil
		}
		files++
		if info, err := entry.Info(); err == nil {
			bytes += info.Sys().(*syscall.Stat_t).Blocks * 512
		}
		return nil
	})
	return bytes, files
}
