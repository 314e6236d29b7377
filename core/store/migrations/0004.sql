-- The builds that a master has given to workers and not seen the end of: after
-- its death the next run takes them up. A run that ends leaves none.
CREATE TABLE assignments (
    repository TEXT NOT NULL,
    base       TEXT NOT NULL,
    id         TEXT NOT NULL,
    version    TEXT NOT NULL,
    input      TEXT NOT NULL,
    worker     TEXT NOT NULL,
    packages   TEXT NOT NULL,
    started_us INTEGER NOT NULL,
    PRIMARY KEY (repository, base)
) STRICT, WITHOUT ROWID;
