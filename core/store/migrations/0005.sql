-- Each package has the revision of its repository at which it last changed.
ALTER TABLE packages ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
CREATE INDEX packages_by_revision ON packages (repository, revision);

DROP TRIGGER packages_inserted;
DROP TRIGGER packages_updated;

CREATE TRIGGER packages_inserted AFTER INSERT ON packages BEGIN
    INSERT INTO revisions VALUES (NEW.repository, 1)
        ON CONFLICT (repository) DO UPDATE SET revision = revision + 1;
    UPDATE packages SET revision = (SELECT revision FROM revisions WHERE repository = NEW.repository)
        WHERE repository = NEW.repository AND base = NEW.base;
END;

CREATE TRIGGER packages_updated AFTER UPDATE OF package, status, changed, held ON packages BEGIN
    UPDATE revisions SET revision = revision + 1 WHERE repository = NEW.repository;
    UPDATE packages SET revision = (SELECT revision FROM revisions WHERE repository = NEW.repository)
        WHERE repository = NEW.repository AND base = NEW.base;
END;
