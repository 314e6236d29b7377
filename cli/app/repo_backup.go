package app

import (
	"context"
	"errors"
	"path/filepath"
	"strings"

	"ahriman/core/backup"
	"ahriman/core/repository"
)

// repoBackup packs what a node cannot get from elsewhere.
type repoBackup struct {
	Path string `arg:"" complete:"files" help:"archive to write, or - for standard output"`
}

// Help has the examples.
func (repoBackup) Help() string {
	return `The archive is a gzipped tar of the configuration, the database, the directory cache/ of local package sources, and the gpg directory ($GNUPGHOME, or ~/.gnupg) of the user who runs this. It holds secret keys and is readable by its owner only. The database is copied as it is at one moment, also while the web service and builds work. Published packages are not part of it: they are built again, or copied with repo-export.

Examples: every night; move to another machine.

    ahriman repo-backup /var/backups/ahriman.tar.gz
    ahriman repo-backup - | ssh server2 'sudo ahriman repo-restore -'
    ssh server2 sudo -u ahriman ahriman repo-rebuild --from-database`
}

// Run writes the archive.
func (c *repoBackup) Run(ctx context.Context, env *Env, globals *Globals) error {
	if c.Path == "-" && env.Out().Terminal() {
		return Hinted(Usagef("an archive is nothing for a terminal"), "name a file, or pipe it to another command")
	}
	items, done, err := c.items(ctx, env, globals)
	if err != nil {
		return err
	}
	if c.Path == "-" {
		err = backup.Write(ctx, env.Stdout, items)
	} else {
		err = backup.WriteFile(ctx, c.Path, items)
	}
	return errors.Join(err, done())
}

// items says what is packed; done removes the copy of the database.
func (c *repoBackup) items(ctx context.Context, env *Env, globals *Globals) (items []backup.Item, done func() error, err error) {
	file, err := globals.configuration(env)
	if err != nil {
		return nil, nil, err
	}
	all, err := globals.settings(env)
	if err != nil {
		return nil, nil, err
	}
	s := all[0] // its root and database are those of all
	for _, path := range file.Files() {
		items = append(items, backup.Item{Path: path})
	}
	items = append(items,
		backup.Item{Path: s.Repository.Root, Bare: true},
		// Sources that are being written have hidden names.
		backup.Item{Path: filepath.Join(s.Repository.Root, "cache"), Skip: func(name string) bool { return name[0] == '.' }},
	)
	// What is published is built again, but its directory alone tells that there
	// is such a repository. It is a link; the one above it has the same owner.
	for _, s := range all {
		published := repository.PublishedPath(s.Repository.Root, s.ID)
		name := filepath.Dir(published)
		items = append(items,
			backup.Item{Path: filepath.Dir(name), Bare: true}, backup.Item{Path: name, Bare: true},
			backup.Item{Path: published, From: name, Bare: true})
	}
	if home := gnupgHome(env); home != "" {
		items = append(items, backup.Item{Path: home, Skip: ofRunningGPG})
	}
	db, err := existingStore(ctx, s)
	if err != nil {
		return nil, nil, err
	}
	if db == nil {
		return items, func() error { return nil }, nil
	}
	defer db.Close()
	snapshot, remove, err := db.Snapshot(ctx)
	if err != nil {
		return nil, nil, err
	}
	return append(items, backup.Item{Path: db.Path(), From: snapshot}), remove, nil
}

// gnupgHome is gpg's directory, absolute; empty where the environment does not
// tell.
func gnupgHome(env *Env) string {
	home := env.Getenv("GNUPGHOME")
	if user := env.Getenv("HOME"); home == "" && user != "" {
		home = filepath.Join(user, ".gnupg")
	}
	if !filepath.IsAbs(home) {
		return ""
	}
	return home
}

// ofRunningGPG tells the files below gpg's directory that belong to its
// processes: locks, and the state of the random numbers.
func ofRunningGPG(name string) bool {
	base := filepath.Base(name)
	return strings.HasPrefix(base, ".#lk") || strings.HasSuffix(base, ".lock") || base == "random_seed"
}
