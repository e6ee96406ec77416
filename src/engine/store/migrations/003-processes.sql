-- How many of each process type were asked for; a type that is not named runs once.
ALTER TABLE projects ADD COLUMN processes TEXT NOT NULL DEFAULT '{}';
-- 1: workers of a new release start at once, while those of the old one are still ending.
ALTER TABLE projects ADD COLUMN overlap_workers INTEGER NOT NULL DEFAULT 0;
-- The commands of the process types that take no traffic; `command` is the one of web.
ALTER TABLE releases ADD COLUMN workers TEXT NOT NULL DEFAULT '{}';
