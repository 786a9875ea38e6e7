//! What every store must do. Run [`check`] from a test of your own store.

use super::{Entry, Key, Mark, Replaced, Store, StoreError};
use std::sync::Arc;
use tenure_protocol::Timestamp;

/// A clause of the contract that a store does not keep.
#[derive(Debug)]
pub struct Violation {
    /// What it says, as the name of a function.
    pub clause: &'static str,
    /// What was found instead.
    pub found: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.clause, self.found)
    }
}

impl std::error::Error for Violation {}

type Kept = Result<(), String>;
type Shared = Arc<dyn Store>;

impl From<StoreError> for String {
    fn from(error: StoreError) -> Self {
        error.to_string()
    }
}

/// Checks every clause, each with a store of its own that `fresh` makes, empty.
///
/// # Errors
/// The first clause that is not kept.
pub async fn check<F>(mut fresh: impl FnMut() -> F) -> Result<(), Violation>
where
    F: Future<Output = Shared>,
{
    macro_rules! clauses {
        ($($clause:ident),* $(,)?) => {$(
            $clause(fresh().await).await.map_err(|found| Violation {
                clause: stringify!($clause),
                found,
            })?;
        )*};
    }
    clauses!(
        what_was_created_is_found,
        what_is_not_there_cannot_be_changed,
        a_key_is_created_once,
        a_replacement_needs_the_version_that_it_read,
        of_replacements_at_once_one_is_done,
        activity_moves_forward_only,
        what_has_ended_cannot_be_brought_back,
        a_sid_ends_its_sessions_and_no_others,
        a_user_ends_in_every_session_and_later_logins_live,
        a_session_without_a_sid_is_named_by_none,
        a_login_that_was_overtaken_by_its_logout_makes_no_session,
        a_login_and_its_logout_at_once_leave_no_session,
        of_two_marks_the_later_instants_stay,
        a_sweep_takes_what_has_expired_and_nothing_else,
    );
    Ok(())
}

