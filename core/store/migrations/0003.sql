-- Users of more roles, perhaps for one repository and some bases, and tokens.

CREATE TABLE users_2 (
    name       TEXT PRIMARY KEY,
    password   TEXT NOT NULL,
    access     TEXT NOT NULL,
    packager   TEXT NOT NULL,
    key        TEXT NOT NULL,
    repository TEXT NOT NULL DEFAULT '', -- empty: all
    bases      TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(bases)) -- none: all
) STRICT, WITHOUT ROWID;

INSERT INTO users_2 (name, password, access, packager, key) SELECT name, password, access, packager, key FROM users;
DROP TABLE users;
ALTER TABLE users_2 RENAME TO users;

CREATE TABLE tokens (
    id         TEXT PRIMARY KEY, -- how the token begins
    user       TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    hash       TEXT NOT NULL UNIQUE, -- SHA-256, hex
    created_us INTEGER NOT NULL,
    expires_us INTEGER -- null: never
) STRICT, WITHOUT ROWID;

CREATE INDEX tokens_by_user ON tokens (user);

-- Who registered a worker: empty where log-in is off.
ALTER TABLE workers ADD COLUMN user TEXT NOT NULL DEFAULT '';
