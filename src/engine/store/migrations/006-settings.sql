-- Settings of a project beside its columns, JSON of `engine/domain/settings.ts`; what is not named has its default.
ALTER TABLE projects ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';
-- How a release is run, JSON of `engine/domain/release-plan.ts`.
ALTER TABLE releases ADD COLUMN plan TEXT NOT NULL DEFAULT '{}';
