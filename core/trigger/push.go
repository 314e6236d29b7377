package trigger

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"ahriman/core/alpm"
	"ahriman/core/config"
)

// pushTries is how often a push begins anew because someone else was faster.
const pushTries = 3

// newPush commits the sources of what was built to remote repositories.
func newPush(options Options) (trigger, error) {
	targets := options.Settings.RemotePush
	if err := checkGit("remote-push", "push_url", targets, func(r *config.GitRemote) string { return r.PushURL }); err != nil || len(targets) == 0 {
		return trigger{}, err
	}
	return trigger{onResult: func(ctx context.Context, result Result) error {
		if len(result.Built) == 0 {
			return nil
		}
		var errs []error
		for _, target := range targets {
			if err := push(ctx, *target.GitRemote, result.Built, options); err != nil {
				errs = append(errs, fmt.Errorf("pushing to %s: %w", target.Name, err))
			}
		}
		return errors.Join(errs...)
	}}, nil
}

func push(ctx context.Context, remote config.GitRemote, built []Built, options Options) error {
	var err error
	for range pushTries {
		if err = pushOnce(ctx, remote, built, options); err == nil || !strings.Contains(err.Error(), "[rejected]") {
			return err
		}
	}
	return err
}

func pushOnce(ctx context.Context, remote config.GitRemote, built []Built, options Options) error {
	work, err := os.MkdirTemp("", "ahriman-remote-push-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	c, err := newCheckout(ctx, work, remote.PushURL, remote.PushBranch, options.Environ)
	if err != nil {
		return err
	}
	if _, err := c.fetch(ctx); err != nil { // without the branch, it begins here
		return err
	}
	var bases []string
	for _, b := range built {
		if err := putSources(ctx, c, b, options); err != nil {
			return fmt.Errorf("sources of %s: %w", b.Package.Base, err)
		}
		bases = append(bases, b.Package.Base)
	}
	if same, err := c.test(ctx, "diff", "--cached", "--quiet"); err != nil || same {
		return err
	}
	if err := c.git(ctx, "-c", "user.name="+remote.CommitUser, "-c", "user.email="+remote.CommitEmail,
		"commit", "--quiet", "--no-gpg-sign", "--message", "Update "+strings.Join(bases, ", ")); err != nil {
		return err
	}
	if err := c.git(ctx, "push", "--quiet", "origin", "HEAD:refs/heads/"+remote.PushBranch); err != nil {
		return err
	}
	options.Messages.Info("pushed sources", "bases", strings.Join(bases, " "))
	return nil
}

// putSources replaces the base's directory in the work tree. Files are added
// even where an ignore file among them says otherwise: the sources of a package
// are what its own repository tracks.
func putSources(ctx context.Context, c *checkout, built Built, options Options) error {
	base := built.Package.Base
	if err := alpm.CheckName(base); err != nil {
		return err
	}
	directory := filepath.Join(c.dir, base)
	if err := os.RemoveAll(directory); err != nil {
		return err
	}
	if err := os.Mkdir(directory, 0o755); err != nil {
		return err
	}
	if err := options.Sources(ctx, built.Package, directory); err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(directory, ".git")); err != nil {
		return err
	}
	return c.git(ctx, "add", "--force", "--all", "--", base)
}
