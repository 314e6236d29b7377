// Package store keeps what a node knows in one SQLite file: packages and their
// status, requests, jobs, logs, events, users, builds and workers.
//
// Any number of processes may have the file open at once. Where a call names a
// repository, only that repository's rows are read or changed. Errors a caller
// decides on are the Err… values of this package; sql.ErrNoRows never comes out.
package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"ahriman/core/alpm"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// applicationID marks a file as ours ("AHRM"); the Python node's has 0.
const applicationID = 0x4148524d

// busyTimeout is how long a statement waits for another process's transaction.
const busyTimeout = 30 * time.Second

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migrations turn version i of the schema into version i+1. A released one is
// never edited.
func migrations() []string {
	return []string{"migrations/0001.sql", "migrations/0002.sql", "migrations/0003.sql", "migrations/0004.sql", "migrations/0005.sql", "migrations/0006.sql", "migrations/0007.sql", "migrations/0008.sql", "migrations/0009.sql"}
}

// What Open and other calls return, wrapped, for a caller to decide on.
var (
	// ErrForeign: the file is no database of ours, such as the Python node's
	// ahriman.db; it was left as it is.
	ErrForeign = errors.New("not a database of this program")
	// ErrNewer: a newer version of this program has written the file.
	ErrNewer = errors.New("database was written by a newer version")
	// ErrUnknownPackage: the repository has no package of that base.
	ErrUnknownPackage = errors.New("unknown package")
	// ErrUnknownPatch: the base has no patch of that key.
	ErrUnknownPatch = errors.New("unknown patch")
	// ErrUnknownJob: no job has that id.
	ErrUnknownJob = errors.New("unknown job")
	// ErrUnknownUser: no user has that name.
	ErrUnknownUser = errors.New("unknown user")
	// ErrUnknownToken: no token is that, or it is no longer good.
	ErrUnknownToken = errors.New("unknown token")
	// ErrTaken: another user has registered a worker of that identifier.
	ErrTaken = errors.New("another user's")
	// ErrUnknownBuild: no build is recorded that was asked for.
	ErrUnknownBuild = errors.New("unknown build")
	// ErrUnknownWorker: no worker has that name or address.
	ErrUnknownWorker = errors.New("unknown worker")
)

// DB is an open store. Its methods may be called concurrently.
type DB struct {
	path     string
	sql      *sql.DB
	write    chan struct{} // holds a token while a transaction of this process writes
	owner    owner
	watchers watchers
	now      func() time.Time

	revision func() (*sql.Stmt, error) // asked with every request for packages
}

// Open opens the store at path, creating or upgrading it where needed; the
// directory must exist. It returns ErrForeign or ErrNewer for a file that is
// not to be touched.
func Open(ctx context.Context, path string) (*DB, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("opening database: %w", err)
	}
	// The file holds password hashes, and SQLite would create it for all to read.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening database: %w", err)
	}
	f.Close()
	pool, err := sql.Open("sqlite", dataSource(path))
	if err != nil {
		return nil, fmt.Errorf("opening database %s: %w", path, err)
	}
	pool.SetMaxOpenConns(8)
	pool.SetMaxIdleConns(8)
	db := &DB{path: path, sql: pool, write: make(chan struct{}, 1), now: time.Now}
	db.revision = sync.OnceValues(func() (*sql.Stmt, error) {
		return pool.Prepare("SELECT revision FROM revisions WHERE repository = ?")
	})
	if err := db.prepare(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("opening database %s: %w", path, err)
	}
	return db, nil
}

// dataSource is path as the driver wants it. In WAL mode synchronous=NORMAL
// cannot corrupt the file; a power cut may undo the last transactions.
func dataSource(path string) string {
	query := url.Values{
		"_txlock": {"immediate"},
		"_pragma": {
			fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()),
			"foreign_keys(1)",
			"synchronous(NORMAL)",
		},
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}).String()
}

