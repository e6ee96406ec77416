-- What the directory of a release takes on the disk, without what it shares; null until it was measured.
ALTER TABLE releases ADD COLUMN bytes INTEGER;
