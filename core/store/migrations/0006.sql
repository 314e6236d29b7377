-- How fast the worker of a build is, so that times on different ones compare.
ALTER TABLE builds ADD COLUMN speed REAL NOT NULL DEFAULT 1;
