//! Rolling keys over without breaking anyone: a new key is published before it signs, the old one
//! stays published until everything it signed has expired.

use super::keys::{self, ALGORITHMS, REFRESH, SIGNING};
use super::master::Master;
use tenure_protocol::Timestamp;
use tenure_store::{KeyRow, StoreError, Tx};

/// Relying parties cache a key set for up to this long and fetch it again only then (in seconds).
pub const PUBLISH_BEFORE: i64 = 600;

/// How long a key that no longer signs stays published: an ID token may come back as a hint
/// long after it expired (in seconds).
pub const KEEP_PREVIOUS: i64 = 30 * 86_400;

/// What time does to the keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// `next` becomes `current`, and `current` `previous`.
    Activate(String),
    Retire(String),
}

/// What is due at `now`. A refresh key is retired by its use instead: see [`apply_due`].
pub fn due(rows: &[KeyRow], now: Timestamp) -> Vec<Change> {
    rows.iter()
        .filter_map(|row| match row.state.as_str() {
            "next" if now >= row.created_at.plus(PUBLISH_BEFORE) => {
                Some(Change::Activate(row.kid.clone()))
            }
            "previous" if row.usage == SIGNING => row
                .retired_at
                .filter(|at| now >= at.plus(KEEP_PREVIOUS))
                .map(|_| Change::Retire(row.kid.clone())),
            _ => None,
        })
        .collect()
}

/// Makes the keys that a fresh installation lacks; the very first ones sign at once, since nobody has cached a set yet.
pub fn missing(rows: &[KeyRow], master: &Master, now: Timestamp) -> anyhow::Result<Vec<KeyRow>> {
    let has = |usage: &str, alg: &str| {
        rows.iter()
            .any(|row| row.usage == usage && row.alg == alg && row.state == "current")
    };
    let mut made = Vec::new();
    for alg in ALGORITHMS {
        if !has(SIGNING, alg.name()) {
            made.push(keys::new_signing_key(alg, "current", master, now)?);
        }
    }
    if !has(REFRESH, "HS256") {
        made.push(keys::new_refresh_key(
            next_refresh_id(rows),
            "current",
            master,
            now,
        ));
    }
    Ok(made)
}

/// The keys that `tenure keys roll` publishes: one for every current key that has no successor yet.
pub fn successors(rows: &[KeyRow], master: &Master, now: Timestamp) -> anyhow::Result<Vec<KeyRow>> {
    let waits = |usage: &str, alg: &str| {
        rows.iter()
            .any(|row| row.usage == usage && row.alg == alg && row.state == "next")
    };
    let mut made = Vec::new();
    for alg in ALGORITHMS {
        if !waits(SIGNING, alg.name()) {
            made.push(keys::new_signing_key(alg, "next", master, now)?);
        }
    }
    if !waits(REFRESH, "HS256") {
        made.push(keys::new_refresh_key(
            next_refresh_id(rows),
            "next",
            master,
            now,
        ));
    }
    Ok(made)
}

fn next_refresh_id(rows: &[KeyRow]) -> u32 {
    let ids = rows.iter().filter(|row| row.usage == REFRESH);
    ids.filter_map(|row| keys::refresh_id(&row.kid).ok())
        .max()
        .unwrap_or(0)
        + 1
}

/// Carries out what is due, in the caller's transaction. Tells how much changed.
pub fn apply_due(tx: &Tx<'_>, now: Timestamp) -> Result<usize, StoreError> {
    let rows = tx.keys()?;
    let changes = due(&rows, now);
    for change in &changes {
        match change {
            Change::Activate(kid) => activate(tx, &rows, kid, now)?,
            Change::Retire(kid) => tx.delete_key(kid)?,
        }
    }
    let mut count = changes.len();
    // A rolled refresh key only verifies, and retires when no live family names it.
    for row in rows
        .iter()
        .filter(|row| row.usage == REFRESH && row.state == "previous")
    {
        let id = keys::refresh_id(&row.kid).unwrap_or(0);
        if !tx.refresh_key_in_use(id, now)? {
            tx.delete_key(&row.kid)?;
            count += 1;
        }
    }
    Ok(count)
}

