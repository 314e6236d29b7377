package app

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"

	"ahriman/core/build"
	"ahriman/core/config"
	"ahriman/transport/httpserver"
)

// delegation is what a node that serves builds for masters.
type delegation struct {
	*httpserver.Builds
	local *build.Local // nil: it builds nothing
	stop  func() bool
}

// openDelegation makes the worker's side of a node from the settings of its
// first repository. A node that cannot build, as one run by root without
// build.user, serves all the same, and tells masters why. When ctx ends, so do
// the builds.
func openDelegation(ctx context.Context, env *Env, all []*config.Settings, logger *slog.Logger) (*delegation, error) {
	s := all[0]
	c := httpserver.BuildsConfig{
		Dir: filepath.Join(s.Repository.Root, ".worker"), Version: Version(), Log: logger,
		Slots: s.Worker.Slots, Speed: s.Worker.Speed, Features: s.Worker.Features,
	}
	for _, s := range all {
		if !slices.Contains(c.Architectures, s.ID.Architecture) {
			c.Architectures = append(c.Architectures, s.ID.Architecture)
		}
	}
	d := &delegation{}
	err := errors.New("worker.slots is 0")
	if c.Slots > 0 {
		d.local, err = build.NewLocal(delegatedBuilds(env, s, len(c.Architectures), logger))
	}
	if err == nil {
		c.Runner, c.Check = d.local, d.local.Lacks
		if d.Builds, err = httpserver.NewBuilds(c); err != nil {
			logger.Warn("not building for masters", "error", err)
			d.local.Close()
			d.local = nil
		}
	}
	if err != nil {
		c.Runner, c.Reason = nil, err.Error()
		if d.Builds, err = httpserver.NewBuilds(c); err != nil {
			return nil, err
		}
	}
	// Requests that follow a build end with it, so that the server can stop.
	d.stop = context.AfterFunc(ctx, func() { d.Builds.Close() })
	return d, nil
}

// delegatedBuilds is how packages are built for masters.
func delegatedBuilds(env *Env, s *config.Settings, architectures int, logger *slog.Logger) build.Config {
	c := runnerConfig(s)
	c.Scratch, c.Logger, c.Jobs = scratchBase(env), logger, s.Worker.Slots
	if architectures > 1 {
		c.ArchbuildCommand = "" // the first repository's is for one of them
	}
	return c
}

// Close ends the builds.
func (d *delegation) Close() error {
	d.stop()
	err := d.Builds.Close()
	if d.local != nil {
		err = errors.Join(err, d.local.Close())
	}
	return err
}
