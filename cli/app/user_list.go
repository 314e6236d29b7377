package app

import (
	"context"
	"strings"
	"time"

	"ahriman/core/alpm"
	"ahriman/core/store"
)

// userList lists users.
type userList struct {
	ExitCode bool   `short:"e" name:"exit-code" help:"exit with status 4 when there are none"`
	Role     string `short:"R" enum:",unauthorized,read,reporter,full,worker,builder" default:"" placeholder:"ROLE" help:"only users of this role: unauthorized, read, reporter, full, worker, builder"`
	JSON     bool   `help:"print one object a line"`
	Username string `arg:"" optional:"" complete:"users" help:"only the user of this name"`
}

// Help has the examples.
func (userList) Help() string {
	return `Passwords are never shown, and of a token only how it begins, which is what user-remove --token takes.

Examples: all users; is there one who may do everything?

    ahriman user-list
    ahriman user-list -e -R full > /dev/null || echo nobody is in charge`
}

// userLine is what --json prints.
type userLine struct {
	Username   string     `json:"username"`
	Role       string     `json:"role"`
	Packager   string     `json:"packager,omitempty"`
	Key        string     `json:"key,omitempty"`
	Login      bool       `json:"login"` // has a password
	Repository string     `json:"repository,omitempty"`
	Bases      []string   `json:"bases,omitempty"`
	Tokens     []listedID `json:"tokens,omitempty"`
}

// listedID is a token as far as it is shown.
type listedID struct {
	ID      string     `json:"id"`
	Created *time.Time `json:"created"`
	Expires *time.Time `json:"expires,omitempty"`
}

func (t listedID) String() string {
	if t.Expires == nil {
		return t.ID
	}
	return t.ID + " until " + t.Expires.Format(time.DateOnly)
}

// Run prints one user a line.
func (c *userList) Run(ctx context.Context, env *Env, globals *Globals) error {
	_, db, err := globals.openUsers(ctx, env)
	if err != nil {
		return err
	}
	defer db.Close()
	lines, err := c.lines(ctx, db)
	if err != nil {
		return err
	}
	out := env.Out()
	table := out.Table("username", "role", "packager", "key", "bases", "tokens")
	for _, line := range lines {
		if c.JSON {
			if err := out.JSON(line); err != nil {
				return err
			}
			continue
		}
		var tokens []string
		for _, t := range line.Tokens {
			tokens = append(tokens, t.String())
		}
		table.Row(line.Username, line.Role, line.Packager, line.Key, strings.Join(line.Bases, ", "), strings.Join(tokens, ", "))
	}
	if len(lines) == 0 && c.ExitCode {
		return ErrNothing
	}
	return table.Flush()
}

// lines are the users that are asked for, with their tokens.
func (c *userList) lines(ctx context.Context, db *store.DB) ([]userLine, error) {
	users, err := db.Users(ctx)
	if err != nil {
		return nil, err
	}
	tokens, err := db.Tokens(ctx)
	if err != nil {
		return nil, err
	}
	var lines []userLine
	for _, u := range users {
		if c.Username != "" && u.Name != c.Username || c.Role != "" && string(u.Access) != c.Role {
			continue
		}
		line := userLine{Username: u.Name, Role: string(u.Access), Packager: u.Packager, Key: u.Key, Login: u.Password != "", Bases: u.Bases}
		if u.Repository != (alpm.RepositoryID{}) {
			line.Repository = u.Repository.String()
		}
		for _, t := range tokens {
			if t.User == u.Name {
				line.Tokens = append(line.Tokens, listedID{t.ID, moment(t.Created), moment(t.Expires)})
			}
		}
		lines = append(lines, line)
	}
	return lines, nil
}