// Close ends the watchers and closes the file. Jobs of this process that have
// not ended count as interrupted from now on.
func (db *DB) Close() error {
	db.watchers.close()
	return errors.Join(db.sql.Close(), db.owner.close())
}

// Path is the absolute path of the file.
func (db *DB) Path() string { return db.path }

// prepare checks whose file it is and brings its schema up to date.
func (db *DB) prepare(ctx context.Context) error {
	version, err := db.version(ctx)
	if err != nil || version == len(migrations()) {
		return err
	}
	return db.upgrade(ctx)
}

// version is the file's schema version, 0 for an empty file.
func (db *DB) version(ctx context.Context) (int, error) {
	var application, version, tables int
	err := retry(ctx, func() error {
		return db.sql.QueryRowContext(ctx, `SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)
			FROM pragma_application_id, pragma_user_version`).Scan(&application, &version, &tables)
	})
	switch {
	case isCode(err, sqlite3.SQLITE_NOTADB):
		return 0, ErrForeign
	case err != nil:
		return 0, err
	case application == 0 && version == 0 && tables == 0:
		return 0, nil
	case application != applicationID:
		return 0, ErrForeign
	case version > len(migrations()):
		return 0, fmt.Errorf("%w (schema %d, known %d)", ErrNewer, version, len(migrations()))
	}
	return version, nil
}

// upgrade runs the missing migrations in one transaction. Another process may
// have been faster, so it looks again inside.
func (db *DB) upgrade(ctx context.Context) error {
	// Switching to WAL needs the file alone and does not wait by itself.
	err := retry(ctx, func() error {
		_, err := db.sql.ExecContext(ctx, "PRAGMA journal_mode = WAL")
		return err
	})
	if err != nil {
		return err
	}
	return db.update(ctx, func(tx *sql.Tx) error {
		var version int
		if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
			return err
		}
		all := migrations()
		for _, name := range all[min(version, len(all)):] {
			text, err := migrationFiles.ReadFile(name)
			if err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, string(text)); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		_, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, max(version, len(all))))
		return err
	})
}

// update runs do in a write transaction: all of it happens, or nothing. The
// token keeps this process's writers in order, since SQLite's waiting is a
// poll that can starve one of them.
func (db *DB) update(ctx context.Context, do func(*sql.Tx) error) error {
	select {
	case db.write <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-db.write }()
	tx, err := db.sql.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// exec is update of one statement; it returns how many rows it changed.
func (db *DB) exec(ctx context.Context, statement string, args ...any) (int64, error) {
	var n int64
	err := db.update(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, statement, args...)
		if err != nil {
			return err
		}
		n, err = result.RowsAffected()
		return err
	})
	return n, err
}

// row reads one row of a query into dest; none gives missing.
func (db *DB) row(ctx context.Context, missing error, dest []any, query string, args ...any) error {
	err := db.sql.QueryRowContext(ctx, query, args...).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return missing
	}
	return err
}

// rows calls scan for each row of a query.
func (db *DB) rows(ctx context.Context, scan func(*sql.Rows) error, query string, args ...any) error {
	rows, err := db.sql.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// retry repeats do while the file is locked in a way that SQLite's own busy
// timeout does not cover: the switch to WAL, and another process's last close.
func retry(ctx context.Context, do func() error) error {
	deadline := time.Now().Add(busyTimeout)
	for {
		err := do()
		if !isCode(err, sqlite3.SQLITE_BUSY) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// isCode says whether err is SQLite's primary code.
func isCode(err error, code int) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == code
}

// key is how a repository is named in the tables.
func key(id alpm.RepositoryID) string { return id.String() }

func (db *DB) seconds() int64 { return db.now().Unix() }

func microseconds(t time.Time) int64 { return t.UnixMicro() }

// fromMicroseconds is the time of a nullable column; null is the zero time.
func fromMicroseconds(n sql.NullInt64) time.Time {
	if !n.Valid {
		return time.Time{}
	}
	return time.UnixMicro(n.Int64)
}
