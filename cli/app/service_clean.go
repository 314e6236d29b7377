package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"ahriman/core/config"
)

// serviceClean empties directories of the service.
type serviceClean struct {
	Cache    bool `negatable:"" help:"remove local package sources, which all repositories share"`
	Chroot   bool `negatable:"" help:"remove the chroot of builds"`
	Manual   bool `negatable:"" help:"forget which packages were asked for"`
	Packages bool `negatable:"" help:"remove packages that wait for an update"`
	Pacman   bool `negatable:"" help:"remove pacman's databases and packages to build with"`
}

// Help has the examples.
func (serviceClean) Help() string {
	return `Only what is named is cleaned, and nothing while a build runs: --wait-timeout says how long to wait for one. What is published stays.

Examples: drop uploads and requests; begin anew with the chroot.

    ahriman service-clean --packages --manual
    sudo ahriman service-clean --chroot --unsafe`
}

// Run cleans each selected repository.
func (c *serviceClean) Run(ctx context.Context, env *Env, globals *Globals) error {
	if *c == (serviceClean{}) {
		env.Warn("nothing is cleaned: name what, --packages for instance")
		return nil
	}
	all, err := globals.settings(env)
	if err != nil {
		return err
	}
	var errs []error
	for _, s := range all {
		if err := c.clean(ctx, globals, s); err != nil {
			errs = append(errs, fmt.Errorf("cleaning %s: %w", s.ID, err))
		}
	}
	return errors.Join(errs...)
}

func (c *serviceClean) clean(ctx context.Context, globals *Globals, s *config.Settings) error {
	if !globals.Force {
		release, err := globals.buildLock(s).Acquire(ctx)
		if err != nil {
			return err
		}
		defer release()
	}
	var errs []error
	for _, part := range []struct {
		chosen bool
		dir    []string
	}{
		{c.Cache, []string{"cache"}},
		{c.Chroot, []string{"chroot", s.ID.Name}},
		{c.Packages, []string{"packages", s.ID.Name, s.ID.Architecture}},
		{c.Pacman, []string{"pacman", s.ID.Name, s.ID.Architecture}},
	} {
		if part.chosen {
			errs = append(errs, empty(filepath.Join(s.Repository.Root, filepath.Join(part.dir...))))
		}
	}
	if c.Manual {
		errs = append(errs, forgetRequests(ctx, s))
	}
	return errors.Join(errs...)
}

// empty removes what is in a directory; one that is not there is empty.
func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var errs []error
	for _, entry := range entries {
		errs = append(errs, os.RemoveAll(filepath.Join(dir, entry.Name())))
	}
	return errors.Join(errs...)
}

// forgetRequests empties the queue of a repository.
func forgetRequests(ctx context.Context, s *config.Settings) error {
	db, err := openStore(ctx, s)
	if err != nil {
		return err
	}
	defer db.Close()
	requests, err := db.Queue(ctx, s.ID)
	if err != nil {
		return err
	}
	for _, request := range requests {
		if err := db.Dequeue(ctx, request.ID); err != nil {
			return err
		}
	}
	return nil
}
