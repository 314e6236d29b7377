package app

import (
	"context"
	"errors"

	"ahriman/core/store"
)

// userRemove removes a user, or a token of one.
type userRemove struct {
	Token    string `placeholder:"ID" complete:"none" help:"remove only the token that begins so, as user-list shows it"`
	Username string `arg:"" complete:"users" help:"name of the user"`
}

// Help has the examples.
func (userRemove) Help() string {
	return `The user is logged out everywhere at once, and the tokens are good for nothing. With --token, the user stays.

Examples: a person who left; a token that was seen.

    ahriman user-remove ann
    ahriman user-remove --token ahr_k3f9a7zq worker1`
}

// Run removes the user; one that is not there is an error.
func (c *userRemove) Run(ctx context.Context, env *Env, globals *Globals) error {
	_, db, err := globals.openUsers(ctx, env)
	if err != nil {
		return err
	}
	defer db.Close()
	if c.Token != "" {
		err = db.RemoveToken(ctx, c.Username, c.Token)
	} else {
		err = db.RemoveUser(ctx, c.Username)
	}
	if errors.Is(err, store.ErrUnknownUser) || errors.Is(err, store.ErrUnknownToken) {
		return Hinted(err, "ahriman user-list shows who is there")
	}
	return err
}
