package store

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ahriman/core/alpm"
	"ahriman/core/source"

	"github.com/google/go-cmp/cmp"
)

var (
	aur   = alpm.RepositoryID{Name: "aur", Architecture: "x86_64"}
	other = alpm.RepositoryID{Name: "other", Architecture: "x86_64"}
)

// open returns a new store whose clock stands at 2026-11-22.
func open(t testing.TB) *DB {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "node.db"))
}

func openAt(t testing.TB, path string) *DB {
	t.Helper()
	db, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	db.now = func() time.Time { return time.Unix(1795305600, 0) }
	return db
}

func pkg(base, version string) source.Package {
	return source.Package{
		Base: base, Version: version, Origin: source.Origin{Source: source.AUR},
		Packages: map[string]source.Properties{base: {ArchiveSize: 10, Depends: []string{"glibc"}}},
	}
}

// stored is p as it comes back: lists that were missing are empty.
func stored(p source.Package) source.Package {
	for name, q := range p.Packages {
		q.MakeDepends, q.OptDepends, q.CheckDepends = []string{}, []string{}, []string{}
		q.Groups, q.Licenses, q.Provides = []string{}, []string{}, []string{}
		p.Packages[name] = q
	}
	return p
}

// foreign makes a SQLite file by hand.
func foreign(t *testing.T, statements string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statements); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOpenRefusesWhatIsNotOurs(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte(strings.Repeat("no database at all\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, path string
		want       error
	}{
		{"python", foreign(t, "CREATE TABLE package_bases (package_base TEXT); PRAGMA user_version = 17"), ErrForeign},
		{"tables without a version", foreign(t, "CREATE TABLE a (b)"), ErrForeign},
		{"other application", foreign(t, "CREATE TABLE a (b); PRAGMA application_id = 7"), ErrForeign},
		{"text", text, ErrForeign},
		{"newer", foreign(t, "CREATE TABLE a (b); PRAGMA application_id = 0x4148524d; PRAGMA user_version = 99"), ErrNewer},
	} {
		t.Run(test.name, func(t *testing.T) {
			before, err := os.ReadFile(test.path)
			if err != nil {
				t.Fatal(err)
			}
			db, err := Open(t.Context(), test.path)
			if !errors.Is(err, test.want) {
				t.Errorf("Open = %v, want %v", err, test.want)
			}
			if err == nil {
				db.Close()
			}
			after, err := os.ReadFile(test.path)
			if err != nil || string(before) != string(after) {
				t.Errorf("file was changed (%v)", err)
			}
		})
	}
}

func TestOpenCreatesPrivateFile(t *testing.T) {
	db := open(t)
	info, err := os.Stat(db.Path())
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("mode %o, want 600: it holds password hashes", got)
	}
	if _, err := Open(t.Context(), filepath.Join(t.TempDir(), "missing", "node.db")); err == nil {
		t.Error("Open in a missing directory: no error")
	}
}

// TestVersion1 opens a file that version 1 wrote, with a row in each table.
func TestVersion1(t *testing.T) {
	text, err := os.ReadFile("testdata/v1.sql")
	if err != nil {
		t.Fatal(err)
	}
	path := foreign(t, string(text))
	db := openAt(t, path)
	ctx := t.Context()

	records, err := db.Packages(ctx, aur)
	want := stored(pkg("foo", "1:2.0-3"))
	check(t, "packages", records, []Record{{Package: want, Status: Success, Changed: 1795355920, Held: true}}, err)
	status, changed, err := db.ServiceStatus(ctx, aur)
	check(t, "service", []any{status, changed}, []any{Building, int64(1795355921)}, err)
	changes, err := db.Changes(ctx, aur, "foo")
	check(t, "changes", changes, Changes{"abc", "diff", "pkgname=foo"}, err)
	paths, err := db.Dependencies(ctx, aur, "foo")
	check(t, "dependencies", paths, map[string][]string{"/usr/lib/libbar.so": {"bar"}}, err)
	patches, err := db.Patches(ctx, "foo")
	check(t, "patches", patches, []source.Patch{{Value: "--- a"}, {Key: new("arch"), Value: []any{"any"}}}, err)
	queue, err := db.Queue(ctx, aur)
	check(t, "queue", queue, []Request{{
		ID: 1, Package: source.Package{Base: "new", Origin: source.Origin{Source: source.Auto}, Packages: map[string]source.Properties{}},
		Packager: "me <me@example.org>", Increment: true, Patches: []source.Patch{}, User: "ann", Requested: time.Unix(1795355920, 0),
	}}, err)
	jobs, err := db.RecoverJobs(ctx)
	if err != nil || len(jobs) != 1 || jobs[0].State != Interrupted {
		t.Errorf("RecoverJobs = %+v, %v", jobs, err)
	}
	logs, err := db.Logs(ctx, aur, "foo", LogQuery{})
	check(t, "logs", logs, []LogLine{{1795355920.25, "==> Making package", "1:2.0-3", "p1"}}, err)
	events, err := db.Events(ctx, aur, EventQuery{})
	check(t, "events", events, []Event{{EventPackageUpdated, "foo", 1795355920, "done", []byte(`{"took":1.5}`)}}, err)
	users, err := db.Users(ctx)
	check(t, "users", users, []User{{Name: "ann", Password: "$2b$12$hash", Access: Full, Packager: "Ann <ann@example.org>", Key: "ABCD"}}, err)
	build, err := db.BuildOf(ctx, aur, "d1")
	check(t, "build", build, Build{"foo", "1:2.0-3", "d1", "w1", 1, time.Unix(1795355920, 0), 12500 * time.Millisecond, true,
		[]Output{{"foo-1:2.0-3-any.pkg.tar.zst", "e3b0", 10}}}, err)
	check(t, "schema", schema(t, db), schema(t, open(t)), nil)
}

// schema is what defines the tables, without comments and layout.
func schema(t *testing.T, db *DB) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := db.rows(t.Context(), func(rows *sql.Rows) error {
		var name, text string
		err := rows.Scan(&name, &text)
		lines := strings.Split(text, "\n")
		for i, line := range lines {
			lines[i], _, _ = strings.Cut(line, "--")
		}
		all[name] = strings.Join(strings.Fields(strings.Join(lines, " ")), " ")
		return err
	}, "SELECT name, ifnull(sql, '') FROM sqlite_schema")
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func check(t *testing.T, what string, got, want any, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// BenchmarkOpen measures what every command pays.
func BenchmarkOpen(b *testing.B) {
	path := filepath.Join(b.TempDir(), "node.db")
	openAt(b, path).Close()
	for b.Loop() {
		db, err := Open(b.Context(), path)
		if err != nil {
			b.Fatal(err)
		}
		db.Close()
	}
}
