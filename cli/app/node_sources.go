package app

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"ahriman/core/config"
	"ahriman/core/distribution"
	"ahriman/core/update"
)

// databases are the paths of the distribution's databases on this machine: those
// that --refresh has fetched, and pacman's of what it has not. The extension is
// "db" or "files".
func (n *node) databases(extension string) []string {
	var paths []string
	own := distributionOf(n.settings)
	for _, name := range n.settings.ALPM.Repositories {
		path := own.Path(name, extension)
		if _, err := os.Stat(path); err != nil || !n.settings.ALPM.UseAhrimanCache {
			path = filepath.Join(n.settings.ALPM.Database, "sync", name+"."+extension)
		}
		paths = append(paths, path)
	}
	return paths
}

// distributionOf are the databases that a repository's node keeps of its own.
func distributionOf(s *config.Settings) distribution.Databases {
	return distribution.Databases{
		Mirror: s.ALPM.Mirror, Repositories: s.ALPM.Repositories, Architecture: s.ID.Architecture,
		Directory: filepath.Join(s.Repository.Root, "pacman", s.ID.Name, s.ID.Architecture, "sync"), Files: s.ALPM.SyncFilesDatabase,
	}
}

// refresh fetches the distribution's databases: none when it was not asked to,
// all when it was asked to twice.
func (n *node) refresh(ctx context.Context, times int) error {
	if times == 0 {
		return nil
	}
	if !n.settings.ALPM.UseAhrimanCache {
		return Hinted(errors.New("the distribution's databases are pacman's here, and not refreshed"),
			"refresh them with pacman -Sy, or set alpm.use_ahriman_cache = yes")
	}
	err := distributionOf(n.settings).Refresh(ctx, times > 1)
	if errors.Is(err, fs.ErrNotExist) {
		return Hinted(err, "alpm.mirror and alpm.repositories say what is fetched, alpm.sync_files_database whether the files databases are")
	}
	return err
}

// addLooking adds what a flow needs to look for newer sources.
func (n *node) addLooking(c *update.Config) {
	c.Databases = func() []string { return n.databases("db") }
	c.FilesDatabases = func() []string { return n.databases("files") }
	if n.settings.ALPM.UseAhrimanCache {
		c.Refresh = func(ctx context.Context) error { return n.refresh(ctx, 1) }
	}
	c.VCSAge = n.settings.Build.VCSAllowedAge
	local := sync.OnceValues(n.local) // versions of several packages are asked for at once
	c.Version = func(ctx context.Context, dir string) (string, error) {
		runner, err := local()
		if err != nil {
			return "", err
		}
		return runner.Version(ctx, dir, n.settings.ID.Architecture)
	}
}
