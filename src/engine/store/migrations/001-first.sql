-- The three tables of the beginning keep their names and columns; what came later is added below each.

CREATE TABLE users (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  username TEXT UNIQUE NOT NULL,
  password TEXT NOT NULL,
  created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
  role TEXT NOT NULL DEFAULT 'member' CHECK (role IN ('admin', 'member'))
);

CREATE TABLE projects (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT UNIQUE NOT NULL,
  display_name TEXT NOT NULL,
  path TEXT NOT NULL,
  start_command TEXT NOT NULL,
  port INTEGER,
  env_vars TEXT,
  pm2_name TEXT NOT NULL,
  status TEXT DEFAULT 'stopped',
  created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
  updated_at DATETIME DEFAULT CURRENT_TIMESTAMP,
  deploy_branch TEXT,
  health_path TEXT,
  boot_timeout_ms INTEGER NOT NULL DEFAULT 60000,
  memory_limit_mb INTEGER,
  keep_releases INTEGER,
  private_modules INTEGER NOT NULL DEFAULT 0,
  current_release INTEGER,
  last_deployment INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE deployments (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  project_id INTEGER NOT NULL,
  version TEXT,
  deployed_at DATETIME DEFAULT CURRENT_TIMESTAMP,
  status TEXT DEFAULT 'success',
  notes TEXT,
  number INTEGER NOT NULL,
  release INTEGER,
  source_kind TEXT NOT NULL,
  revision TEXT NOT NULL,
  message TEXT,
  requested_by TEXT NOT NULL,
  finished_at TEXT,
  error_code TEXT,
  error_message TEXT,
  error_hint TEXT,
  FOREIGN KEY (project_id) REFERENCES projects(id) ON DELETE CASCADE,
  UNIQUE (project_id, number)
);

CREATE INDEX deployments_unfinished ON deployments (status) WHERE status IN ('queued', 'running');

CREATE TABLE deployment_steps (
  deployment_id INTEGER NOT NULL REFERENCES deployments(id) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  name TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('running', 'done', 'failed', 'skipped')),
  ms INTEGER,
  note TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (deployment_id, position)
) STRICT, WITHOUT ROWID;

-- A release is a slug and a snapshot of the config vars. Numbers only rise; rows are never edited, except
-- that pruning notes when its slug was removed.
CREATE TABLE releases (
  project_id INTEGER NOT NULL REFERENCES projects(id) ON DELETE CASCADE,
  number INTEGER NOT NULL,
  deployment INTEGER NOT NULL,
  slug INTEGER NOT NULL,
  source_kind TEXT NOT NULL,
  revision TEXT NOT NULL,
  message TEXT,
  command TEXT NOT NULL,
  env_vars TEXT NOT NULL,
  created_at TEXT NOT NULL,
  pruned_at TEXT,
  PRIMARY KEY (project_id, number)
) STRICT, WITHOUT ROWID;

-- Every process that NodePilot started and has not yet ended. The UNIQUE port is the lock on it.
CREATE TABLE instances (
  project_id INTEGER NOT NULL REFERENCES projects(id) ON DELETE CASCADE,
  release INTEGER NOT NULL,
  type TEXT NOT NULL,
  position INTEGER NOT NULL,
  generation INTEGER NOT NULL,
  slug INTEGER NOT NULL,
  port INTEGER UNIQUE,
  state TEXT NOT NULL CHECK (state IN ('candidate', 'serving', 'retiring')),
  created_at TEXT NOT NULL,
  PRIMARY KEY (project_id, generation, type, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
  id TEXT PRIMARY KEY,
  user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  created_at TEXT NOT NULL,
  expires_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tokens (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  project_id INTEGER REFERENCES projects(id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  hash TEXT NOT NULL UNIQUE,
  scope TEXT NOT NULL CHECK (scope IN ('push', 'read', 'admin')),
  created_at TEXT NOT NULL,
  expires_at TEXT,
  last_used_at TEXT
) STRICT;

-- Counts failed sign-ins by account and by address, so that a restart does not forget an attack.
CREATE TABLE login_failures (
  subject TEXT PRIMARY KEY,
  failures INTEGER NOT NULL,
  blocked_until TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE settings (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
