-- When a worker was last tried in vain, in the place of when it was to be tried
-- again.
ALTER TABLE fleet DROP COLUMN away_us;
ALTER TABLE fleet ADD COLUMN failed_us INTEGER;
UPDATE fleet SET reason = '';
