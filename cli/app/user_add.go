package app

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"ahriman/core/alpm"
	"ahriman/core/config"
	"ahriman/core/store"

	"golang.org/x/term"
)

// userAdd adds a user, or replaces one.
type userAdd struct {
	Base     []string `placeholder:"BASE" complete:"packages" help:"the only package bases a user may work on, more than once for several; all when left out"`
	Days     int      `placeholder:"N" help:"days that the token is good for; for ever when left out"`
	JSON     bool     `help:"print the token as an object"`
	Key      string   `placeholder:"KEY" help:"OpenPGP key that signs what the user packages"`
	Packager string   `placeholder:"NAME" help:"packager of what the user requests, NAME <MAIL>"`
	Password *string  `short:"p" placeholder:"PASSWORD" help:"password; other users of this machine can read it there: leave it out to be asked, or to read it from standard input"`
	Role     string   `short:"R" enum:",unauthorized,read,reporter,full,worker,builder" default:"" placeholder:"ROLE" help:"what the user may do: unauthorized, read (the default), reporter, full, worker or builder"`
	Token    bool     `help:"print a new token instead of asking for a password"`
	Username string   `arg:"" complete:"users" help:"name of the user"`
}

// Help has the examples.
func (userAdd) Help() string {
	return `The password is asked for on a terminal, and else is the first line of standard input; an empty one keeps the user from logging in. A user of that name is replaced, and has to log in again.

With --token a token is printed, once: only its digest is kept. It goes into status.token, or into the file that status.token_file names, or stands in the place of the password of that user, where a node of Python logs in. A user of that name gets it beside password and other tokens, and keeps what the command line does not say.

A worker may say how its builds go, upload packages and have them published; with --base for these bases only, and with --repository and --architecture for that repository only. A builder may hand builds to this node.

Examples: a person; a worker, whose token lands in a file; a worker of Python, whose password comes from one.

    ahriman user-add -R read ann
    ahriman user-add --token --role worker --base foo --base bar worker1 > worker1.token
    ahriman user-add -R full worker-user < /run/secrets/worker-user`
}

// maxPasswordLine bounds what is read as a password, in bytes.
const maxPasswordLine = 1024

// Run stores the user.
func (c *userAdd) Run(ctx context.Context, env *Env, globals *Globals) error {
	if err := c.check(); err != nil {
		return err
	}
	settings, db, err := globals.openUsers(ctx, env)
	if err != nil {
		return err
	}
	defer db.Close()
	user := store.User{Name: c.Username, Access: store.Read}
	if c.Token {
		if user, err = c.known(ctx, db, user); err != nil {
			return err
		}
	}
	c.change(&user, globals)
	if c.Token {
		return c.addToken(ctx, env, db, user)
	}
	password, err := c.password(env)
	if err != nil {
		return err
	}
	if password != "" {
		if user.Password, err = store.HashPassword(password, settings.Auth.Salt); err != nil {
			return err
		}
	}
	if err := db.SetUser(ctx, user); err != nil {
		return err
	}
	if password == "" {
		env.Warn("%s has no password, and cannot log in with one", c.Username)
	}
	return nil
}

func (c *userAdd) check() error {
	switch {
	case c.Username == "" || strings.ContainsAny(c.Username, ": \t\n"):
		return Usagef("a user's name is not empty and holds neither colons nor white space")
	case c.Token && c.Password != nil:
		return Usagef("--token and --password are not for the same user at once: give the password first")
	case !c.Token && (c.Days != 0 || c.JSON):
		return Usagef("--days and --json are about a token: add --token")
	case c.Days < 0 || c.Days > maxTokenDays:
		return Usagef("--days is a number from 1 to %d", maxTokenDays)
	}
	for _, base := range c.Base {
		if err := alpm.CheckName(base); err != nil {
			return Usagef("--base %s: %v", base, err)
		}
	}
	return nil
}

// maxTokenDays is about a century.
const maxTokenDays = 36500

// known returns the user as stored, or the one given where there is none.
func (c *userAdd) known(ctx context.Context, db *store.DB, none store.User) (store.User, error) {
	user, err := db.User(ctx, c.Username)
	if errors.Is(err, store.ErrUnknownUser) {
		return none, nil
	}
	return user, err
}

// change sets what the command line says.
func (c *userAdd) change(user *store.User, globals *Globals) {
	if c.Role != "" {
		user.Access = store.Access(c.Role)
	}
	if c.Packager != "" {
		user.Packager = c.Packager
	}
	if c.Key != "" {
		user.Key = c.Key
	}
	if len(c.Base) > 0 {
		user.Bases = c.Base
	}
	id := alpm.RepositoryID{Name: globals.Repository, Architecture: globals.Architecture}
	if user.Access == store.RoleWorker && id.Name != "" && id.Architecture != "" {
		user.Repository = id
	}
}

// tokenLine is what --json prints.
type tokenLine struct {
	Username string     `json:"username"`
	Token    string     `json:"token"`
	ID       string     `json:"id"`
	Expires  *time.Time `json:"expires,omitempty"`
}

// addToken stores the user and prints a token, which is never seen again.
func (c *userAdd) addToken(ctx context.Context, env *Env, db *store.DB, user store.User) error {
	if err := db.SetUser(ctx, user); err != nil {
		return err
	}
	secret, token, err := db.AddToken(ctx, user.Name, time.Duration(c.Days)*24*time.Hour)
	if err != nil {
		return err
	}
	if !c.JSON {
		return env.Out().Println(secret)
	}
	return env.Out().JSON(tokenLine{user.Name, secret, token.ID, moment(token.Expires)})
}

// moment is a time for JSON, nil for none.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Second)
	return &t
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
	line, err := bufio.NewReader(io.LimitReader(env.Input(), maxPasswordLine)).ReadString('\n')
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
