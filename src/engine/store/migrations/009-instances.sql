-- Why an instance was ended for good: nobody starts it again before the next generation. Null: nothing of the kind.
ALTER TABLE instances ADD COLUMN problem TEXT;
-- Instances of web that share the port of their first one (cluster mode).
ALTER TABLE instances ADD COLUMN cluster INTEGER NOT NULL DEFAULT 0;
