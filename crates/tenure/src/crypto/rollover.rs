//! Rolling keys over without breaking anyone. A signing key goes `next` (published, not yet signing),
//! `current` (signs), `previous` (published while anything it signed may be valid), `retired` (no
//! longer published; we still recognise what we signed ourselves, such as an old `id_token_hint`),
//! and is then deleted. A refresh key goes the same way, but by its use: it is retired when no live
//! family names it.

use super::keys::{self, ALGORITHMS, REFRESH, SIGNING};
use super::master::Master;
use crate::entropy::Entropy;
use std::collections::BTreeSet;
use tenure_protocol::Timestamp;
use tenure_store::{KeyRow, StoreError, Tx};

const DAY: i64 = 86_400;

/// One server at a time changes keys.
const SECTION: &str = "keys";

/// An unpublished key is kept for what we ask back ourselves: the longest session, the day after it
/// in which its state may still be asked for, and some.
const KEEP_RETIRED: i64 = 370 * DAY;

/// A refresh key outlives its last use by this, so that a repeat of the token before the rotation
/// is still recognised for what it is: a lost answer, or reuse.
const KEEP_UNUSED: i64 = DAY;

/// How long the states last, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Relying parties fetch a cached key set again after at most this long.
    pub publish_before: i64,
    /// No token that others verify is valid for longer.
    pub keep_previous: i64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            publish_before: 600,
            keep_previous: 30 * DAY,
        }
    }
}

/// What time does to the keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// `next` becomes `current`, and `current` `previous`.
    Activate(String),
    Retire(String),
    Delete(String),
}

/// The keys that wait for their use to end: ids for [`Tx::refresh_key_in_use`].
pub fn rolled_refresh_keys(rows: &[KeyRow]) -> Vec<u32> {
    rows.iter()
        .filter(|row| row.usage == REFRESH && is_done(row))
        .filter_map(|row| keys::refresh_id(&row.kid).ok())
        .collect()
}

/// What is due at `now`. `serving_since`: a key counts as published only while somebody serves the
/// key set. `in_use`: the rolled refresh keys that live families name.
pub fn due(
    rows: &[KeyRow],
    policy: Policy,
    serving_since: Timestamp,
    in_use: &BTreeSet<u32>,
    now: Timestamp,
) -> Vec<Change> {
    let change = |row: &KeyRow| {
        let kid = row.kid.clone();
        let over = |seconds| row.retired_at.is_some_and(|at| now >= at.plus(seconds));
        let published_at = row.created_at.max(serving_since);
        let unused = || keys::refresh_id(&row.kid).is_ok_and(|id| !in_use.contains(&id));
        let is_refresh = row.usage == REFRESH;
        match row.state.as_str() {
            "next" if now >= published_at.plus(policy.publish_before) => {
                Some(Change::Activate(kid))
            }
            "previous" if is_refresh && unused() => Some(Change::Retire(kid)),
            "previous" if !is_refresh && over(policy.keep_previous) => Some(Change::Retire(kid)),
            "retired" if is_refresh && over(KEEP_UNUSED) && unused() => Some(Change::Delete(kid)),
            "retired" if !is_refresh && over(KEEP_RETIRED) => Some(Change::Delete(kid)),
            _ => None,
        }
    };
    rows.iter().filter_map(change).collect()
}

/// Carries out what is due, in the caller's transaction: what another server did meanwhile counts.
pub fn apply(tx: &Tx<'_>, changes: &[Change], now: Timestamp) -> Result<(), StoreError> {
    tx.enter(SECTION)?;
    for change in changes {
        let rows = tx.keys()?;
        let find = |kid: &str, state: &str| {
            rows.iter()
                .find(|row| row.kid == kid && row.state == state)
                .cloned()
        };
        match change {
            Change::Activate(kid) => {
                if let Some(next) = find(kid, "next") {
                    activate(tx, &rows, next, now)?;
                }
            }
            Change::Retire(kid) => {
                if let Some(row) = find(kid, "previous") {
                    step_down(tx, row, "retired", now)?;
                }
            }
            Change::Delete(kid) => tx.delete_key(kid)?,
        }
    }
    Ok(())
}

fn activate(tx: &Tx<'_>, rows: &[KeyRow], next: KeyRow, now: Timestamp) -> Result<(), StoreError> {
    let same = |row: &&KeyRow| row.usage == next.usage && row.alg == next.alg;
    for old in rows
        .iter()
        .filter(same)
        .filter(|row| row.state == "current")
    {
        step_down(tx, old.clone(), "previous", now)?;
    }
    tx.put_key(&KeyRow {
        state: "current".to_owned(),
        activated_at: Some(now),
        ..next
    })
}

