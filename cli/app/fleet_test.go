package app

import (
	"path/filepath"
	"testing"
	"time"

	"ahriman/core/alpm"
	"ahriman/core/config"
	"ahriman/core/store"
)

// TestCredentialOfRegistered: nobody learns a master's password, and by it comes
// to do more there, by registering an address.
func TestCredentialOfRegistered(t *testing.T) {
	ctx := t.Context()
	db, err := store.Open(ctx, filepath.Join(t.TempDir(), "db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, user := range []store.User{
		{Name: "shared", Access: store.Full},
		{Name: "admin", Access: store.Full},
		{Name: "admin-of-foo", Access: store.Full, Bases: []string{"foo"}},
		{Name: "worker", Access: store.RoleWorker},
	} {
		if err := db.SetUser(ctx, user); err != nil {
			t.Fatal(err)
		}
	}
	token, _, err := db.AddToken(ctx, "shared", 0)
	if err != nil {
		t.Fatal(err)
	}
	s := &config.Settings{ID: alpm.RepositoryID{Name: "aur", Architecture: "x86_64"}}
	s.Build.Triggers = []string{config.WorkerLoaderTrigger}
	for _, test := range []struct {
		what, registrant, auth, username, token string
		sent                                    bool
	}{
		{"a fleet of one user", "shared", "configuration", "shared", "", true},
		{"one who may do all", "admin", "configuration", "shared", "", true},
		{"one who may do less", "worker", "configuration", "shared", "", false},
		{"… by a token", "worker", "configuration", "", token, false},
		{"one who may do less, of some bases", "admin-of-foo", "configuration", "shared", "", false},
		{"a user whom workers alone know", "worker", "configuration", "builder", "", true},
		{"a user who is gone", "gone", "configuration", "shared", "", false},
		{"through the unix socket", "", "configuration", "shared", "", true},
		{"without log-in", "worker", "disabled", "shared", "", true},
	} {
		s.Auth.Target, s.Status.Username, s.Status.Password, s.Status.Token = test.auth, test.username, "password", test.token
		w := store.Worker{Identifier: "w", Address: "http://w", User: test.registrant}
		if err := db.RegisterWorker(ctx, w, time.Minute); err != nil {
			t.Fatal(err)
		}
		members, err := fleet(ctx, s, db)
		if err != nil || len(members) != 1 {
			t.Fatal(members, err)
		}
		c, err := workerConfig(members[0], s)
		if err != nil {
			t.Fatal(err)
		}
		if sent := c.Password != "" || c.Token != ""; sent != test.sent {
			t.Errorf("%s: sent: %v, want %v", test.what, sent, test.sent)
		}
		if err := db.RemoveWorkers(ctx); err != nil {
			t.Fatal(err)
		}
	}
}
