package app

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"ahriman/core/alpm"
	"ahriman/core/store"
)

// stores are those of some repositories, open.
type stores []openedStore

type openedStore struct {
	db *store.DB
	id alpm.RepositoryID
}

// openStores opens those of the repositories that the command line selects.
func (g *Globals) openStores(ctx context.Context, env *Env) (opened stores, err error) {
	all, err := g.settings(env)
	if err != nil {
		return nil, err
	}
	for _, s := range all {
		db, err := openStore(ctx, s)
		if err != nil {
			return nil, errors.Join(err, opened.close())
		}
		opened = append(opened, openedStore{db, s.ID})
	}
	return opened, nil
}

func (all stores) close() error {
	var errs []error
	for _, s := range all {
		errs = append(errs, s.db.Close())
	}
	return errors.Join(errs...)
}

// each calls do for each repository. With several, those that do not know a
// package are passed over, and it is an error only when none knows it.
func (all stores) each(do func(db *store.DB, id alpm.RepositoryID) error) error {
	var unknown error
	found := false
	for _, s := range all {
		err := do(s.db, s.id)
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

// eachStore calls do for each repository that the command line selects, as each
// does.
func (g *Globals) eachStore(ctx context.Context, env *Env, do func(db *store.DB, id alpm.RepositoryID) error) error {
	opened, err := g.openStores(ctx, env)
	if err != nil {
		return err
	}
	return errors.Join(opened.each(do), opened.close())
}

// eachPackage calls do for each base that the arguments name, in each selected
// repository that has it. A base that none has fails alone.
func (g *Globals) eachPackage(ctx context.Context, env *Env, args []string, do func(db *store.DB, id alpm.RepositoryID, base string) error) error {
	opened, err := g.openStores(ctx, env)
	if err != nil {
		return err
	}
	defer opened.close()
	outcome := NewOutcome(env, false)
	for item, err := range outcome.Items(args, "base", "name") {
		if err != nil {
			return err
		}
		err := opened.each(func(db *store.DB, id alpm.RepositoryID) error { return do(db, id, item.Text) })
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			outcome.Fail(item.Text, err)
		default:
			outcome.Done()
		}
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
