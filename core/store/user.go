package store

import (
	"context"
	"database/sql"
	"fmt"
)

// Access is what a user may do, as an ordered set of words; they are ahriman's.
type Access string

// The access levels, weakest first.
const (
	Unauthorized Access = "unauthorized"
	Read         Access = "read"
	Reporter     Access = "reporter"
	Full         Access = "full"
)

// Allows says whether someone with a may do what needs need. A word that is no
// access level allows nothing.
func (a Access) Allows(need Access) bool {
	return a.level() >= need.level() && a.level() > 0
}

func (a Access) level() int {
	switch a {
	case Unauthorized:
		return 1
	case Read:
		return 2
	case Reporter:
		return 3
	case Full:
		return 4
	}
	return 0
}

// User is someone who may log in.
type User struct {
	Name     string
	Password string // bcrypt of password and salt; empty: may not log in
	Access   Access
	Packager string // name and address put into packages; empty: the configuration's
	Key      string // OpenPGP key; empty: none
}

const userColumns = "name, password, access, packager, key"

// Users returns all users, sorted by name.
func (db *DB) Users(ctx context.Context) ([]User, error) {
	users := []User{}
	err := db.rows(ctx, func(rows *sql.Rows) error {
		var u User
		err := rows.Scan(&u.Name, &u.Password, &u.Access, &u.Packager, &u.Key)
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
	var u User
	err := db.row(ctx, ErrUnknownUser, []any{&u.Name, &u.Password, &u.Access, &u.Packager, &u.Key},
		"SELECT "+userColumns+" FROM users WHERE name = ?", name)
	if err != nil {
		return User{}, fmt.Errorf("reading user %s: %w", name, err)
	}
	return u, nil
}

// SetUser adds a user, or replaces the one of that name.
func (db *DB) SetUser(ctx context.Context, u User) error {
	_, err := db.exec(ctx, `INSERT INTO users (name, password, access, packager, key) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (name) DO UPDATE SET password = excluded.password, access = excluded.access,
		packager = excluded.packager, key = excluded.key`, u.Name, u.Password, u.Access, u.Packager, u.Key)
	if err != nil {
		return fmt.Errorf("storing user %s: %w", u.Name, err)
	}
	return nil
}

// RemoveUser removes a user, or returns ErrUnknownUser.
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
