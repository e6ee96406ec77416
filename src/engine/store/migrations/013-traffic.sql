-- What each release was asked and how it answered. The front door counts from its own start on: `latest` is what
-- the one that began at `counted_since` has counted, `earlier` what all before it had; both JSON.
CREATE TABLE release_traffic (
  project_id INTEGER NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
  release INTEGER NOT NULL,
  counted_since TEXT NOT NULL,
  earlier TEXT NOT NULL,
  latest TEXT NOT NULL,
  PRIMARY KEY (project_id, release)
) STRICT, WITHOUT ROWID;

-- How the release of a deployment did beside the one before it, in its first minute; JSON, null: nothing to compare with.
ALTER TABLE deployments ADD COLUMN comparison TEXT;
CREATE INDEX deployments_watched ON deployments (id) WHERE comparison LIKE '{"state":"watching"%';

-- Out of service and still running until this time, ISO 8601, to be switched back to; null: to be ended.
ALTER TABLE instances ADD COLUMN kept_until TEXT;
