-- Since when nothing of it runs because nobody asked for it, ISO 8601; the next request wakes it. null: awake, or stopped.
ALTER TABLE projects ADD COLUMN asleep_at TEXT;

-- Why the last request could not wake it; null: it could, or none tried.
ALTER TABLE projects ADD COLUMN wake_problem TEXT;
