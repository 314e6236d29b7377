package app

import (
	"context"
)

// userList lists users.
type userList struct {
	ExitCode bool   `short:"e" name:"exit-code" help:"exit with status 4 when there are none"`
	Role     string `short:"R" enum:",unauthorized,read,reporter,full" default:"" placeholder:"ROLE" help:"only users of this role: unauthorized, read, reporter, full"`
	JSON     bool   `help:"print one object a line"`
	Username string `arg:"" optional:"" help:"only the user of this name"`
}

// Help has the examples.
func (userList) Help() string {
	return `Passwords are never shown.

Examples: all users; is there one who may do everything?

    ahriman user-list
    ahriman user-list -e -R full > /dev/null || echo nobody is in charge`
}

// userLine is what --json prints.
type userLine struct {
	Username string `json:"username"`
	Role     string `json:"role"`
	Packager string `json:"packager,omitempty"`
	Key      string `json:"key,omitempty"`
	Login    bool   `json:"login"` // has a password
}

// Run prints one user a line.
func (c *userList) Run(ctx context.Context, env *Env, globals *Globals) error {
	_, db, err := globals.openUsers(ctx, env)
	if err != nil {
		return err
	}
	defer db.Close()
	users, err := db.Users(ctx)
	if err != nil {
		return err
	}
	out := env.Out()
	table := out.Table("username", "role", "packager", "key")
	found := false
	for _, u := range users {
		if c.Username != "" && u.Name != c.Username || c.Role != "" && string(u.Access) != c.Role {
			continue
		}
		found = true
		if !c.JSON {
			table.Row(u.Name, string(u.Access), u.Packager, u.Key)
			continue
		}
		line := userLine{u.Name, string(u.Access), u.Packager, u.Key, u.Password != ""}
		if err := out.JSON(line); err != nil {
			return err
		}
	}
	if !found && c.ExitCode {
		return ErrNothing
	}
	return table.Flush()
}
