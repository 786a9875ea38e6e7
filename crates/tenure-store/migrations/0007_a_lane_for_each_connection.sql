-- What is due at identity providers is looked for connection by connection, so that one that does not
-- answer holds up nobody's people but its own.
DROP INDEX upstream_sessions_confirm;
CREATE INDEX upstream_sessions_confirm ON upstream_sessions (connection, confirm_due_at)
  WHERE ended_at IS NULL AND confirm_due_at IS NOT NULL;
DROP INDEX upstream_signals_due;
CREATE INDEX upstream_signals_due ON upstream_signals (connection, due_at);
