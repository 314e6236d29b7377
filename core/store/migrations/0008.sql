-- Sessions of the web service that were ended before they expire.
CREATE TABLE ended_sessions (
    id       TEXT PRIMARY KEY,
    until_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
