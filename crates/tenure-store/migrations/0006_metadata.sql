-- What an operator's programs note about a session, or about a refresh token family of it. A table of its
-- own: sessions and families are written with every activity, and this hardly ever.
CREATE TABLE metadata (
  sid        BLOB NOT NULL,
  family_id  BLOB NOT NULL,   -- empty: of the session itself
  body       TEXT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (sid, family_id)
);
