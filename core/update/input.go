package update

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"ahriman/core/build"
	"ahriman/core/schedule"
	"ahriman/core/source"
	"ahriman/core/store"
)

// record keeps what went into a build and what came out of it: later builds
// are planned and compared by it.
func (r *run) record(ctx context.Context, d *due, with *ingredients, a schedule.Attempt, result *build.Result) {
	if ctx.Err() != nil {
		return
	}
	entry := store.Build{
		Base: d.pkg.Base, Version: d.pkg.Version, Input: with.digest, Worker: a.Worker, Speed: a.Speed, Started: a.Began,
		Duration: time.Since(a.Began), Success: result != nil,
	}
	var err error
	if result != nil {
		entry.Duration = result.Duration
		entry.Outputs, err = outputs(result.Files)
	}
	if err == nil {
		err = r.Store.AddBuild(ctx, r.Repository.ID(), entry)
	}
	if err != nil {
		r.Logger.Warn("recording a build", "base", d.pkg.Base, "error", err)
	}
}

// inputDigest is the digest of all that decides how a base comes out.
func (r *run) inputDigest(ctx context.Context, d *due, with *ingredients) (string, error) {
	tree, err := source.TreeDigest(ctx, d.dir, source.Limits{})
	if err != nil {
		return "", err
	}
	return source.Inputs{
		Tree: tree, Architecture: r.architecture(), Flags: r.BuildFlags, Dependencies: with.digests,
	}.Digest(), nil
}

// outputs describes package files.
func outputs(files []string) ([]store.Output, error) {
	var list []store.Output
	for _, path := range files {
		output, err := outputOf(path)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", path, err)
		}
		list = append(list, output)
	}
	return list, nil
}

func outputOf(path string) (store.Output, error) {
	file, err := os.Open(path)
	if err != nil {
		return store.Output{}, err
	}
	defer file.Close()
	digest := sha256.New()
	size, err := io.Copy(digest, file)
	return store.Output{File: filepath.Base(path), SHA256: hex.EncodeToString(digest.Sum(nil)), Size: size}, err
}
