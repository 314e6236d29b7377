package store

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestUsers(t *testing.T) {
	db, ctx := open(t), t.Context()
	ann := User{"ann", "$2b$hash", RoleWorker, "Ann", "ABCD", aur, []string{"foo", "bar"}}
	check(t, "set", nil, nil, db.SetUser(ctx, User{Name: "ann", Access: Read}))
	check(t, "set again", nil, nil, db.SetUser(ctx, ann))
	got, err := db.User(ctx, "ann")
	check(t, "user", got, ann, err)
	users, err := db.Users(ctx)
	check(t, "users", users, []User{ann}, err)
	check(t, "remove", nil, nil, db.RemoveUser(ctx, "ann"))
	if err := db.RemoveUser(ctx, "ann"); !errors.Is(err, ErrUnknownUser) {
		t.Errorf("removed twice: %v", err)
	}
	if _, err := db.User(ctx, "ann"); !errors.Is(err, ErrUnknownUser) {
		t.Errorf("removed user: %v", err)
	}
}

func TestTokens(t *testing.T) {
	db, ctx := open(t), t.Context()
	ann, bob := User{Name: "ann", Access: RoleWorker, Bases: []string{"foo"}}, User{Name: "bob", Access: Full}
	check(t, "set", nil, nil, errors.Join(db.SetUser(ctx, ann), db.SetUser(ctx, bob)))
	secret, first, err := db.AddToken(ctx, "ann", time.Hour)
	if err != nil || len(secret) != 56 || !IsToken(secret) || !strings.HasPrefix(secret, first.ID) || len(first.ID) != 12 {
		t.Fatalf("token %q %+v: %v", secret, first, err)
	}
	other, second, err := db.AddToken(ctx, "ann", 0)
	if err != nil || other == secret || !second.Expires.IsZero() {
		t.Fatalf("second token: %+v, %v", second, err)
	}
	user, token, err := db.TokenUser(ctx, secret)
	check(t, "user", user, ann, err)
	check(t, "token", token.ID, first.ID, nil)
	user, _, err = db.TokenByID(ctx, second.ID)
	check(t, "by id", user, ann, err)
	tokens, err := db.Tokens(ctx)
	check(t, "tokens", len(tokens), 2, err)
	if text, err := os.ReadFile(db.Path()); err != nil || bytes.Contains(text, []byte(secret[tokenID:])) {
		t.Errorf("the secret is in the file, or %v", err)
	}

	gone := func(what, secret string) {
		t.Helper()
		if user, _, err := db.TokenUser(ctx, secret); !errors.Is(err, ErrUnknownToken) {
			t.Errorf("%s: good for %q, %v", what, user.Name, err)
		}
	}
	gone("nothing", "")
	gone("its beginning", secret[:len(secret)-1])
	gone("its hash", token.Hash)
	if err := db.RemoveToken(ctx, "bob", second.ID); !errors.Is(err, ErrUnknownToken) {
		t.Errorf("another's token removed: %v", err)
	}
	start := db.now()
	db.now = func() time.Time { return start.Add(time.Hour) }
	gone("expired", secret)
	check(t, "remove", nil, nil, db.RemoveToken(ctx, "ann", second.ID))
	gone("removed", other)
	third, _, err := db.AddToken(ctx, "ann", 0)
	check(t, "add", nil, nil, err)
	check(t, "remove user", nil, nil, db.RemoveUser(ctx, "ann"))
	gone("of a user who is gone", third)
	if _, _, err := db.AddToken(ctx, "ann", 0); !errors.Is(err, ErrUnknownUser) {
		t.Errorf("a token for nobody: %v", err)
	}
}

func TestPasswords(t *testing.T) {
	hash, err := HashPassword("secret", "salt")
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range []User{
		{Password: hash},
		// "secretsalt", as crypt(3) of libxcrypt hashes it.
		{Password: "$2b$04$abcdefghijklmnopqrstuu9vw6gnRRfKvJN1rE6aS/UbrKbsAD1Yy"},
		{Password: "$2y$04$abcdefghijklmnopqrstuu9vw6gnRRfKvJN1rE6aS/UbrKbsAD1Yy"},
	} {
		if !user.CheckPassword("secret", "salt") {
			t.Errorf("%s refused", user.Password)
		}
	}
	if (User{Password: hash}).CheckPassword("secret", "") || (User{}).CheckPassword("", "") {
		t.Error("accepted a wrong password")
	}
	for _, password := range []string{"", strings.Repeat("x", 70), "ahr_secret-enough"} {
		if _, err := HashPassword(password, "salt"); err == nil {
			t.Errorf("hashed %q", password)
		}
	}
}

func TestEndedSessions(t *testing.T) {
	db := openAt(t, filepath.Join(t.TempDir(), "node.db"))
	ended := func(id string, want bool) {
		t.Helper()
		if got, err := db.SessionEnded(t.Context(), id); err != nil || got != want {
			t.Errorf("%s: ended is %t, want %t: %v", id, got, want, err)
		}
	}
	ended("a", false)
	if err := errors.Join(db.EndSession(t.Context(), "a", db.now().Add(-time.Second)), db.EndSession(t.Context(), "b", db.now().Add(time.Hour))); err != nil {
		t.Fatal(err)
	}
	ended("b", true)
	ended("a", false) // it would have expired, and takes no room
}
