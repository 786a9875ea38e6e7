-- What servers on one database agree on besides the sessions themselves.

-- Work that one server does at a time (sweeping, a key roll-over): whoever holds the lease. A server
-- that died loses it by the passing of time.
CREATE TABLE leases (
  name       TEXT NOT NULL PRIMARY KEY,
  holder     TEXT NOT NULL,
  expires_at BIGINT NOT NULL
);
