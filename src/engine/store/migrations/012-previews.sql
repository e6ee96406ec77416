-- A preview is a project of its own that belongs to another one and to a branch of it.
-- The parent's number; no reference, for its previews are ended before it goes, and swept where that was cut off.
ALTER TABLE projects ADD COLUMN preview_of INTEGER;
ALTER TABLE projects ADD COLUMN preview_branch TEXT;
-- Names of config vars that were changed in the preview itself, JSON: they no longer follow the parent.
ALTER TABLE projects ADD COLUMN preview_vars TEXT NOT NULL DEFAULT '[]';
-- The last push or request, ISO 8601.
ALTER TABLE projects ADD COLUMN preview_used_at TEXT;
-- The repository its commits are in; null: its own.
ALTER TABLE projects ADD COLUMN repository TEXT;
CREATE UNIQUE INDEX previews ON projects (preview_of, preview_branch) WHERE preview_of IS NOT NULL;
