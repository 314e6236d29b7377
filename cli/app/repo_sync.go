package app

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"ahriman/core/config"
	"ahriman/core/trigger"
)

// repoSync uploads what the targets of upload.target lack of the repository.
type repoSync struct {
	All  bool `help:"send all files, also those that the master lists"`
	JSON bool `help:"print one object a line: path, name, size, sha256, signed"`
}

// Help has the examples.
func (repoSync) Help() string {
	return `Each published package file, and its signature, is sent to the targets of upload.target, unless the master lists the file already. A line is printed for each: its name there, its size in bytes and its SHA-256. Nothing is sent where no target is configured.

Examples: catch up with a master that was away, and have it publish.

    ahriman repo-sync && ahriman report remote-call --wait`
}

// Run sends the files of each repository.
func (c *repoSync) Run(ctx context.Context, env *Env, globals *Globals) error {
	all, err := globals.settings(env)
	if err != nil {
		return err
	}
	outcome := NewOutcome(env, c.JSON)
	for _, s := range all {
		for _, target := range s.Upload {
			if target.RemoteService == nil {
				_, err := trigger.NewUploader(target, trigger.Options{Settings: s})
				outcome.Fail(target.Name, err)
				continue
			}
			if err := c.sync(ctx, env, globals, s, target.RemoteService, outcome); err != nil {
				return err
			}
		}
	}
	return outcome.Err()
}

func (c *repoSync) sync(ctx context.Context, env *Env, globals *Globals, s *config.Settings, service *config.RemoteService, outcome *Outcome) error {
	files, err := published(ctx, globals, s)
	if err != nil || len(files) == 0 {
		return err
	}
	to, err := connect(s, service)
	if err != nil {
		return err
	}
	defer to.Client().Close()
	there := map[string]bool{}
	if !c.All {
		if there, err = to.has(ctx); err != nil {
			return err
		}
	}
	u := &uploading{json: c.JSON, env: env, to: to, outcome: outcome}
	defer u.abandon(ctx)
	for _, path := range files {
		if there[filepath.Base(path)] {
			continue
		}
		if err := u.add(ctx, path); err != nil {
			return err
		}
	}
	return u.commit(ctx)
}

// published returns the paths of the repository's package files.
func published(ctx context.Context, globals *Globals, s *config.Settings) ([]string, error) {
	repository, err := globals.openRepository(s, nil)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(repository.Published()); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	packages, err := repository.Packages(ctx)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, p := range packages {
		files = append(files, filepath.Join(repository.Published(), p.FileName))
	}
	return files, nil
}
