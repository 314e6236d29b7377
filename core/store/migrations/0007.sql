-- What the upstream of a VCS package was at, and when that was looked at.
CREATE TABLE upstreams (
    repository TEXT NOT NULL,
    base       TEXT NOT NULL,
    version    TEXT NOT NULL,
    looked_us  INTEGER NOT NULL,
    PRIMARY KEY (repository, base)
) STRICT, WITHOUT ROWID;
