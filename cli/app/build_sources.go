package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"ahriman/core/alpm"
	"ahriman/core/build"
	"ahriman/core/config"
	"ahriman/core/pkgbuild"
	"ahriman/core/repository"
	"ahriman/core/schedule"
	"ahriman/core/source"
	"ahriman/core/store"
	"ahriman/core/tree"
	"ahriman/transport/httpclient"
)

// buildRun is one run of the build command.
type buildRun struct {
	command      *buildCommand
	env          *Env
	globals      *Globals
	settings     *config.Settings // nil on a machine without a configuration
	store        *store.DB        // nil without one
	architecture string
	output       string // directory of the package files
	work         string // ours, below output, gone at the end
	fetcher      *source.Fetcher
	connections  *connections // nil until there are workers
	workers      []schedule.Worker
	shown        bool         // builds' output goes to standard error
	runner       *build.Local // nil until something is done here
	outcome      *Outcome
	sources      map[string]*buildSource // by base
	offers       []build.Offer           // of the repository, and of build.server
	upstream     *httpclient.Upstream    // nil without build.server
	took         map[string]float64      // seconds of the last attempt, by base

	mu    sync.Mutex
	stock *build.Stock         // the offers, and before them what was built
	kept  map[string]buildLine // of the bases that were built
}

// buildSource is one base to build.
type buildSource struct {
	dir   string // with the PKGBUILD, patches applied
	leaf  tree.Package
	needs []string // relations, with constraints
}

// open gets ready to build.
func (r *buildRun) open(ctx context.Context) error {
	if err := r.configure(); err != nil {
		return err
	}
	output, err := filepath.Abs(r.command.Output)
	if err != nil {
		return err
	}
	r.output = output
	base := output
	if r.command.DryRun { // which leaves nothing there
		base = scratchBase(r.env)
	} else if err := os.MkdirAll(output, 0o755); err != nil {
		return fmt.Errorf("creating the output directory: %w", err)
	}
	if r.work, err = os.MkdirTemp(base, ".ahriman-"); err != nil {
		return fmt.Errorf("preparing to build: %w", err)
	}
	r.shown = r.command.Verbose || (r.env.Err().Terminal() && !r.globals.Quiet)
	if !r.command.DryRun {
		if err := r.openWorkers(ctx); err != nil {
			return errors.Join(err, r.close())
		}
	}
	r.fetcher = source.New(r.sourceConfig())
	if r.settings == nil {
		return nil
	}
	if r.offers, err = publishedOffers(r.settings); err == nil {
		r.store, err = existingStore(ctx, r.settings)
	}
	if err == nil {
		err = r.openUpstream(ctx)
	}
	if err != nil {
		return errors.Join(err, r.close())
	}
	return nil
}

// local is what builds here, or evaluates what cannot be read otherwise.
func (r *buildRun) local() (*build.Local, error) {
	if r.runner != nil {
		return r.runner, nil
	}
	local, err := build.NewLocal(r.buildConfig())
	if errors.Is(err, build.ErrRoot) {
		return nil, Hinted(err, "run ahriman as an unprivileged user, or name one in build.user")
	}
	r.runner = local
	return local, err
}

// close leaves nothing but the packages.
func (r *buildRun) close() error {
	var errs []error
	if r.connections != nil {
		errs = append(errs, r.connections.Close())
	}
	if r.runner != nil {
		errs = append(errs, r.runner.Close())
	}
	if r.store != nil {
		errs = append(errs, r.store.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(r.work))...)
}

// configure finds the repository's settings; a machine without a configuration
// builds all the same.
func (r *buildRun) configure() error {
	settings, err := r.globals.single(r.env)
	switch {
	case err == nil:
		r.settings, r.architecture = settings, settings.ID.Architecture
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, config.ErrNoRepository):
		r.architecture = r.globals.Architecture
		if r.architecture == "" {
			r.architecture = machine()
		}
	default:
		return err
	}
	return nil
}

// sourceConfig is how sources are found.
func (r *buildRun) sourceConfig() source.Config {
	if r.settings == nil {
		return source.Config{}
	}
	return fetcherConfig(r.settings)
}

// fetcherConfig is what the settings say about sources.
func fetcherConfig(s *config.Settings) source.Config {
	return source.Config{
		Cache: filepath.Join(s.Repository.Root, "cache"), AUR: s.AUR.Address, Timeout: s.AUR.Timeout,
		Retries: s.AUR.MaxRetries, Backoff: time.Duration(s.AUR.RetryBackoff * float64(time.Second)),
	}
}

