-- Workers that "workers add" named, and what is kept of the others: how they
-- are set and how they did. The table workers has those that register.
CREATE TABLE fleet (
    address   TEXT PRIMARY KEY,
    name      TEXT NOT NULL UNIQUE,
    added     INTEGER NOT NULL CHECK (added IN (0, 1)),
    draining  INTEGER NOT NULL DEFAULT 0 CHECK (draining IN (0, 1)),
    slots     INTEGER NOT NULL DEFAULT 0,
    speed     REAL NOT NULL DEFAULT 0,
    features  TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(features)),
    username  TEXT NOT NULL DEFAULT '',
    password  TEXT NOT NULL DEFAULT '',
    token     TEXT NOT NULL DEFAULT '',
    host_key  TEXT NOT NULL DEFAULT '',
    seen_us   INTEGER,
    away_us   INTEGER,
    reason    TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;
