package app

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"ahriman/core/alpm"
	"ahriman/core/store"
)

// eachStore calls do for each repository that the command line selects. With
// several, those that do not know a package are passed over, and it is an error
// only when none knows it.
func (g *Globals) eachStore(ctx context.Context, env *Env, do func(db *store.DB, id alpm.RepositoryID) error) error {
	all, err := g.settings(env)
	if err != nil {
		return err
	}
	var unknown error
	found := false
	for _, s := range all {
		db, err := openStore(ctx, s)
		if err != nil {
			return err
		}
		err = errors.Join(do(db, s.ID), db.Close())
		switch {
		case errors.Is(err, store.ErrUnknownPackage):
			unknown = err
		case err != nil:
			return err
		default:
			found = true
		}
	}
	if unknown != nil && !found {
		return Hinted(unknown, "package-status lists what there is")
	}
	return nil
}

// eachPackage calls do for each base that the arguments name, in each selected
// repository that has it. A base that none has fails alone.
func (g *Globals) eachPackage(ctx context.Context, env *Env, args []string, do func(db *store.DB, id alpm.RepositoryID, base string) error) error {
	outcome := NewOutcome(env, false)
	for item, err := range outcome.Items(args, "base", "name") {
		if err != nil {
			return err
		}
		err := g.eachStore(ctx, env, func(db *store.DB, id alpm.RepositoryID) error { return do(db, id, item.Text) })
		if err != nil {
			outcome.Fail(item.Text, err)
			continue
		}
		outcome.Done()
	}
	return outcome.Err()
}

// printChanges prints one text of what is stored of a base's source, from the
// first selected repository that has it. A base that none knows is an error.
func (g *Globals) printChanges(ctx context.Context, env *Env, base string, exitCode bool, field func(store.Changes) string) error {
	text := ""
	err := g.eachStore(ctx, env, func(db *store.DB, id alpm.RepositoryID) error {
		if _, err := db.Package(ctx, id, base); err != nil {
			return err
		}
		changes, err := db.Changes(ctx, id, base)
		if text == "" {
			text = field(changes)
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case text == "" && exitCode:
		return ErrNothing
	case text == "":
		return nil
	}
	return printText(env, text)
}

// printText prints a text that others wrote: as it is, but on a terminal what
// would drive that is made harmless.
func printText(env *Env, text string) error {
	out := env.Out()
	text = strings.TrimSuffix(text, "\n")
	if !out.Terminal() {
		_, err := fmt.Fprintln(env.Stdout, text)
		return err
	}
	for line := range strings.SplitSeq(text, "\n") {
		if err := out.Println(line); err != nil {
			return err
		}
	}
	return nil
}

// editChanges changes what is stored of a base's source in each selected
// repository that has the base.
func (g *Globals) editChanges(ctx context.Context, env *Env, base string, edit func(*store.Changes)) error {
	return g.eachStore(ctx, env, func(db *store.DB, id alpm.RepositoryID) error {
		if _, err := db.Package(ctx, id, base); err != nil {
			return err
		}
		changes, err := db.Changes(ctx, id, base)
		if err != nil {
			return err
		}
		edit(&changes)
		return db.SetChanges(ctx, id, base, changes)
	})
}
