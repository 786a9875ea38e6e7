-- Which server keys live families still name: a roll-over asks, and must not read every family for it.
-- A rotation changes neither column, so that it stays a change of the row alone.
CREATE INDEX families_key ON families (key_id) WHERE ended_at IS NULL;
