-- What was measured, summed over a step of so many seconds: of a project, or of the machine (subject 0).
-- `point` is JSON of `engine/metrics/point.ts`.
CREATE TABLE metrics (
  subject INTEGER NOT NULL,
  step INTEGER NOT NULL,
  -- seconds since 1970, the beginning of the step
  at INTEGER NOT NULL,
  point TEXT NOT NULL,
  PRIMARY KEY (subject, step, at)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER metrics_of_removed_project AFTER DELETE ON projects BEGIN
  DELETE FROM metrics WHERE subject = OLD.id;
END;

-- The page of all deployments can be narrowed to one result; the rare ones lie far apart.
CREATE INDEX deployments_by_status ON deployments (status, id);

-- Counting them all by project and result must not read them all.
CREATE INDEX deployments_by_project ON deployments (project_id, status);