/// The private half of a key that never signs again is forgotten. A refresh key still verifies.
fn step_down(tx: &Tx<'_>, row: KeyRow, state: &str, now: Timestamp) -> Result<(), StoreError> {
    let sealed = match row.usage.as_str() {
        SIGNING => Vec::new(),
        _ => row.sealed,
    };
    tx.put_key(&KeyRow {
        state: state.to_owned(),
        retired_at: Some(now),
        sealed,
        ..row
    })
}

fn is_done(row: &KeyRow) -> bool {
    matches!(row.state.as_str(), "previous" | "retired")
}

/// Makes a key in `state` for every usage and algorithm that has none: `current` for a fresh
/// installation, whose first keys sign at once, since nobody has cached a key set yet; `next` to roll over.
pub fn missing(
    rows: &[KeyRow],
    state: &str,
    sources: (&Master, &Entropy),
    now: Timestamp,
) -> anyhow::Result<Vec<KeyRow>> {
    let mut made = Vec::new();
    for alg in ALGORITHMS {
        if !has(rows, state, SIGNING, alg.name()) {
            made.push(keys::new_signing_key(alg, state, sources, now)?);
        }
    }
    if !has(rows, state, REFRESH, "HS256") {
        let ids = rows.iter().filter(|row| row.usage == REFRESH);
        let last = ids.filter_map(|row| keys::refresh_id(&row.kid).ok()).max();
        let id = last.unwrap_or(0).saturating_add(1);
        made.push(keys::new_refresh_key(id, state, sources, now));
    }
    Ok(made)
}

/// Stores keys that [`missing`] made (outside the transaction, since making an RSA key takes long),
/// except where another process was faster. Returns those that were stored.
pub fn store_missing(tx: &Tx<'_>, made: Vec<KeyRow>) -> Result<Vec<KeyRow>, StoreError> {
    tx.enter(SECTION)?;
    let rows = tx.keys()?;
    let still_missing = |key: &KeyRow| {
        let taken = rows.iter().any(|row| row.kid == key.kid);
        !taken && !has(&rows, &key.state, &key.usage, &key.alg)
    };
    let made: Vec<KeyRow> = made.into_iter().filter(still_missing).collect();
    made.iter().try_for_each(|key| tx.put_key(key))?;
    Ok(made)
}

