-- A repository column is alpm.RepositoryID.String(), "name/architecture".
-- Timestamps named *_us are unix microseconds, others unix seconds.

CREATE TABLE packages (
    repository TEXT NOT NULL,
    base       TEXT NOT NULL,
    package    TEXT NOT NULL CHECK (json_valid(package)),
    status     TEXT NOT NULL CHECK (status IN ('unknown', 'pending', 'building', 'failed', 'success')),
    changed    INTEGER NOT NULL,
    held       INTEGER NOT NULL DEFAULT 0 CHECK (held IN (0, 1)),
    PRIMARY KEY (repository, base)
) STRICT, WITHOUT ROWID;

-- How often the packages of a repository have changed: what caches stand on.
CREATE TABLE revisions (
    repository TEXT PRIMARY KEY,
    revision   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER packages_inserted AFTER INSERT ON packages BEGIN
    INSERT INTO revisions VALUES (NEW.repository, 1)
        ON CONFLICT (repository) DO UPDATE SET revision = revision + 1;
END;

CREATE TRIGGER packages_updated AFTER UPDATE ON packages BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE repository = NEW.repository;
END;

CREATE TRIGGER packages_deleted AFTER DELETE ON packages BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE repository = OLD.repository;
END;

CREATE TABLE service_status (
    repository TEXT PRIMARY KEY,
    status     TEXT NOT NULL CHECK (status IN ('unknown', 'pending', 'building', 'failed', 'success')),
    changed    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE changes (
    repository  TEXT NOT NULL,
    base        TEXT NOT NULL,
    last_commit TEXT NOT NULL,
    changes     TEXT NOT NULL,
    pkgbuild    TEXT NOT NULL,
    PRIMARY KEY (repository, base)
) STRICT, WITHOUT ROWID;

CREATE TABLE dependencies (
    repository TEXT NOT NULL,
    base       TEXT NOT NULL,
    paths      TEXT NOT NULL CHECK (json_valid(paths)),
    PRIMARY KEY (repository, base)
) STRICT, WITHOUT ROWID;

-- Patches belong to a base in every repository: the API's requests for them
-- name none.
CREATE TABLE patches (
    id    INTEGER PRIMARY KEY,
    base  TEXT NOT NULL,
    key   TEXT, -- null: a diff
    value TEXT NOT NULL CHECK (json_valid(value))
) STRICT;

CREATE UNIQUE INDEX patches_by_key ON patches (base, ifnull(key, ''));

CREATE TABLE queue (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    repository   TEXT NOT NULL,
    base         TEXT NOT NULL,
    package      TEXT NOT NULL CHECK (json_valid(package)),
    packager     TEXT NOT NULL,
    increment    INTEGER NOT NULL CHECK (increment IN (0, 1)),
    refresh      INTEGER NOT NULL CHECK (refresh IN (0, 1)),
    patches      TEXT NOT NULL CHECK (json_valid(patches)),
    user         TEXT NOT NULL,
    requested_us INTEGER NOT NULL,
    UNIQUE (repository, base)
) STRICT;

-- A process that runs jobs; while it lives it holds a lock (see owner.go).
CREATE TABLE owners (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    started_us INTEGER NOT NULL
) STRICT;

CREATE TABLE jobs (
    id         TEXT PRIMARY KEY,
    repository TEXT NOT NULL,
    kind       TEXT NOT NULL,
    arguments  TEXT NOT NULL CHECK (json_valid(arguments)),
    user       TEXT NOT NULL,
    owner      INTEGER NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('queued', 'running', 'succeeded', 'partial', 'failed', 'cancelled', 'interrupted')),
    created_us INTEGER NOT NULL,
    started_us INTEGER,
    ended_us   INTEGER,
    outcome    TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(outcome)),
    error      TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;

CREATE INDEX jobs_alive ON jobs (state) WHERE state IN ('queued', 'running');
CREATE INDEX jobs_by_time ON jobs (created_us);

-- What the next update of a repository has to say beside its own outcome.
CREATE TABLE warnings (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    repository TEXT NOT NULL,
    message    TEXT NOT NULL,
    UNIQUE (repository, message)
) STRICT;

-- One run is what one process said about one version of a base.
CREATE TABLE log_runs (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    repository TEXT NOT NULL,
    base       TEXT NOT NULL,
    version    TEXT NOT NULL,
    process    TEXT NOT NULL,
    UNIQUE (repository, base, version, process)
) STRICT;

CREATE TABLE log_lines (
    id      INTEGER PRIMARY KEY,
    run     INTEGER NOT NULL REFERENCES log_runs (id) ON DELETE CASCADE,
    created REAL NOT NULL,
    message TEXT NOT NULL
) STRICT;

CREATE INDEX log_lines_by_run ON log_lines (run, created);

CREATE TABLE events (
    id         INTEGER PRIMARY KEY,
    repository TEXT NOT NULL,
    event      TEXT NOT NULL,
    object     TEXT NOT NULL,
    created    INTEGER NOT NULL,
    message    TEXT NOT NULL,
    data       TEXT CHECK (data IS NULL OR json_valid(data))
) STRICT;

CREATE INDEX events_by_time ON events (repository, created);
CREATE INDEX events_by_object ON events (repository, object, created);

CREATE TABLE users (
    name     TEXT PRIMARY KEY,
    password TEXT NOT NULL,
    access   TEXT NOT NULL CHECK (access IN ('unauthorized', 'read', 'reporter', 'full')),
    packager TEXT NOT NULL,
    key      TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE builds (
    id         INTEGER PRIMARY KEY,
    repository TEXT NOT NULL,
    base       TEXT NOT NULL,
    version    TEXT NOT NULL,
    input      TEXT NOT NULL,
    worker     TEXT NOT NULL,
    started_us INTEGER NOT NULL,
    seconds    REAL NOT NULL,
    success    INTEGER NOT NULL CHECK (success IN (0, 1))
) STRICT;

CREATE INDEX builds_by_base ON builds (repository, base, id);
CREATE INDEX builds_by_input ON builds (repository, input) WHERE success = 1;

CREATE TABLE build_outputs (
    build  INTEGER NOT NULL REFERENCES builds (id) ON DELETE CASCADE,
    file   TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size   INTEGER NOT NULL,
    PRIMARY KEY (build, file)
) STRICT, WITHOUT ROWID;

CREATE TABLE workers (
    identifier TEXT PRIMARY KEY,
    address    TEXT NOT NULL,
    seen_us    INTEGER NOT NULL,
    expires_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