// buildConfig is how packages are built.
func (r *buildRun) buildConfig() build.Config {
	var c build.Config
	if r.settings != nil {
		c = runnerConfig(r.settings)
	} else {
		c.Root, c.IncludeDebug = r.output, true
	}
	c.Scratch, c.Output = scratchBase(r.env), filepath.Join(r.work, "built")
	c.Hidden = append(c.Hidden, r.globals.Configuration)
	c.Logger = slog.New(slog.NewTextHandler(r.env.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	return c
}

// scratchBase is where builds have their scratch directories: $TMPDIR, or a
// directory that is on a disk rather than in memory.
func scratchBase(env *Env) string {
	if dir := env.Getenv("TMPDIR"); dir != "" {
		return dir
	}
	return "/var/tmp"
}

// runnerConfig is what the settings say about building here. The caller sets
// Scratch, Output and Logger.
func runnerConfig(s *config.Settings) build.Config {
	b := s.Build
	c := build.Config{
		Builder: build.Builder(b.Builder), Root: s.Repository.Root, User: b.User, Packager: b.Packager,
		MakeFlags: b.MakeFlags, MakepkgFlags: b.MakepkgFlags, ArchbuildFlags: b.ArchbuildFlags,
		MakechrootpkgFlags: b.MakechrootpkgFlags, Wrapper: b.DevtoolsWrapper,
		ArchbuildCommand: s.ID.Name + "-" + s.ID.Architecture + "-build",
		Chroot:           filepath.Join(s.Repository.Root, "chroot", s.ID.Name),
		Jobs:             b.Jobs, Network: build.Network(b.Network), Timeout: b.Timeout, IncludeDebug: b.IncludeDebugPackages,
		PacmanDB: s.ALPM.Database, Hidden: []string{s.Path},
	}
	c.Hidden = append(c.Hidden, s.Main.Include...)
	if c.Builder == "" {
		c.Builder = build.DefaultBuilder()
	}
	return c
}

// publishedOffers returns the packages of the repository.
func publishedOffers(s *config.Settings) ([]build.Offer, error) {
	found, err := publishedDatabase(s)
	if err != nil {
		return nil, err
	}
	dir := repository.PublishedPath(s.Repository.Root, s.ID)
	var offers []build.Offer
	for i := range found {
		path := filepath.Join(dir, filepath.Base(found[i].FileName))
		if _, err := os.Stat(path); err == nil {
			offers = append(offers, build.Offer{Package: found[i], Path: path})
		}
	}
	return offers, nil
}

// openUpstream offers what the master's repository has, where build.server names
// it. Its files are fetched once a build needs them.
func (r *buildRun) openUpstream(ctx context.Context) error {
	server := r.settings.Build.Server
	if server == "" || r.command.DryRun {
		return nil
	}
	upstream, err := httpclient.NewUpstream(server, r.settings.ID, filepath.Join(r.work, "upstream"))
	if err != nil {
		return fmt.Errorf("reading build.server: %w", err)
	}
	packages, err := upstream.Packages(ctx)
	if err != nil {
		return fmt.Errorf("reading the repository of build.server: %w", err)
	}
	for _, p := range packages {
		r.offers = append(r.offers, build.Offer{Package: p})
	}
	r.upstream = upstream
	return nil
}

// offerOf reads the metadata of a package file.
func offerOf(path string) (build.Offer, error) {
	info, err := alpm.ReadInfo(path)
	return build.Offer{Package: alpm.Package{Info: info}, Path: path}, err
}

// collect finds, fetches and reads what is to be built.
func (r *buildRun) collect(ctx context.Context, names []string) error {
	named := map[string]bool{}
	for item, err := range r.outcome.Items(names, "path", "dir", "base", "name") {
		if err != nil {
			return err
		}
		if named[item.Text] {
			continue
		}
		named[item.Text] = true
		if err := r.add(ctx, item.Text); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := r.failed(buildLine{Base: item.Text, Status: "failed"}, addError(err, item.Text)); err != nil {
				return err
			}
			if !r.command.KeepGoing {
				return r.outcome.Err()
			}
		}
	}
	return nil
}

// add finds, fetches and reads one source.
func (r *buildRun) add(ctx context.Context, name string) error {
	found, err := r.find(ctx, name)
	if err != nil {
		return err
	}
	if found.IsFiles() {
		return Hinted(fmt.Errorf("building %s: it is of package files", name), sourceHint)
	}
	dir := found.Dir
	if dir == "" {
		if dir, err = r.fetch(ctx, found); err != nil {
			return err
		}
	}
	info, err := r.read(ctx, dir)
	if err != nil {
		return err
	}
	if dir, info, err = r.patch(ctx, dir, info); err != nil {
		return err
	}
	s := &buildSource{dir: dir, leaf: tree.Package{Base: info.Base, Version: info.Version()}}
	for _, one := range info.ForArch(r.architecture) {
		joined := relations(one)
		s.leaf.Names = append(s.leaf.Names, joined.Names...)
		s.leaf.Provides = append(s.leaf.Provides, joined.Provides...)
		s.leaf.Depends = append(s.leaf.Depends, joined.Depends...)
		s.leaf.MakeDepends = append(s.leaf.MakeDepends, joined.MakeDepends...)
		s.leaf.CheckDepends = append(s.leaf.CheckDepends, joined.CheckDepends...)
	}
	for _, relations := range [][]string{s.leaf.Depends, s.leaf.MakeDepends, s.leaf.CheckDepends} {
		s.needs = append(s.needs, relations...)
	}
	if other, ok := r.sources[info.Base]; ok && other.dir != dir {
		return fmt.Errorf("building %s: base %s was named before, as %s", name, info.Base, other.dir)
	}
	r.sources[info.Base] = s
	return nil
}

// find resolves a name; the repository knows where its bases come from.
func (r *buildRun) find(ctx context.Context, name string) (*source.Found, error) {
	if r.store != nil && !strings.Contains(name, "/") && !source.HasPKGBUILD(name) {
		record, err := r.store.Package(ctx, r.settings.ID, name)
		if err == nil {
			return r.fetcher.FromOrigin(name, record.Package.Origin)
		}
		if !errors.Is(err, store.ErrUnknownPackage) {
			return nil, err
		}
	}
	return r.fetcher.Resolve(ctx, name, source.Auto)
}

// fetch puts sources into a directory of ours.
func (r *buildRun) fetch(ctx context.Context, found *source.Found) (string, error) {
	dir, err := os.MkdirTemp(r.work, "source-")
	if err != nil {
		return "", err
	}
	_, err = r.fetcher.Sources(ctx, found, dir)
	return dir, err
}

// read evaluates a PKGBUILD: without running it where that can be done, from
// the .SRCINFO beside it, or by running it in the sandbox.
func (r *buildRun) read(ctx context.Context, dir string) (*pkgbuild.Srcinfo, error) {
	info, err := pkgbuild.Evaluate(ctx, dir, pkgbuild.Options{Architecture: r.architecture})
	var needs *pkgbuild.NeedsEvaluation
	if !errors.As(err, &needs) {
		return info, err
	}
	local, err := r.local()
	if err != nil {
		return nil, err
	}
	return local.Srcinfo(ctx, dir, r.architecture)
}

// patch applies the patches that the repository has for the base to a copy of
// its sources, and reads them again.
func (r *buildRun) patch(ctx context.Context, dir string, info *pkgbuild.Srcinfo) (string, *pkgbuild.Srcinfo, error) {
	if r.store == nil {
		return dir, info, nil
	}
	patches, err := r.store.Patches(ctx, info.Base)
	if err != nil || len(patches) == 0 {
		return dir, info, err
	}
	patched, err := os.MkdirTemp(r.work, "patched-")
	if err != nil {
		return "", nil, err
	}
	if err := source.Copy(ctx, dir, patched, source.CopyOptions{}); err != nil {
		return "", nil, fmt.Errorf("patching %s: %w", info.Base, err)
	}
	if err := source.Apply(ctx, patched, patches); err != nil {
		return "", nil, fmt.Errorf("patching %s: %w", info.Base, err)
	}
	if info, err = r.read(ctx, patched); err != nil {
		return "", nil, err
	}
	return patched, info, nil
}

// baseNames joins the bases' names for a message.
func baseNames(packages []tree.Package) string {
	var names []string
	for _, p := range packages {
		names = append(names, p.Base)
	}
	return strings.Join(names, ", ")
}
