-- What a user is in a project. Whoever creates one owns it; admins may do everything everywhere.
CREATE TABLE project_members (
  project_id INTEGER NOT NULL REFERENCES projects(id) ON DELETE CASCADE,
  user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  role TEXT NOT NULL CHECK (role IN ('viewer', 'deployer', 'owner')),
  created_at TEXT NOT NULL,
  PRIMARY KEY (project_id, user_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX project_members_user ON project_members (user_id);

-- Until now only the first admin could create projects.
INSERT INTO project_members (project_id, user_id, role, created_at)
  SELECT projects.id, first.id, 'owner', projects.created_at
  FROM projects, (SELECT min(id) AS id FROM users WHERE role = 'admin') AS first
  WHERE first.id IS NOT NULL;

-- People are shown the number; the sid, which a credential is made of, is told to nobody.
CREATE TABLE sessions_new (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  user_id INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  kind TEXT NOT NULL CHECK (kind IN ('browser', 'api', 'cli')),
  name TEXT NOT NULL DEFAULT '',
  address TEXT NOT NULL DEFAULT '',
  user_agent TEXT NOT NULL DEFAULT '',
  created_at TEXT NOT NULL,
  expires_at TEXT NOT NULL,
  last_seen_at TEXT NOT NULL
) STRICT;

INSERT INTO sessions_new (id, user_id, kind, created_at, expires_at, last_seen_at)
  SELECT id, user_id, 'api', created_at, expires_at, created_at FROM sessions;

DROP TABLE sessions;
ALTER TABLE sessions_new RENAME TO sessions;
CREATE INDEX sessions_user ON sessions (user_id);

-- A command line that waits for somebody to let it in (RFC 8628).
CREATE TABLE device_requests (
  device_hash TEXT PRIMARY KEY,
  user_code TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  address TEXT NOT NULL,
  user_agent TEXT NOT NULL,
  created_at TEXT NOT NULL,
  expires_at TEXT NOT NULL,
  status TEXT NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'approved', 'denied')),
  user_id INTEGER REFERENCES users(id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- Names are written down beside the numbers: the log outlives users and projects.
CREATE TABLE audit (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at TEXT NOT NULL,
  user_id INTEGER,
  user TEXT NOT NULL,
  address TEXT NOT NULL,
  via TEXT NOT NULL,
  action TEXT NOT NULL,
  project_id INTEGER,
  project TEXT,
  before TEXT,
  after TEXT
) STRICT;

CREATE INDEX audit_project ON audit (project, id);
CREATE INDEX audit_user ON audit (user, id);
