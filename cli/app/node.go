package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"

	"ahriman/core/build"
	"ahriman/core/config"
	"ahriman/core/pkgbuild"
	"ahriman/core/repository"
	"ahriman/core/source"
	"ahriman/core/store"
	"ahriman/core/trigger"
	"ahriman/core/update"
	"ahriman/transport/httpclient"

	"github.com/google/uuid"
)

// node is one repository of this machine with all that an update of it needs.
// The parts are made here, once, from the settings.
type node struct {
	env        *Env
	globals    *Globals
	settings   *config.Settings
	store      *store.DB
	repository *repository.Repository
	sources    *source.Fetcher
	master     *master      // nil: this node is its own master
	runner     *build.Local // nil until something is built
	workers    *connections // nil unless a flow builds or plans
	logger     *slog.Logger
	reports    io.Writer // what triggers print
	close      []func() error
}

// openNode opens the parts of a repository. The caller closes it.
func (g *Globals) openNode(ctx context.Context, env *Env, s *config.Settings) (*node, error) {
	db, err := openStore(ctx, s)
	if err != nil {
		return nil, err
	}
	n, err := g.nodeWith(env, s, db)
	if err != nil {
		db.Close()
		return nil, err
	}
	n.close = append(n.close, db.Close)
	return n, nil
}

// nodeWith is openNode with a store that stays the caller's.
func (g *Globals) nodeWith(env *Env, s *config.Settings, db *store.DB) (*node, error) {
	logger, sink, err := g.Logger(env)
	if err != nil {
		return nil, err
	}
	n := &node{env: env, globals: g, settings: s, store: db, logger: logger, reports: env.Stdout, close: []func() error{sink.Close}}
	n.sources = source.New(fetcherConfig(s))
	var databases repository.Signer
	if s.Sign.Database() {
		databases = newGPG(env, s.Sign.Key)
	}
	if n.repository, err = g.openRepository(s, databases); err != nil {
		return nil, err
	}
	if address := s.StatusAddress(); g.Report && address != "" && address != s.WebAddress() {
		remote, err := connect(s, nil)
		if err != nil {
			return nil, err
		}
		n.master = &remote
		n.close = append(n.close, func() error { remote.Client().Close(); return nil })
	}
	return n, nil
}

// Close ends builds that still run and closes what openNode opened.
func (n *node) Close() error {
	var errs []error
	if n.runner != nil {
		errs = append(errs, n.runner.Close())
	}
	for _, closing := range n.close {
		errs = append(errs, closing())
	}
	return errors.Join(errs...)
}

// path is a directory below the root.
func (n *node) path(name string) string { return filepath.Join(n.settings.Repository.Root, name) }

// local returns the runner of this machine.
func (n *node) local() (*build.Local, error) {
	if n.runner == nil {
		runner, err := build.NewLocal(n.buildConfig())
		if err != nil {
			return nil, err
		}
		n.runner = runner
	}
	return n.runner, nil
}

// buildConfig is how this machine builds.
func (n *node) buildConfig() build.Config {
	c := runnerConfig(n.settings)
	c.Scratch, c.Logger = scratchBase(n.env), n.logger
	return c
}

// flowOptions are what differs between the flows of one node.
type flowOptions struct {
	process   string // process_id of the logs; empty: a new one
	observers []update.Observer
	builds    bool // the flow may build, and runs the triggers
	plans     bool // the flow knows the workers, and gives them nothing
}

