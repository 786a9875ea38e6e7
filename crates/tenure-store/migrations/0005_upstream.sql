-- Other identity providers: whom they lead to, which of their sessions stand behind ours, and what they
-- tell us. Connections themselves are documents.

-- A subject of a provider and its user here. The issuer is part of the key: a connection that is pointed
-- at another provider must not take that one's subjects for the former's.
CREATE TABLE identities (
  connection    TEXT NOT NULL,
  issuer        TEXT NOT NULL,
  subject       TEXT NOT NULL,
  user_id       TEXT NOT NULL,
  body          TEXT NOT NULL,     -- the profile as it came at the last login
  linked_at     BIGINT NOT NULL,
  last_login_at BIGINT NOT NULL,
  PRIMARY KEY (connection, issuer, subject)
);
CREATE INDEX identities_user ON identities (user_id);

-- The upstream sessions behind a session. Like all that hangs on a session, they begin with its sid.
CREATE TABLE upstream_sessions (
  sid              BLOB NOT NULL,
  connection       TEXT NOT NULL,
  user_id          TEXT NOT NULL,
  issuer           TEXT NOT NULL,
  subject          TEXT NOT NULL,
  upstream_sid     TEXT,           -- the provider's name for its session
  auth_time        BIGINT,
  session_expiry   BIGINT,
  began_at         BIGINT NOT NULL,
  confirmed_at     BIGINT NOT NULL,  -- when the provider last said that the person is welcome
  confirm_due_at   BIGINT,           -- when it is to be asked again
  confirm_failures BIGINT NOT NULL,
  confirm_error    TEXT,
  body             TEXT NOT NULL,  -- acr, amr
  sealed           BLOB,           -- its tokens, under the master key
  ended_at         BIGINT,
  ended_by         TEXT,           -- logout | logout_token | revocation | confirmation
  PRIMARY KEY (sid, connection)
);
-- How a logout token finds them: by session, or by person.
CREATE INDEX upstream_sessions_sid ON upstream_sessions (connection, upstream_sid) WHERE ended_at IS NULL;
CREATE INDEX upstream_sessions_subject ON upstream_sessions (connection, subject) WHERE ended_at IS NULL;
CREATE INDEX upstream_sessions_confirm ON upstream_sessions (confirm_due_at)
  WHERE ended_at IS NULL AND confirm_due_at IS NOT NULL;

-- What a provider told us while its keys could not be had: kept until they can, or until nobody would
-- believe it any more.
CREATE TABLE upstream_signals (
  connection  TEXT NOT NULL,
  id          TEXT NOT NULL,       -- a hash of the token, so that a repeat is no second row
  kind        TEXT NOT NULL,       -- logout | revocation
  token       TEXT NOT NULL,
  body        TEXT NOT NULL,       -- what came beside the token
  received_at BIGINT NOT NULL,
  expires_at  BIGINT NOT NULL,     -- given up then
  due_at      BIGINT NOT NULL,
  attempts    BIGINT NOT NULL,
  last_error  TEXT,
  PRIMARY KEY (connection, id)
);
CREATE INDEX upstream_signals_due ON upstream_signals (due_at);
