-- Config vars are sealed from now on (store/vault.ts). No SQL can do that: `sealPlainVars` seals what is there and
-- then removes this mark. An older NodePilot must not open the database any more, which the schema's number sees to.
INSERT INTO settings (key, value) VALUES ('config-vars-plain', 'yes') ON CONFLICT DO NOTHING;
