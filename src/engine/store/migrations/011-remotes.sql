-- Where a project is fetched from, and what it is let in with.
CREATE TABLE remotes (
  project_id INTEGER PRIMARY KEY REFERENCES projects (id) ON DELETE CASCADE,
  url TEXT NOT NULL,
  -- null: the deploy branch of the project
  branch TEXT,
  -- of a token for https
  username TEXT,
  public_key TEXT NOT NULL,
  -- sealed like config vars: the private key, the secret of the webhook, the token
  secrets TEXT NOT NULL,
  -- the keys by which ssh servers were known at the first visit
  known_hosts TEXT NOT NULL DEFAULT '',
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
) STRICT;

-- Deliveries of webhooks whose signature was right. Kept for longer than anybody repeats one: the same body is
-- never acted on twice.
CREATE TABLE hook_deliveries (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  project_id INTEGER NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
  -- SHA-256 of what was signed
  digest TEXT NOT NULL,
  -- how the sender calls it
  delivery TEXT,
  provider TEXT NOT NULL,
  event TEXT NOT NULL,
  ref TEXT,
  result TEXT NOT NULL,
  reason TEXT,
  -- the number of the deployment it began or joined
  deployment INTEGER,
  received_at TEXT NOT NULL,
  UNIQUE (project_id, digest)
) STRICT;

CREATE INDEX hook_deliveries_by_name ON hook_deliveries (project_id, delivery);
