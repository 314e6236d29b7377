package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ahriman/core/config"
	"ahriman/core/repository"
	"ahriman/core/store"
)

// configuration reads the configuration file that the command line names.
func (g *Globals) configuration(env *Env) (*config.File, error) {
	file, err := config.Load(g.Configuration, env.Environ)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, Hinted(err, "name the file with --configuration or AHRIMAN_CONFIGURATION, or make one with service-setup")
	}
	return file, err
}

// settings returns the settings of each repository that the command line
// selects, all of the root when it names none.
func (g *Globals) settings(env *Env) ([]*config.Settings, error) {
	file, err := g.configuration(env)
	if err != nil {
		return nil, err
	}
	ids, err := g.chosen(file)
	if err != nil {
		return nil, err
	}
	var all []*config.Settings
	for _, id := range ids {
		s, err := file.For(id)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// single returns the settings of the only repository selected; where there are
// several the command line is wrong.
func (g *Globals) single(env *Env) (*config.Settings, error) {
	all, err := g.settings(env)
	if err != nil {
		return nil, err
	}
	if len(all) == 1 {
		return all[0], nil
	}
	var names []string
	for _, s := range all {
		names = append(names, s.ID.String())
	}
	return nil, Hinted(Usagef("this command works on one repository, and there are %d: %s", len(all), strings.Join(names, ", ")),
		"choose one with --repository and --architecture")
}

// openStore opens the node's store, which all repositories of a root share. It
// stands beside the Python node's database, which is never touched.
func openStore(ctx context.Context, s *config.Settings) (*store.DB, error) {
	path := storePath(s)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("opening the store: %w", err)
	}
	return store.Open(ctx, path)
}

// storePath is settings.database with another ending: "ahriman.db" is the
// Python node's, "ahriman.sqlite" ours.
func storePath(s *config.Settings) string {
	return strings.TrimSuffix(s.Main.Database, filepath.Ext(s.Main.Database)) + ".sqlite"
}

// openRepository opens the published repository. The signer signs its
// databases; nil where that is not configured.
func (g *Globals) openRepository(s *config.Settings, signer repository.Signer) (*repository.Repository, error) {
	return repository.Open(repository.Options{
		Root: s.Repository.Root, ID: s.ID, Signer: signer, KeepBuilt: s.Archive.KeepBuiltPackages,
		LockTimeout: g.publicationTimeout(),
	})
}

// publicationWait is how long a publication waits for another at least: they
// are short, and a lock that --wait-timeout is about is held while building.
const publicationWait = time.Minute

// publicationTimeout is how long a publication waits for others.
func (g *Globals) publicationTimeout() time.Duration {
	if wait := g.lockTimeout(); wait != 0 { // which is without end
		return max(publicationWait, wait)
	}
	return 0
}

// lockTimeout is --wait-timeout as repository.Lock has it: negative not to wait,
// 0 without end.
func (g *Globals) lockTimeout() time.Duration { return time.Duration(g.WaitTimeout) * time.Second }

// buildLock is held while a run builds, so that no two build the same. Each
// repository has its own, unless --lock names a file.
func (g *Globals) buildLock(s *config.Settings) repository.Lock {
	path := g.Lock
	if path == "" {
		path = filepath.Join(s.Repository.Root, fmt.Sprintf(".build-%s-%s.lock", s.ID.Name, s.ID.Architecture))
	}
	return repository.Lock{Path: path, Timeout: g.lockTimeout()}
}