fn ensure(holds: bool, what: &str) -> Kept {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

fn same<T: PartialEq + std::fmt::Debug>(found: &T, expected: &T) -> Kept {
    ensure(
        found == expected,
        &format!("{found:?} instead of {expected:?}"),
    )
}

const fn key(n: u8) -> Key {
    [n; 32]
}

const fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

/// Session `n` of a user, created at 100.
fn entry(n: u8, sid: Option<u8>, sub: u8) -> Entry {
    Entry {
        key: key(n),
        sid: sid.map(key),
        sub: key(sub),
        version: 0,
        created_at: at(100),
        touched_at: at(100),
        expires_at: at(1000),
        body: vec![n, 0, 255],
    }
}

fn mark(n: u8, seconds: i64) -> Mark {
    Mark {
        key: key(n),
        at: at(seconds),
        reason: "why".to_owned(),
        expires_at: at(seconds + 5000),
    }
}

async fn created(store: &Shared, entry: &Entry) -> Kept {
    ensure(store.create(entry).await?, "a new session was not created")
}

async fn what_was_created_is_found(store: Shared) -> Kept {
    let (one, two) = (entry(1, Some(2), 3), entry(4, None, 3));
    created(&store, &one).await?;
    created(&store, &two).await?;
    same(&store.load(&one.key).await?, &Some(one))?;
    same(&store.load(&two.key).await?, &Some(two))
}

async fn what_is_not_there_cannot_be_changed(store: Shared) -> Kept {
    let one = entry(1, Some(2), 3);
    same(&store.load(&one.key).await?, &None)?;
    same(&store.replace(&one).await?, &Replaced::Gone)?;
    same(&store.touch(&one.key, at(200), at(2000)).await?, &false)?;
    same(&store.load(&one.key).await?, &None)?;
    same(&store.marks(&[one.key]).await?, &Vec::new())
}

async fn a_key_is_created_once(store: Shared) -> Kept {
    let one = entry(1, Some(2), 3);
    created(&store, &one).await?;
    let other = Entry {
        body: vec![9],
        ..entry(1, None, 5)
    };
    same(&store.create(&other).await?, &false)?;
    same(&store.load(&one.key).await?, &Some(one))
}

async fn a_replacement_needs_the_version_that_it_read(store: Shared) -> Kept {
    let one = entry(1, Some(2), 3);
    created(&store, &one).await?;
    store.touch(&one.key, at(150), at(1500)).await?;
    let changed = Entry {
        body: vec![7; 5000],
        expires_at: at(1200),
        ..one.clone()
    };
    same(&store.replace(&changed).await?, &Replaced::Done)?;
    let expected = Entry {
        version: 1,
        touched_at: at(150),
        expires_at: at(1500),
        ..changed
    };
    same(&store.load(&one.key).await?, &Some(expected.clone()))?;
    same(&store.replace(&one).await?, &Replaced::Changed)?;
    same(&store.load(&one.key).await?, &Some(expected))
}

async fn of_replacements_at_once_one_is_done(store: Shared) -> Kept {
    let one = entry(1, Some(2), 3);
    created(&store, &one).await?;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..16 {
        let (store, mut mine) = (store.clone(), one.clone());
        mine.body = vec![n];
        tasks.spawn(async move { (n, store.replace(&mine).await) });
    }
    let mut winner = None;
    while let Some(done) = tasks.join_next().await {
        let (n, replaced) = done.map_err(|error| error.to_string())?;
        match replaced? {
            Replaced::Done => {
                ensure(
                    winner.is_none(),
                    "two replacements of one version were done",
                )?;
                winner = Some(n);
            }
            Replaced::Changed => {}
            Replaced::Gone => return Err("a session is gone".to_owned()),
        }
    }
    let stored = store.load(&one.key).await?.map(|entry| entry.body);
    same(&stored, &winner.map(|n| vec![n]))
}

async fn activity_moves_forward_only(store: Shared) -> Kept {
    let one = entry(1, Some(2), 3);
    created(&store, &one).await?;
    for (touched, expires, expected) in [
        (200, 2000, (200, 2000)),
        (150, 1500, (200, 2000)),
        (300, 1500, (300, 2000)),
        (250, 2500, (300, 2500)),
    ] {
        same(
            &store.touch(&one.key, at(touched), at(expires)).await?,
            &true,
        )?;
        let moved = Entry {
            touched_at: at(expected.0),
            expires_at: at(expected.1),
            ..one.clone()
        };
        same(&store.load(&one.key).await?, &Some(moved))?;
    }
    Ok(())
}

async fn what_has_ended_cannot_be_brought_back(store: Shared) -> Kept {
    let one = entry(1, Some(2), 3);
    created(&store, &one).await?;
    same(&store.end(&mark(1, 200)).await?, &1)?;
    same(&store.load(&one.key).await?, &None)?;
    same(&store.replace(&one).await?, &Replaced::Gone)?;
    same(&store.touch(&one.key, at(300), at(3000)).await?, &false)?;
    same(&store.create(&one).await?, &false)?;
    same(&store.load(&one.key).await?, &None)?;
    same(&store.end(&mark(1, 200)).await?, &0)?;
    same(&store.marks(&[key(1)]).await?, &vec![mark(1, 200)])
}

async fn a_sid_ends_its_sessions_and_no_others(store: Shared) -> Kept {
    for n in [10, 11] {
        created(&store, &entry(n, Some(2), 3)).await?;
    }
    created(&store, &entry(12, Some(4), 3)).await?;
    same(&store.end(&mark(2, 200)).await?, &2)?;
    for (n, lives) in [(10, false), (11, false), (12, true)] {
        same(&store.load(&key(n)).await?.is_some(), &lives)?;
        // Each can be told why it ended.
        let marks = store.marks(&[key(n)]).await?;
        same(
            &marks.first().map(|mark| (mark.at, mark.reason.as_str())),
            &(!lives).then_some((at(200), "why")),
        )?;
    }
    Ok(())
}

async fn a_user_ends_in_every_session_and_later_logins_live(store: Shared) -> Kept {
    created(&store, &entry(10, Some(2), 3)).await?;
    created(&store, &entry(11, None, 3)).await?;
    created(&store, &entry(12, Some(2), 5)).await?;
    let later = Entry {
        created_at: Timestamp::from_millis(200_001),
        ..entry(13, Some(6), 3)
    };
    created(&store, &later).await?;
    same(&store.end(&mark(3, 200)).await?, &2)?;
    for (n, lives) in [(10, false), (11, false), (12, true), (13, true)] {
        same(&store.load(&key(n)).await?.is_some(), &lives)?;
    }
    Ok(())
}

async fn a_session_without_a_sid_is_named_by_none(store: Shared) -> Kept {
    created(&store, &entry(10, None, 3)).await?;
    for n in [0, 2, 255] {
        same(&store.end(&mark(n, 200)).await?, &0)?;
    }
    same(&store.load(&key(10)).await?.is_some(), &true)
}

async fn a_login_that_was_overtaken_by_its_logout_makes_no_session(store: Shared) -> Kept {
    for name in [2, 3] {
        store.end(&mark(name, 100)).await?;
    }
    for (n, sid, sub) in [(10, Some(2), 9), (11, None, 3), (12, Some(2), 3)] {
        same(&store.create(&entry(n, sid, sub)).await?, &false)?;
        same(&store.load(&key(n)).await?, &None)?;
        let later = Entry {
            created_at: Timestamp::from_millis(100_001),
            ..entry(n, sid, sub)
        };
        same(&store.create(&later).await?, &true)?;
    }
    Ok(())
}

async fn a_login_and_its_logout_at_once_leave_no_session(store: Shared) -> Kept {
    for round in 0..24_u8 {
        let one = entry(100 + round, Some(2), 200);
        let end = mark(if round % 2 == 0 { 2 } else { 200 }, 100);
        let (login, logout) = (store.clone(), store.clone());
        let key = one.key;
        let creating = tokio::spawn(async move { login.create(&one).await });
        let ending = tokio::spawn(async move { logout.end(&end).await });
        creating.await.map_err(|error| error.to_string())??;
        ending.await.map_err(|error| error.to_string())??;
        same(&store.load(&key).await?, &None)?;
    }
    Ok(())
}

async fn of_two_marks_the_later_instants_stay(store: Shared) -> Kept {
    let (early, late) = (
        Mark {
            expires_at: at(9000),
            ..mark(1, 200)
        },
        Mark {
            reason: "later".to_owned(),
            ..mark(1, 300)
        },
    );
    let both = Mark {
        expires_at: at(9000),
        ..late.clone()
    };
    for order in [[&early, &late, &early], [&late, &early, &late]] {
        for mark in order {
            store.end(mark).await?;
        }
        same(&store.marks(&[key(1), key(2)]).await?, &vec![both.clone()])?;
    }
    Ok(())
}

async fn a_sweep_takes_what_has_expired_and_nothing_else(store: Shared) -> Kept {
    created(&store, &entry(10, Some(2), 3)).await?;
    created(&store, &entry(11, Some(2), 3)).await?;
    store.touch(&key(11), at(200), at(1001)).await?;
    for (n, expires) in [(20, 1000), (21, 1001)] {
        let mark = Mark {
            expires_at: at(expires),
            ..mark(n, 50)
        };
        store.end(&mark).await?;
    }
    same(&store.sweep(at(1000)).await?, &2)?;
    same(&store.sweep(at(1000)).await?, &0)?;
    same(&store.load(&key(10)).await?.is_some(), &false)?;
    same(&store.load(&key(11)).await?.is_some(), &true)?;
    let left = store.marks(&[key(20), key(21)]).await?;
    same(&left.iter().map(|mark| mark.key).collect(), &vec![key(21)])
}
