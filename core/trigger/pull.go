package trigger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"ahriman/core/alpm"
	"ahriman/core/config"
	"ahriman/core/internal/durable"
	"ahriman/core/pkgbuild"
)

// newPull brings the PKGBUILDs of remote repositories into cache/ before a run.
func newPull(options Options) (trigger, error) {
	targets := options.Settings.RemotePull
	if err := checkGit("remote-pull", "pull_url", targets, func(r *config.GitRemote) string { return r.PullURL }); err != nil || len(targets) == 0 {
		return trigger{}, err
	}
	return trigger{onStart: func(ctx context.Context) error {
		var errs []error
		for _, target := range targets {
			if err := pull(ctx, *target.GitRemote, options); err != nil {
				errs = append(errs, fmt.Errorf("pulling %s: %w", target.Name, err))
			}
		}
		return errors.Join(errs...)
	}}, nil
}

func checkGit(option, key string, targets []config.GitTarget, of func(*config.GitRemote) string) error {
	var errs []error
	for _, target := range targets {
		if of(target.GitRemote) == "" {
			errs = append(errs, &NameError{
				Name: option + ".target " + target.Name, Problem: "has no " + key,
				Advice: fmt.Sprintf("set %s in the section %s", key, target.Name),
			})
		}
	}
	return errors.Join(errs...)
}

// pull replaces cache/<base> for each directory with a PKGBUILD in the remote.
func pull(ctx context.Context, remote config.GitRemote, options Options) error {
	root := options.Settings.Repository.Root
	work, err := os.MkdirTemp(root, ".remote-pull-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	tree := filepath.Join(work, "tree")
	if err := os.Mkdir(tree, 0o755); err != nil {
		return err
	}
	c, err := newCheckout(ctx, tree, remote.PullURL, remote.PullBranch, options.Environ)
	if err != nil {
		return err
	}
	found, err := c.fetch(ctx)
	if err != nil {
		return err
	}
	if !found {
		return fmt.Errorf("the remote has no branch %s", remote.PullBranch)
	}
	if err := os.RemoveAll(filepath.Join(tree, ".git")); err != nil {
		return err
	}
	directories, err := findSources(tree)
	if err != nil {
		return err
	}
	for _, directory := range directories {
		base, err := baseOf(ctx, tree, directory, options.Settings.ID.Architecture)
		if err != nil {
			return err
		}
		if err := replaceDirectory(directory, filepath.Join(root, "cache", base)); err != nil {
			return err
		}
		options.Messages.Info("pulled sources", "base", base)
	}
	return nil
}

// findSources returns the directories with a PKGBUILD. What is inside of one
// belongs to it.
func findSources(tree string) ([]string, error) {
	var found []string
	err := filepath.WalkDir(tree, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		info, err := os.Lstat(filepath.Join(path, "PKGBUILD"))
		if err != nil || !info.Mode().IsRegular() {
			return nil
		}
		found = append(found, path)
		return fs.SkipDir
	})
	return found, err
}

// baseOf reads the name of the base: from .SRCINFO, else from the PKGBUILD
// where that needs no shell, else it is the directory's name.
func baseOf(ctx context.Context, tree, directory, architecture string) (string, error) {
	base := filepath.Base(directory)
	if info, err := readSrcinfo(filepath.Join(directory, ".SRCINFO")); err == nil {
		base = info.Base
	} else if info, err := pkgbuild.Evaluate(ctx, directory, pkgbuild.Options{Architecture: architecture}); err == nil {
		base = info.Base
	} else if directory == tree {
		return "", fmt.Errorf("the base of the PKGBUILD is not to be read without running it, and no .SRCINFO is beside it: %w", err)
	}
	return base, alpm.CheckName(base)
}

func readSrcinfo(path string) (*pkgbuild.Srcinfo, error) {
	file, err := os.OpenInRoot(filepath.Dir(path), filepath.Base(path))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return pkgbuild.ParseSrcinfo(file)
}

// replaceDirectory moves a directory to a place that may be taken; what was
// there takes the other's place. It is one step where the file system can.
func replaceDirectory(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	err := durable.Exchange(from, to)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		if err := os.RemoveAll(to); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return durable.Rename(from, to)
}
