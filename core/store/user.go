package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"ahriman/core/alpm"
)

// Access is what a user may do: one of ahriman's levels, or a role of ours.
// What each allows is the API's business.
type Access string

// The access levels, weakest first, and the roles.
const (
	Unauthorized Access = "unauthorized"
	Read         Access = "read"
	Reporter     Access = "reporter"
	Full         Access = "full"

	RoleWorker  Access = "worker"  // builds, uploads and reports
	RoleBuilder Access = "builder" // hands builds to this node
)

// User is someone who may log in.
type User struct {
	Name       string
	Password   string // bcrypt of password and salt; empty: has none
	Access     Access
	Packager   string            // name and address put into packages; empty: the configuration's
	Key        string            // OpenPGP key; empty: none
	Repository alpm.RepositoryID // the only one they may work on; zero: all
	Bases      []string          // the only ones they may work on; nil: all
}

const userColumns = "users.name, password, access, packager, key, users.repository, bases"

func scanUser(scan func(...any) error, more ...any) (u User, err error) {
	var repository, bases string
	err = scan(append([]any{&u.Name, &u.Password, &u.Access, &u.Packager, &u.Key, &repository, &bases}, more...)...)
	if err != nil {
		return User{}, err
	}
	if repository != "" {
		u.Repository = repositoryID(repository)
	}
	err = json.Unmarshal([]byte(bases), &u.Bases)
	if len(u.Bases) == 0 {
		u.Bases = nil
	}
	return u, err
}

// Users returns all users, sorted by name.
func (db *DB) Users(ctx context.Context) ([]User, error) {
	users := []User{}
	err := db.rows(ctx, func(rows *sql.Rows) error {
		u, err := scanUser(rows.Scan)
		users = append(users, u)
		return err
	}, "SELECT "+userColumns+" FROM users ORDER BY name")
	if err != nil {
		return nil, fmt.Errorf("listing users: %w", err)
	}
	return users, nil
}

// User returns a user, or ErrUnknownUser.
func (db *DB) User(ctx context.Context, name string) (User, error) {
	u, err := scanUser(db.sql.QueryRowContext(ctx, "SELECT "+userColumns+" FROM users WHERE name = ?", name).Scan)
	if err != nil {
		return User{}, fmt.Errorf("reading user %s: %w", name, known(err, ErrUnknownUser))
	}
	return u, nil
}

// SetUser adds a user, or replaces the one of that name, who keeps the tokens.
func (db *DB) SetUser(ctx context.Context, u User) error {
	bases, err := json.Marshal(append([]string{}, u.Bases...))
	if err != nil {
		return err
	}
	repository := ""
	if u.Repository != (alpm.RepositoryID{}) {
		repository = key(u.Repository)
	}
	_, err = db.exec(ctx, `INSERT INTO users VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (name) DO UPDATE SET password = excluded.password, access = excluded.access, packager = excluded.packager,
		key = excluded.key, repository = excluded.repository, bases = excluded.bases`,
		u.Name, u.Password, u.Access, u.Packager, u.Key, repository, string(bases))
	if err != nil {
		return fmt.Errorf("storing user %s: %w", u.Name, err)
	}
	return nil
}

// RemoveUser removes a user with the tokens, or returns ErrUnknownUser.
func (db *DB) RemoveUser(ctx context.Context, name string) error {
	n, err := db.exec(ctx, "DELETE FROM users WHERE name = ?", name)
	if err == nil && n == 0 {
		err = ErrUnknownUser
	}
	if err != nil {
		return fmt.Errorf("removing user %s: %w", name, err)
	}
	return nil
}
