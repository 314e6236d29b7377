package app

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"ahriman/core/alpm"
	"ahriman/core/config"
	"ahriman/core/store"

	"golang.org/x/term"
)

// userAdd adds a user, or replaces one.
type userAdd struct {
	Key      string  `placeholder:"KEY" help:"OpenPGP key that signs what the user packages"`
	Packager string  `placeholder:"NAME" help:"packager of what the user requests, NAME <MAIL>"`
	Password *string `short:"p" placeholder:"PASSWORD" help:"password; other users of this machine can read it there: leave it out to be asked, or to read it from standard input"`
	Role     string  `short:"R" enum:"unauthorized,read,reporter,full" default:"read" placeholder:"ROLE" help:"what the user may do: ${enum}"`
	Username string  `arg:"" help:"name of the user"`
}

// Help has the examples.
func (userAdd) Help() string {
	return `The password is asked for on a terminal, and else is the first line of standard input; an empty one keeps the user from logging in. A user of that name is replaced, and has to log in again.

Examples: a person; a worker, whose password comes from a file.

    ahriman user-add -R read ann
    ahriman user-add -R full worker-user < /run/secrets/worker-user`
}

// maxPasswordLine bounds what is read as a password, in bytes.
const maxPasswordLine = 1024

// Run stores the user.
func (c *userAdd) Run(ctx context.Context, env *Env, globals *Globals) error {
	if c.Username == "" || strings.ContainsAny(c.Username, ": \t\n") {
		return Usagef("a user's name is not empty and holds neither colons nor white space")
	}
	settings, db, err := globals.openUsers(ctx, env)
	if err != nil {
		return err
	}
	defer db.Close()
	password, err := c.password(env)
	if err != nil {
		return err
	}
	user := store.User{Name: c.Username, Access: store.Access(c.Role), Packager: c.Packager, Key: c.Key}
	if password != "" {
		if user.Password, err = store.HashPassword(password, settings.Auth.Salt); err != nil {
			return err
		}
	}
	return db.SetUser(ctx, user)
}

// openUsers opens the store, which holds the users of all repositories.
func (g *Globals) openUsers(ctx context.Context, env *Env) (*config.Settings, *store.DB, error) {
	file, err := g.configuration(env)
	if err != nil {
		return nil, nil, err
	}
	settings, err := file.For(alpm.RepositoryID{Name: g.Repository, Architecture: g.Architecture})
	if err != nil {
		return nil, nil, err
	}
	db, err := openStore(ctx, settings)
	return settings, db, err
}

func (c *userAdd) password(env *Env) (string, error) {
	if c.Password != nil {
		env.Warn("a password in the command line can be read by other users of this machine")
		return *c.Password, nil
	}
	return readPassword(env)
}

// readPassword asks on a terminal, and else takes the first line of standard
// input.
func readPassword(env *Env) (string, error) {
	if f, ok := env.Stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return askPassword(env.Stderr, f)
	}
	line, err := bufio.NewReader(io.LimitReader(env.Stdin, maxPasswordLine)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("reading the password: %w", err)
	}
	if len(line) == maxPasswordLine {
		return "", fmt.Errorf("reading the password: its line is longer than %d bytes", maxPasswordLine-1)
	}
	return strings.TrimRight(line, "\r\n"), nil
}

// askPassword asks twice on a terminal, which shows nothing of the answers.
func askPassword(to io.Writer, terminal *os.File) (string, error) {
	var answers [2]string
	for i, prompt := range []string{"Password: ", "Repeat the password: "} {
		fmt.Fprint(to, prompt)
		answer, err := term.ReadPassword(int(terminal.Fd()))
		fmt.Fprintln(to)
		if err != nil {
			return "", fmt.Errorf("reading the password: %w", err)
		}
		answers[i] = string(answer)
	}
	if answers[0] != answers[1] {
		return "", errors.New("the two passwords differ")
	}
	return answers[0], nil
}
