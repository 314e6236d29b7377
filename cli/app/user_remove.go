package app

import (
	"context"
	"errors"

	"ahriman/core/store"
)

// userRemove removes a user.
type userRemove struct {
	Username string `arg:"" help:"name of the user"`
}

// Help has the examples.
func (userRemove) Help() string {
	return `The user is logged out everywhere at once.

Example:

    ahriman user-remove ann`
}

// Run removes the user; one that is not there is an error.
func (c *userRemove) Run(ctx context.Context, env *Env, globals *Globals) error {
	_, db, err := globals.openUsers(ctx, env)
	if err != nil {
		return err
	}
	defer db.Close()
	err = db.RemoveUser(ctx, c.Username)
	if errors.Is(err, store.ErrUnknownUser) {
		return Hinted(err, "ahriman user-list shows who is there")
	}
	return err
}