fn has(rows: &[KeyRow], state: &str, usage: &str, alg: &str) -> bool {
    rows.iter()
        .any(|row| row.usage == usage && row.alg == alg && row.state == state)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenure_store::{Options, Store};

    const SINCE: Timestamp = Timestamp::from_seconds(0);

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
    fn when_a_key_changes_its_state() {
        let (activate, retire, delete) = (Change::Activate, Change::Retire, Change::Delete);
        // usage, state, created, retired, now, change
        let table = [
            (SIGNING, "next", 2_000, None, 2_599, None),
            (
                SIGNING,
                "next",
                2_000,
                None,
                2_600,
                Some(activate as fn(String) -> Change),
            ),
            (SIGNING, "current", 0, None, i64::MAX / 2_000, None),
            (SIGNING, "previous", 0, Some(50), 49 + 30 * DAY, None),
            (
                SIGNING,
                "previous",
                0,
                Some(50),
                50 + 30 * DAY,
                Some(retire),
            ),
            (SIGNING, "retired", 0, Some(50), 49 + KEEP_RETIRED, None),
            (
                SIGNING,
                "retired",
                0,
                Some(50),
                50 + KEEP_RETIRED,
                Some(delete),
            ),
            (REFRESH, "next", 2_000, None, 2_600, Some(activate)),
            (REFRESH, "previous", 0, Some(50), 60, Some(retire)),
            (REFRESH, "retired", 0, Some(50), 49 + DAY, None),
            (REFRESH, "retired", 0, Some(50), 50 + DAY, Some(delete)),
        ];
        for (usage, state, created, retired, now, expected) in table {
            let rows = [row("r1", usage, state, created, retired)];
            let now = Timestamp::from_seconds(now);
            let due = due(&rows, Policy::default(), SINCE, &BTreeSet::new(), now);
            let expected: Vec<Change> = expected
                .map(|change| change("r1".to_owned()))
                .into_iter()
                .collect();
            assert_eq!(due, expected, "{usage} {state} {now:?}");
        }
    }

    #[test]
    fn a_refresh_key_that_a_live_family_names_never_goes() {
        let rows = [
            row("r1", REFRESH, "previous", 0, Some(50)),
            row("r2", REFRESH, "retired", 0, Some(50)),
        ];
        let late = Timestamp::from_seconds(4_000 * DAY);
        assert_eq!(rolled_refresh_keys(&rows), [1, 2]);
        let due = |in_use: &[u32]| {
            let in_use = in_use.iter().copied().collect();
            due(&rows, Policy::default(), SINCE, &in_use, late)
        };
        assert_eq!(due(&[1, 2]), []);
        assert_eq!(due(&[1]), [Change::Delete("r2".to_owned())]);
    }

    #[test]
    fn a_key_made_while_nobody_served_is_published_before_it_signs() {
        let rows = [row("a", SIGNING, "next", 0, None)];
        let started = Timestamp::from_seconds(9_000);
        for (now, activated) in [(9_000, false), (9_599, false), (9_600, true)] {
            let now = Timestamp::from_seconds(now);
            let due = due(&rows, Policy::default(), started, &BTreeSet::new(), now);
            assert_eq!(!due.is_empty(), activated, "{now:?}");
        }
    }

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let options = Options::new(folder.path().join("t.db")).not_durable();
        let store = Store::open(&options).unwrap();
        (folder, store)
    }

    fn states(store: &Store, usage: &str, alg: &str) -> Vec<String> {
        let mut rows = store.read_blocking(|tx| tx.keys()).unwrap();
        rows.retain(|row| row.usage == usage && row.alg == alg);
        rows.into_iter().map(|row| row.state).collect()
    }

    #[test]
    fn a_whole_roll_over_in_the_database() {
        let (_folder, store) = store();
        let master = Master::from_bytes([7; 32]);
        let mut now = Timestamp::from_seconds(1_000_000);
        let make = |state: &str, now| {
            let rows = store.read_blocking(|tx| tx.keys()).unwrap();
            missing(&rows, state, (&master, &Entropy::system()), now).unwrap()
        };
        let save = |made| {
            store
                .write_blocking(move |tx| store_missing(tx, made))
                .unwrap()
                .len()
        };
        // Two processes that start at once: the keys of the slower one are not stored.
        let (first, second) = (make("current", now), make("current", now));
        assert_eq!((save(first), save(second)), (4, 0));
        now = now.plus(5);
        let (first, second) = (make("next", now), make("next", now));
        assert_eq!((save(first), save(second)), (4, 0));
        let step = |now: Timestamp| {
            let rows = store.read_blocking(|tx| tx.keys()).unwrap();
            let changes = due(&rows, Policy::default(), SINCE, &BTreeSet::new(), now);
            store
                .write_blocking(move |tx| apply(tx, &changes, now))
                .unwrap();
        };
        step(now.plus(599));
        assert_eq!(states(&store, SIGNING, "RS256"), ["current", "next"]);
        step(now.plus(600));
        for alg in ALGORITHMS {
            assert_eq!(states(&store, SIGNING, alg.name()), ["previous", "current"]);
        }
        assert_eq!(states(&store, REFRESH, "HS256"), ["previous", "current"]);
        for row in store.read_blocking(|tx| tx.keys()).unwrap() {
            let keeps_secret = row.usage == REFRESH || row.state == "current";
            assert_eq!(!row.sealed.is_empty(), keeps_secret, "{row:?}");
        }
        let late = now.plus(600 + 30 * DAY);
        step(late);
        step(late);
        assert_eq!(states(&store, SIGNING, "ES256"), ["retired", "current"]);
        assert_eq!(states(&store, REFRESH, "HS256"), ["retired", "current"]);
        step(late.plus(DAY));
        assert_eq!(states(&store, REFRESH, "HS256"), ["current"]);
        step(late.plus(KEEP_RETIRED));
        assert_eq!(states(&store, SIGNING, "EdDSA"), ["current"]);
        // A change that was decided twice, as by two servers, is carried out once.
        let gone = [
            Change::Activate("r2".to_owned()),
            Change::Retire("r1".to_owned()),
        ];
        store
            .write_blocking(move |tx| apply(tx, &gone, late))
            .unwrap();
        assert_eq!(states(&store, REFRESH, "HS256"), ["current"]);
    }
}
