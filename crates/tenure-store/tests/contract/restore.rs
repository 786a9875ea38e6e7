//! What `tenure restore` makes of a database that went back in time (design 1.3, rule 4).

use crate::fresh::Fresh;
use crate::sample::{self, NOW, family_id, sid};
use crate::support::{read, write};
use tenure_protocol::refresh::Family;
use tenure_protocol::session::{End, EndReason};
use tenure_store::{SessionFilter, Store};

/// More than one batch.
const MANY: u32 = 620;

fn insert(store: &Store, count: u32) {
    write(store, move |tx| {
        for n in 0..count {
            tx.insert_session(&sample::session(n))?;
            tx.insert_family(&sample::family(n))?;
        }
        Ok(())
    });
}

fn ends(store: &Store) -> (Vec<Option<End>>, Vec<Option<End>>) {
    let all = SessionFilter {
        limit: i64::from(MANY) * 2,
        ..SessionFilter::default()
    };
    read(store, move |tx| {
        let sessions = tx.sessions(&all)?;
        let mut families = Vec::new();
        for session in &sessions {
            families.extend(tx.families_of_session(&session.sid)?);
        }
        Ok((
            sessions.into_iter().map(|s| s.end).collect(),
            families.into_iter().map(|f| f.end).collect(),
        ))
    })
}

fn by_restore() -> End {
    End {
        at: NOW.plus(99),
        reason: EndReason::PolicyChange,
        by: "restore".to_owned(),
        from: String::new(),
        rule: "restore".to_owned(),
    }
}

pub fn ends_every_session_and_family_and_raises_the_epoch(fresh: &Fresh) {
    let store = fresh.open();
    insert(&store, MANY);
    // Families may outnumber sessions: these hang on sessions that were swept.
    write(&store, |tx| {
        (MANY..2 * MANY).try_for_each(|n| {
            tx.insert_family(&Family {
                sid: sid(n % MANY),
                ..sample::family(n)
            })
        })
    });
    assert_eq!(read(&store, |tx| tx.epoch()), 0);
    let answer = store.restore(false, NOW.plus(99)).unwrap();
    assert_eq!(answer, (1, usize::try_from(MANY).unwrap()));
    let (sessions, families) = ends(&store);
    assert_eq!((sessions.len(), families.len()), (620, 1240));
    assert!(
        sessions
            .iter()
            .chain(&families)
            .all(|end| *end == Some(by_restore()))
    );
    store.close();

    let store = fresh.reopen();
    assert_eq!(read(&store, |tx| tx.epoch()), 1);
    assert_eq!(store.restore(false, NOW).unwrap(), (2, 0));
    // A login after it begins as any other.
    write(&store, |tx| tx.insert_session(&sample::session(2 * MANY)));
    let session = read(&store, |tx| tx.session(&sid(2 * MANY))).unwrap();
    assert_eq!(session.end, None);
}

pub fn keeps_the_first_end(fresh: &Fresh) {
    let store = fresh.open();
    insert(&store, 3);
    write(&store, |tx| {
        let ended = Family {
            end: Some(sample::end(EndReason::ReuseDetected)),
            ..sample::family(1)
        };
        tx.update_family(&ended, 0)?;
        tx.update_session(&sample::session(2).ended(sample::end(EndReason::UserLogout)))
    });
    assert_eq!(store.restore(false, NOW.plus(99)).unwrap(), (1, 2));
    let (sessions, families) = ends(&store);
    let (first, logout, reuse) = (
        Some(by_restore()),
        Some(sample::end(EndReason::UserLogout)),
        Some(sample::end(EndReason::ReuseDetected)),
    );
    assert_eq!(sessions, [first.clone(), first.clone(), logout]);
    assert_eq!(families, [first.clone(), reuse, first]);
}

pub fn keeps_sessions_when_asked_to(fresh: &Fresh) {
    let store = fresh.open();
    insert(&store, 3);
    assert_eq!(store.restore(true, NOW).unwrap(), (0, 0));
    let (sessions, families) = ends(&store);
    assert!(sessions.iter().chain(&families).all(Option::is_none));
    let family = read(&store, |tx| tx.family(&sid(1), &family_id(1)));
    assert_eq!(family, Some(sample::family(1)));
}

pub fn begins_again_where_it_was_interrupted(fresh: &Fresh) {
    let store = fresh.open();
    insert(&store, 10);
    let batch = write(&store, |tx| tx.end_batch(NOW.plus(99), 4));
    assert_eq!(batch, (4, 4));
    assert_eq!(store.restore(false, NOW.plus(99)).unwrap(), (1, 6));
    let (sessions, families) = ends(&store);
    assert!(sessions.iter().chain(&families).all(Option::is_some));
}
