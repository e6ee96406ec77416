-- Hosts beside `<name>.<base domain>` that lead to a project. A host belongs to one project at a time.
CREATE TABLE domains (
  domain TEXT PRIMARY KEY,
  project_id INTEGER NOT NULL REFERENCES projects(id) ON DELETE CASCADE,
  is_primary INTEGER NOT NULL DEFAULT 0 CHECK (is_primary IN (0, 1)),
  status TEXT NOT NULL DEFAULT 'pending' CHECK (status IN ('ok', 'pending', 'mismatch')),
  found TEXT NOT NULL DEFAULT '[]',
  checked_at TEXT,
  created_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX domains_of_project ON domains (project_id);
CREATE UNIQUE INDEX domains_primary ON domains (project_id) WHERE is_primary = 1;

-- What a deployment changed against the release before it. Kept, because slugs are pruned and commits may be too.
CREATE TABLE deployment_changes (
  deployment_id INTEGER PRIMARY KEY REFERENCES deployments(id) ON DELETE CASCADE,
  changes TEXT NOT NULL
) STRICT;
