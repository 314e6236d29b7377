package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
)

// A token is tokenMark and 32 random bytes, in small letters and digits.
const (
	tokenMark  = "ahr_"
	tokenBytes = 32
	tokenID    = len(tokenMark) + 8 // characters of a token that name it
)

// Token is a secret that stands for a user, as far as it may be shown.
type Token struct {
	ID      string // how the secret begins: enough to recognise it, too little to use it
	User    string
	Hash    string    // SHA-256 of the secret, hex
	Created time.Time //
	Expires time.Time // zero: never
}

const tokenColumns = "tokens.id, user, hash, created_us, expires_us"

// tokenScan returns where a row's columns go, and what to call afterwards.
func tokenScan(t *Token) (dest []any, finish func()) {
	var created, expires sql.NullInt64
	return []any{&t.ID, &t.User, &t.Hash, &created, &expires}, func() {
		t.Created, t.Expires = fromMicroseconds(created), fromMicroseconds(expires)
	}
}

// AddToken makes a token for a user, good for life (0: for ever), and returns
// its secret, which is nowhere else. A user who is not there is ErrUnknownUser.
func (db *DB) AddToken(ctx context.Context, user string, life time.Duration) (secret string, t Token, err error) {
	if _, err := db.User(ctx, user); err != nil {
		return "", Token{}, err
	}
	random := make([]byte, tokenBytes)
	if _, err := rand.Read(random); err != nil {
		return "", Token{}, fmt.Errorf("making a token: %w", err)
	}
	secret = tokenMark + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(random))
	t = Token{ID: secret[:tokenID], User: user, Hash: tokenHash(secret), Created: db.now()}
	var expires any
	if life > 0 {
		t.Expires = t.Created.Add(life)
		expires = microseconds(t.Expires)
	}
	_, err = db.exec(ctx, "INSERT INTO tokens VALUES (?, ?, ?, ?, ?)", t.ID, t.User, t.Hash, microseconds(t.Created), expires)
	if err != nil {
		return "", Token{}, fmt.Errorf("storing a token of %s: %w", user, err)
	}
	return secret, t, nil
}

func tokenHash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// IsToken says whether a text looks like a token's secret.
func IsToken(text string) bool { return strings.HasPrefix(text, tokenMark) && len(text) > tokenID }

// Tokens returns all tokens, those that have expired too, by user and age.
func (db *DB) Tokens(ctx context.Context) ([]Token, error) {
	tokens := []Token{}
	err := db.rows(ctx, func(rows *sql.Rows) error {
		var t Token
		dest, finish := tokenScan(&t)
		err := rows.Scan(dest...)
		finish()
		tokens = append(tokens, t)
		return err
	}, "SELECT "+tokenColumns+" FROM tokens ORDER BY user, created_us, id")
	if err != nil {
		return nil, fmt.Errorf("listing tokens: %w", err)
	}
	return tokens, nil
}

// TokenUser returns whom a secret stands for, and its token. A secret that is
// unknown or has expired is ErrUnknownToken.
func (db *DB) TokenUser(ctx context.Context, secret string) (User, Token, error) {
	return db.tokenUser(ctx, "hash = ?", tokenHash(secret))
}

// TokenByID is TokenUser for one whose secret was seen before.
func (db *DB) TokenByID(ctx context.Context, id string) (User, Token, error) {
	return db.tokenUser(ctx, "tokens.id = ?", id)
}

func (db *DB) tokenUser(ctx context.Context, where, value string) (User, Token, error) {
	var t Token
	dest, finish := tokenScan(&t)
	u, err := scanUser(db.sql.QueryRowContext(ctx, "SELECT "+userColumns+", "+tokenColumns+
		" FROM tokens JOIN users ON users.name = user WHERE "+where+" AND (expires_us IS NULL OR expires_us > ?)",
		value, microseconds(db.now())).Scan, dest...)
	finish()
	if err != nil {
		return User{}, Token{}, fmt.Errorf("reading a token: %w", known(err, ErrUnknownToken))
	}
	return u, t, nil
}

// RemoveToken makes the token of that ID good for nothing, or returns
// ErrUnknownToken.
func (db *DB) RemoveToken(ctx context.Context, user, id string) error {
	n, err := db.exec(ctx, "DELETE FROM tokens WHERE user = ? AND id = ?", user, id)
	if err == nil && n == 0 {
		err = ErrUnknownToken
	}
	if err != nil {
		return fmt.Errorf("removing token %s of %s: %w", id, user, err)
	}
	return nil
}

// known turns a missing row into an error of this package.
func known(err, missing error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return missing
	}
	return err
}
