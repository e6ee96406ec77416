-- Runs of scheduled jobs. A job itself is a line of settings or of the app file; `job` is its name.
CREATE TABLE cron_runs (
  -- never given twice: it is part of the name of the output's file
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  project_id INTEGER NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
  job TEXT NOT NULL,
  command TEXT NOT NULL,
  -- 'schedule', or who started it by hand
  requested_by TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('queued', 'running', 'succeeded', 'failed', 'cancelled', 'interrupted')),
  -- null until it runs
  release INTEGER,
  -- when the schedule wanted it; null: started by hand
  scheduled_at TEXT,
  queued_at TEXT NOT NULL,
  started_at TEXT,
  finished_at TEXT,
  exit_code INTEGER,
  error_code TEXT,
  error_message TEXT,
  -- how often the schedule came round while this one was not over
  skipped INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX cron_runs_by_job ON cron_runs (project_id, job, id);
CREATE INDEX cron_runs_unfinished ON cron_runs (id) WHERE finished_at IS NULL;