fn activate(tx: &Tx<'_>, rows: &[KeyRow], kid: &str, now: Timestamp) -> Result<(), StoreError> {
    let Some(next) = rows.iter().find(|row| row.kid == kid) else {
        return Ok(());
    };
    let same = |row: &&KeyRow| row.usage == next.usage && row.alg == next.alg;
    for old in rows
        .iter()
        .filter(same)
        .filter(|row| row.state == "current")
    {
        let state = "previous".to_owned();
        tx.put_key(&KeyRow {
            state,
            retired_at: Some(now),
            ..old.clone()
        })?;
    }
    let state = "current".to_owned();
    tx.put_key(&KeyRow {
        state,
        activated_at: Some(now),
        ..next.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(kid: &str, usage: &str, state: &str, created: i64, retired: Option<i64>) -> KeyRow {
        KeyRow {
            kid: kid.to_owned(),
            usage: usage.to_owned(),
            alg: "RS256".to_owned(),
            state: state.to_owned(),
            public: String::new(),
            sealed: Vec::new(),
            created_at: Timestamp::from_seconds(created),
            activated_at: None,
            retired_at: retired.map(Timestamp::from_seconds),
        }
    }

    #[test]
    fn a_key_is_published_before_it_signs_and_kept_after_it_signed() {
        let rows = [
            row("a", SIGNING, "previous", 0, Some(1_000)),
            row("b", SIGNING, "current", 0, None),
            row("c", SIGNING, "next", 2_000, None),
        ];
        let due_at = |seconds| due(&rows, Timestamp::from_seconds(seconds));
        assert_eq!(due_at(2_599), []);
        assert_eq!(due_at(2_600), [Change::Activate("c".to_owned())]);
        let late = due_at(1_000 + KEEP_PREVIOUS);
        assert!(late.contains(&Change::Retire("a".to_owned())), "{late:?}");
    }

    #[test]
    fn a_ring_signs_with_the_current_key_and_verifies_by_kind_and_issuer() {
        let master = Master::from_bytes([7; 32]);
        let now = Timestamp::from_seconds(1_000_000);
        let rows = missing(&[], &master, now).unwrap();
        let ring = keys::KeyRing::open(&rows, &master).unwrap();
        use super::super::jwt::TokenKind;
        for alg in ALGORITHMS {
            let claims = serde_json::json!({"iss": "https://a/", "exp": 1_000_300});
            let token = ring.sign(alg, TokenKind::Access, &claims).unwrap();
            let verified = ring
                .verify(&token, TokenKind::Access, "https://a/")
                .unwrap();
            assert!(keys::is_current(&verified, now));
            assert!(!keys::is_current(&verified, now.plus(300)));
            // An ID token is never taken for an access token, nor another issuer's for ours.
            assert!(ring.verify(&token, TokenKind::Id, "https://a/").is_none());
            assert!(
                ring.verify(&token, TokenKind::Access, "https://b/")
                    .is_none()
            );
            let cut = &token[..token.len() - 2];
            assert!(ring.verify(cut, TokenKind::Access, "https://a/").is_none());
        }
        // CVE-2026-18569: no algorithm, no entry.
        let none = format!(
            "{}.{}.",
            base64::Engine::encode(
                &base64::engine::general_purpose::URL_SAFE_NO_PAD,
                br#"{"alg":"none","typ":"at+jwt"}"#
            ),
            base64::Engine::encode(
                &base64::engine::general_purpose::URL_SAFE_NO_PAD,
                br#"{"iss":"https://a/"}"#
            )
        );
        assert!(
            ring.verify(&none, TokenKind::Access, "https://a/")
                .is_none()
        );
        for key in ring.jwks()["keys"].as_array().unwrap() {
            assert!(key.get("d").is_none(), "no private member is published");
            assert!(key["kid"].is_string() && key["use"] == "sig");
        }
        assert!(keys::KeyRing::open(&rows, &Master::from_bytes([8; 32])).is_err());
    }
}
