-- An end reaches everywhere.

-- When a worker looks at a session next: never later than its idle deadline, which an activity moves
-- without moving this, so that an activity changes no index. A worker that comes too early moves it.
-- Sessions from before, and those that a previous program starts, are looked at once.
ALTER TABLE sessions ADD COLUMN due_at BIGINT NOT NULL DEFAULT 0;
CREATE INDEX sessions_due ON sessions (due_at) WHERE ended_at IS NULL;

-- Which rule won, when something ended.
ALTER TABLE sessions ADD COLUMN end_rule TEXT;
ALTER TABLE families ADD COLUMN end_rule TEXT;

-- The outbox of back-channel logout: one row for each relying party of a session that ended, written
-- in the transaction that ended it.
CREATE TABLE deliveries (
  sid         BLOB NOT NULL,
  client_id   TEXT NOT NULL,
  user_id     TEXT NOT NULL,
  reason      TEXT NOT NULL,
  state       TEXT NOT NULL,      -- pending | delivered | rejected | dead | not_asked
  attempts    BIGINT NOT NULL,
  created_at  BIGINT NOT NULL,
  due_at      BIGINT NOT NULL,    -- of the next attempt; while one runs, when it is given up for lost
  last_at     BIGINT,
  last_status BIGINT,
  last_error  TEXT,
  PRIMARY KEY (sid, client_id)
);
CREATE INDEX deliveries_due ON deliveries (due_at) WHERE state = 'pending';
CREATE INDEX deliveries_dead ON deliveries (created_at) WHERE state = 'dead';

-- Users of whom everything is to be ended, since `valid_after` moved or they are blocked or gone. What
-- hangs on them is over already, by that one write; a worker ends the rows and tells who relied on them.
CREATE TABLE user_ends (
  user_id  TEXT NOT NULL PRIMARY KEY,
  reason   TEXT NOT NULL,
  by_whom  TEXT NOT NULL,
  from_address TEXT NOT NULL,
  keep_sid BLOB,                  -- the session in which a person changed their own password
  at       BIGINT NOT NULL
);