// flow makes a flow of the node's parts.
func (n *node) flow(o flowOptions) (*update.Flow, error) {
	c := update.Config{
		Repository: n.repository, Store: n.store, Sources: n.sources, Observers: o.observers,
		CacheDir: n.path("cache"), ScratchDir: n.path(".scratch"), Ignore: n.settings.Build.IgnorePackages,
		AUR: n.sources, MinAge: n.settings.Build.MinAge, BuildFlags: n.settings.Build.MakepkgFlags, Process: o.process, Logger: n.logger,
	}
	if c.Process == "" {
		c.Process = uuid.NewString()
	}
	c.Evaluate = func(ctx context.Context, dir string) (*pkgbuild.Srcinfo, error) {
		runner, err := n.local()
		if err != nil {
			return nil, err
		}
		return runner.Srcinfo(ctx, dir, n.settings.ID.Architecture)
	}
	c.ImportKey = func(ctx context.Context, key update.Key) error {
		return importKey(ctx, n.env, key.ID, key.Server)
	}
	n.addLooking(&c)
	if n.master != nil {
		c.Observers = append(c.Observers, n.master.Observer(c.Process))
		c.Patches = n.master.Patches
	}
	if n.settings.Sign.Packages() {
		keys := &signingKeys{env: n.env, globals: n.globals, settings: n.settings, users: n.store}
		c.SignPackage = func(ctx context.Context, path string) error {
			key, err := keys.forFile(ctx, path)
			if err == nil {
				_, err = key.SignFile(ctx, path)
			}
			return err
		}
	}
	if o.builds || o.plans {
		n.workers = newConnections(n)
		n.workers.planning = o.plans
		n.close = append(n.close, n.workers.Close)
		c.Workers = n.workers.Workers
	}
	if o.builds {
		if err := n.addBuilding(&c); err != nil {
			return nil, err
		}
	}
	flow, err := update.New(c)
	if n.workers != nil && err == nil {
		n.workers.arrived = flow.Arrived
	}
	return flow, err
}

// addBuilding adds what a flow needs to build and to deliver.
func (n *node) addBuilding(c *update.Config) error {
	var err error
	c.Retries, c.Lease, c.Patience = n.settings.Build.Retries, n.settings.Build.Lease, n.settings.Build.Patience
	c.Watch = n.workers.keep
	if c.Triggers, err = n.triggers(nil); err != nil {
		return err
	}
	if server := n.settings.Build.Server; server != "" {
		cache := n.path(filepath.Join("pacman", n.settings.ID.String(), "cache"))
		supply, err := httpclient.NewUpstream(server, n.settings.ID, cache)
		if err != nil {
			return fmt.Errorf("reading build.server: %w", err)
		}
		c.Supplies = append(c.Supplies, supply)
	}
	if !n.globals.Force {
		c.Lock = func(ctx context.Context, wait bool) (func(), error) {
			lock := n.globals.buildLock(n.settings)
			if !wait {
				lock.Timeout = -1
			}
			return lock.Acquire(ctx)
		}
	}
	return nil
}

// triggers makes the chain of these triggers; nil: the configured ones.
func (n *node) triggers(names []string) (*trigger.Chain, error) {
	return trigger.New(names, n.triggerOptions())
}

func (n *node) triggerOptions() trigger.Options {
	options := triggerOptions(n.env, n.settings, n.logger)
	options.Output = n.reports
	options.Register, options.PackagerKeys = n.register, n.packagerKeys
	options.Sources = func(ctx context.Context, p source.Package, dir string) error {
		found, err := n.sources.FromOrigin(p.Base, p.Origin)
		if err == nil {
			_, err = n.sources.Sources(ctx, found, dir)
		}
		return err
	}
	return options
}

// packager returns who a user builds as: the packager of that user, when
// --username names one.
func (n *node) packager(ctx context.Context, username string) (string, error) {
	if username == "" {
		return "", nil
	}
	user, err := n.store.User(ctx, username)
	if err != nil {
		return "", Hinted(err, "user-list shows the users there are")
	}
	return user.Packager, nil
}

// update runs the node's flow and tells what happens.
func (n *node) update(ctx context.Context, request update.Request, json, verbose bool) (*update.Outcome, error) {
	if json || n.globals.Quiet { // the events have it all, or nobody wants to know
		n.reports = io.Discard
	}
	flow, err := n.flow(flowOptions{builds: true, observers: []update.Observer{newNarrator(n.env, n.globals, json, verbose)}})
	if err != nil {
		return nil, err
	}
	outcome, err := flow.Run(ctx, request)
	return outcome, outcomeError(err)
}
