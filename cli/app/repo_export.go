package app

import (
	"context"
	"errors"
	"io/fs"

	"ahriman/core/repository"
)

// repoExport copies the published repository to a directory.
type repoExport struct {
	Directory string `arg:"" complete:"directories" help:"where to; it must be empty or not exist"`
}

// Help has the examples.
func (repoExport) Help() string {
	return `Databases, package files and signatures are copied, with no links to anything outside: a repository that pacman can use as it is, and that repo-add and repo-remove may work on. They must never work on the published one. The directory appears when the copy is whole.

Examples: a copy for a USB stick; the work of another tool, and back.

    ahriman repo-export /mnt/stick/aur
    ahriman repo-export copy && repo-remove copy/aur.db.tar.gz foo && ahriman repo-import copy`
}

// Run copies the repository.
func (c *repoExport) Run(ctx context.Context, env *Env, globals *Globals) error {
	r, err := c.open(env, globals)
	if err != nil {
		return err
	}
	return r.Export(ctx, c.Directory)
}

func (c *repoExport) open(env *Env, globals *Globals) (*repository.Repository, error) {
	s, err := globals.single(env)
	if err != nil {
		return nil, err
	}
	return globals.openRepository(s, nil)
}

// repoImport publishes what another tool made of an exported copy.
type repoImport struct {
	JSON      bool   `help:"print one object a line: generation, name, base, old, new"`
	Directory string `arg:"" complete:"directories" help:"the copy: a database and the package files it lists"`
}

// Help has the examples.
func (repoImport) Help() string {
	return `Packages that the directory's database adds or has changed are copied and published, those it does not list are removed, all in one publication. The directory stays as it is. What changed is printed, one package a line: + added, - removed, and both versions of what was replaced.

Examples: a repository made by repo-add, whose packages are to follow the AUR; the work of another tool on a copy.

    ahriman repo-import /srv/old/aur && ahriman package-add --now --no-increment --source aur yay paru
    ahriman repo-export copy && repo-remove copy/aur.db.tar.gz foo && ahriman repo-import copy`
}

// Run publishes the differences.
func (c *repoImport) Run(ctx context.Context, env *Env, globals *Globals) error {
	s, err := globals.single(env)
	if err != nil {
		return err
	}
	r, err := globals.openRepository(s, databaseSigner(env, s))
	if err != nil {
		return err
	}
	p, err := r.Import(ctx, c.Directory)
	if errors.Is(err, fs.ErrNotExist) {
		return Hinted(err, "the directory must hold "+s.ID.Name+".db and the package files it lists")
	}
	if err != nil {
		return err
	}
	learn(ctx, env, s, r, p)
	return (&repoRollback{JSON: c.JSON}).print(env, p)
}
