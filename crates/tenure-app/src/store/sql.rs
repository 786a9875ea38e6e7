//! One SQL text for both engines. SQLite numbers `$n` in the order of first appearance.

#[cfg(feature = "sqlite")]
pub const SQLITE_SCHEMA: &str = "\
CREATE TABLE IF NOT EXISTS tenure_app_sessions (
  key BLOB PRIMARY KEY, sid BLOB, sub BLOB NOT NULL, version BIGINT NOT NULL, created_at BIGINT NOT NULL,
  touched_at BIGINT NOT NULL, expires_at BIGINT NOT NULL, body BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tenure_app_sessions_sid ON tenure_app_sessions (sid);
CREATE INDEX IF NOT EXISTS tenure_app_sessions_sub ON tenure_app_sessions (sub);
CREATE INDEX IF NOT EXISTS tenure_app_sessions_expiry ON tenure_app_sessions (expires_at);
CREATE TABLE IF NOT EXISTS tenure_app_marks (
  key BLOB PRIMARY KEY, at BIGINT NOT NULL, reason TEXT NOT NULL, expires_at BIGINT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tenure_app_marks_expiry ON tenure_app_marks (expires_at);";

#[cfg(feature = "postgres")]
pub const POSTGRES_SCHEMA: &str = "\
CREATE TABLE IF NOT EXISTS tenure_app_sessions (
  key BYTEA PRIMARY KEY, sid BYTEA, sub BYTEA NOT NULL, version BIGINT NOT NULL, created_at BIGINT NOT NULL,
  touched_at BIGINT NOT NULL, expires_at BIGINT NOT NULL, body BYTEA NOT NULL);
CREATE INDEX IF NOT EXISTS tenure_app_sessions_sid ON tenure_app_sessions (sid);
CREATE INDEX IF NOT EXISTS tenure_app_sessions_sub ON tenure_app_sessions (sub);
CREATE INDEX IF NOT EXISTS tenure_app_sessions_expiry ON tenure_app_sessions (expires_at);
CREATE TABLE IF NOT EXISTS tenure_app_marks (
  key BYTEA PRIMARY KEY, at BIGINT NOT NULL, reason TEXT NOT NULL, expires_at BIGINT NOT NULL);
CREATE INDEX IF NOT EXISTS tenure_app_marks_expiry ON tenure_app_marks (expires_at);";

/// A session without a mark of its own names that is not older than itself.
pub const CREATE: &str = "\
INSERT INTO tenure_app_sessions (key, sid, sub, version, created_at, touched_at, expires_at, body)
SELECT $1, $2, $3, $4, $5, $6, $7, $8
WHERE NOT EXISTS (SELECT 1 FROM tenure_app_marks WHERE key IN ($1, $2, $3) AND at >= $5)
ON CONFLICT (key) DO NOTHING";

pub const LOAD: &str = "\
SELECT sid, sub, version, created_at, touched_at, expires_at, body FROM tenure_app_sessions WHERE key = $1";

pub const REPLACE: &str = "\
UPDATE tenure_app_sessions SET version = version + 1, body = $1,
  expires_at = CASE WHEN $2 > expires_at THEN $2 ELSE expires_at END
WHERE key = $3 AND version = $4";

pub const EXISTS: &str = "SELECT 1 FROM tenure_app_sessions WHERE key = $1";

pub const TOUCH: &str = "\
UPDATE tenure_app_sessions SET touched_at = CASE WHEN $1 > touched_at THEN $1 ELSE touched_at END,
  expires_at = CASE WHEN $2 > expires_at THEN $2 ELSE expires_at END
WHERE key = $3";

/// The mark itself.
pub const MARK: &str = "\
INSERT INTO tenure_app_marks (key, at, reason, expires_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (key) DO UPDATE SET
  reason = CASE WHEN excluded.at >= tenure_app_marks.at THEN excluded.reason ELSE tenure_app_marks.reason END,
  at = CASE WHEN excluded.at >= tenure_app_marks.at THEN excluded.at ELSE tenure_app_marks.at END,
  expires_at = CASE WHEN excluded.expires_at >= tenure_app_marks.expires_at THEN excluded.expires_at
    ELSE tenure_app_marks.expires_at END";

/// The sessions that a mark ends.
pub const ENDING: &str = "\
DELETE FROM tenure_app_sessions WHERE (key = $1 OR sid = $1 OR sub = $1) AND created_at <= $2 RETURNING key";

pub const MARKED: &str = "SELECT at, reason, expires_at FROM tenure_app_marks WHERE key = $1";

pub const SWEEP: [&str; 2] = [
    "DELETE FROM tenure_app_sessions WHERE key IN \
     (SELECT key FROM tenure_app_sessions WHERE expires_at <= $1 ORDER BY expires_at LIMIT 500)",
    "DELETE FROM tenure_app_marks WHERE key IN \
     (SELECT key FROM tenure_app_marks WHERE expires_at <= $1 ORDER BY expires_at LIMIT 500)",
];
