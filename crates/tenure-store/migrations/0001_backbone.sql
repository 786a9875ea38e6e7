-- The backbone. Instants are milliseconds since the Unix epoch; ids are random bytes, so that no
-- insert meets another's page lock and rows can be placed by session. The session is the unit of
-- locking: families, codes, participants and revoked tokens carry its sid as the head of their key.

CREATE TABLE meta (
  name  TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
);

-- Settings, clients, APIs, connections: each one JSON document, as the Management API shapes it.
-- `version` of meta 'config' rises with every change, so that servers know when to read them again.
CREATE TABLE documents (
  kind       TEXT NOT NULL,   -- tenant | client | api | connection | client_grant | role | …
  id         TEXT NOT NULL,
  body       TEXT NOT NULL,
  secret_mac BLOB,            -- of a client's secret
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (kind, id)
);

CREATE TABLE users (
  user_id       TEXT NOT NULL PRIMARY KEY,
  body          TEXT NOT NULL,
  password_hash TEXT,
  blocked       INTEGER NOT NULL,
  valid_after   BIGINT NOT NULL
);

CREATE TABLE user_identifiers (
  kind    TEXT NOT NULL,      -- email | username
  value   TEXT NOT NULL,      -- folded
  user_id TEXT NOT NULL,
  PRIMARY KEY (kind, value)
);
CREATE INDEX user_identifiers_user ON user_identifiers (user_id);

-- What a user holds at an API, where it enforces policies.
CREATE TABLE user_permissions (
  user_id    TEXT NOT NULL,
  audience   TEXT NOT NULL,
  permission TEXT NOT NULL,
  PRIMARY KEY (user_id, audience, permission)
);

-- What a user allowed a third-party client: the specs' "grant".
CREATE TABLE grants (
  user_id    TEXT NOT NULL,
  client_id  TEXT NOT NULL,
  audience   TEXT NOT NULL,
  scope      TEXT NOT NULL,
  granted_at BIGINT NOT NULL,
  PRIMARY KEY (user_id, client_id, audience)
);

CREATE TABLE sessions (
  sid               BLOB NOT NULL PRIMARY KEY,
  user_id           TEXT NOT NULL,
  secret_hash       BLOB NOT NULL,
  created_at        BIGINT NOT NULL,
  authenticated_at  BIGINT NOT NULL,
  last_active_at    BIGINT NOT NULL,
  idle_deadline     BIGINT NOT NULL,
  absolute_deadline BIGINT NOT NULL,
  body              TEXT NOT NULL,     -- limits, factors, state, device
  ended_at          BIGINT,
  end_reason        TEXT,
  end_by            TEXT,
  end_from          TEXT
);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_absolute ON sessions (absolute_deadline);

CREATE TABLE participants (
  sid           BLOB NOT NULL,
  client_id     TEXT NOT NULL,
  first_seen_at BIGINT NOT NULL,
  last_seen_at  BIGINT NOT NULL,
  PRIMARY KEY (sid, client_id)
);

CREATE TABLE families (
  sid               BLOB NOT NULL,
  family_id         BLOB NOT NULL,
  client_id         TEXT NOT NULL,
  user_id           TEXT NOT NULL,
  kind              TEXT NOT NULL,
  secret            BLOB NOT NULL,
  key_id            BIGINT NOT NULL,
  generation        BIGINT NOT NULL,
  last_exchanged_at BIGINT NOT NULL,
  idle_deadline     BIGINT,
  absolute_deadline BIGINT,
  body              TEXT NOT NULL,     -- scope, audience, auth_time, amr, acr, claims
  history           TEXT NOT NULL,     -- consumed generations, who rotated, repeats
  ended_at          BIGINT,
  end_reason        TEXT,
  end_by            TEXT,
  end_from          TEXT,
  PRIMARY KEY (sid, family_id)
);
CREATE INDEX families_user ON families (user_id, client_id);

CREATE TABLE codes (
  sid         BLOB NOT NULL,
  hash        BLOB NOT NULL,
  expires_at  BIGINT NOT NULL,
  consumed_at BIGINT,
  body        TEXT NOT NULL,
  PRIMARY KEY (sid, hash)
);
CREATE INDEX codes_expiry ON codes (expires_at);

-- Access tokens revoked before their time.
CREATE TABLE revoked_tokens (
  sid        BLOB NOT NULL,            -- empty for machine tokens
  jti        TEXT NOT NULL,
  expires_at BIGINT NOT NULL,
  PRIMARY KEY (sid, jti)
);
CREATE INDEX revoked_tokens_expiry ON revoked_tokens (expires_at);

-- Things that count once. The kind is part of the key, so that one kind is never taken for another.
CREATE TABLE one_time (
  kind       TEXT NOT NULL,            -- par | assertion | …
  id         TEXT NOT NULL,
  expires_at BIGINT NOT NULL,
  body       TEXT NOT NULL,
  PRIMARY KEY (kind, id)
);
CREATE INDEX one_time_expiry ON one_time (expires_at);

CREATE TABLE keys (
  kid          TEXT NOT NULL PRIMARY KEY,
  key_usage    TEXT NOT NULL,          -- sig | refresh
  alg          TEXT NOT NULL,
  state        TEXT NOT NULL,          -- next | current | previous | retired
  public_jwk   TEXT NOT NULL,
  sealed       BLOB NOT NULL,
  created_at   BIGINT NOT NULL,
  activated_at BIGINT,
  retired_at   BIGINT
);

-- Failures of logins, by account and by address.
CREATE TABLE throttle (
  bucket     TEXT NOT NULL PRIMARY KEY,
  failures   BIGINT NOT NULL,
  since      BIGINT NOT NULL,
  expires_at BIGINT NOT NULL
);
CREATE INDEX throttle_expiry ON throttle (expires_at);

-- The tenant log. Ids begin with the instant, so that their order is the log's.
CREATE TABLE logs (
  log_id  TEXT NOT NULL PRIMARY KEY,
  at      BIGINT NOT NULL,
  type    TEXT NOT NULL,
  user_id TEXT NOT NULL,
  sid     TEXT NOT NULL,
  body    TEXT NOT NULL
);
CREATE INDEX logs_user ON logs (user_id, log_id);
