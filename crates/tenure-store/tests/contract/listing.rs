//! Pages for whoever looks at many, and what is noted about sessions and families.

use crate::fresh::Fresh;
use crate::sample::{self, DAY, HOUR, NOW, family_id, sid};
use crate::support::{read, write};
use serde_json::{Map, Value};
use tenure_protocol::refresh::Family;
use tenure_protocol::session::{EndReason, Session};
use tenure_protocol::{FamilyId, Sid};
use tenure_store::{FamilyFilter, Metadata, Store, StoreError, SweepCursor};

fn noted(n: u32, family_id: Option<FamilyId>, text: &str) -> Metadata {
    let mut entries = Map::new();
    entries.insert("note".to_owned(), Value::from(text));
    Metadata {
        sid: sid(n),
        family_id,
        entries,
        updated_at: NOW,
    }
}

fn note(store: &Store, metadata: Metadata) {
    write(store, move |tx| tx.put_metadata(&metadata));
}

fn notes(store: &Store, sids: Vec<Sid>) -> Vec<Metadata> {
    read(store, move |tx| tx.metadata_of(&sids))
}

pub fn metadata_belongs_to_its_session_or_family(fresh: &Fresh) {
    let store = fresh.open();
    let all = [
        noted(1, None, "a session's"),
        noted(1, Some(family_id(1)), "its family's"),
        noted(1, Some(family_id(2)), "日本 \" \\ \u{1f600}"),
        noted(2, None, "another session's"),
    ];
    for metadata in all.iter().rev() {
        note(&store, metadata.clone());
    }
    assert_eq!(notes(&store, vec![sid(1)]), all[..3]);
    assert_eq!(notes(&store, vec![sid(2)]), all[3..]);
    assert_eq!(notes(&store, vec![sid(2), sid(3), sid(1)]), all);
    assert_eq!(notes(&store, vec![]), []);
    assert_eq!(notes(&store, vec![sid(3)]), []);
    let many: Vec<Sid> = (1..=250).map(sid).collect();
    assert_eq!(notes(&store, many), all);
    // The later takes the place of the earlier, and nothing else's.
    let later = Metadata {
        updated_at: NOW.plus(1),
        ..noted(1, Some(family_id(1)), "later")
    };
    note(&store, later.clone());
    let none = Metadata {
        entries: Map::new(),
        ..noted(1, Some(family_id(2)), "")
    };
    note(&store, none.clone());
    note(&store, none);
    assert_eq!(notes(&store, vec![sid(1)]), [all[0].clone(), later]);
    assert_eq!(fresh.raw_number("SELECT count(*) FROM metadata"), 3);
}

pub fn metadata_goes_with_its_session(fresh: &Fresh) {
    let store = fresh.open();
    write(&store, |tx| {
        (1..=2).try_for_each(|n| tx.insert_session(&sample::session_at(n, NOW.plus(i64::from(n)))))
    });
    for n in 1..=2 {
        note(&store, noted(n, None, "x"));
        note(&store, noted(n, Some(family_id(n)), "x"));
    }
    let due = NOW.plus(DAY + 2);
    let swept = write(&store, move |tx| {
        tx.sweep_sessions(SweepCursor::default(), due, due, 9)
    });
    assert_eq!(swept.0, 1);
    assert_eq!(notes(&store, vec![sid(1)]), []);
    assert_eq!(notes(&store, vec![sid(2)]).len(), 2);
}

pub fn broken_metadata_is_named(fresh: &Fresh) {
    let store = fresh.open();
    note(&store, noted(1, None, "x"));
    fresh.raw("UPDATE metadata SET body = '[]'");
    let answer = store.read_blocking(|tx| tx.metadata_of(&[sid(1)]));
    let Err(StoreError::Corrupt { table, key, .. }) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!((table, key), ("metadata", sid(1).to_string()));
}

/// However few of the sessions live, a look at all of them is at so many at most.
pub fn a_look_at_live_sessions_is_bounded(fresh: &Fresh) {
    let store = fresh.open();
    write(&store, |tx| {
        (1..=20).try_for_each(|n| {
            let session = sample::session(n);
            let ended = session.ended(sample::end(EndReason::Idle));
            tx.insert_session(if n % 10 == 0 { &session } else { &ended })
        })
    });
    let reach = |after: Option<Sid>, count| read(&store, move |tx| tx.sid_after(after, count));
    assert_eq!(reach(None, 1), Some(sid(1)));
    assert_eq!(reach(None, 8), Some(sid(8)));
    assert_eq!(reach(Some(sid(8)), 8), Some(sid(16)));
    assert_eq!(reach(Some(sid(16)), 8), None);
    assert_eq!(reach(Some(sid(12)), 8), Some(sid(20)));
    assert_eq!(reach(Some(sid(20)), 1), None);
    let live = |between: (Option<Sid>, Option<Sid>)| -> Vec<Sid> {
        let page = read(&store, move |tx| tx.live_sessions(between, NOW, 9));
        page.into_iter().map(|(session, _)| session.sid).collect()
    };
    assert_eq!(live((None, Some(sid(8)))), []);
    assert_eq!(live((None, Some(sid(10)))), [sid(10)]);
    assert_eq!(live((Some(sid(10)), Some(sid(20)))), [sid(20)]);
    assert_eq!(live((None, None)), [sid(10), sid(20)]);
}

pub fn live_sessions_of_one_user_are_counted(fresh: &Fresh) {
    let store = fresh.open();
    let of = |n, user_id: &str| Session {
        user_id: user_id.to_owned(),
        ..sample::session(n)
    };
    let ended = of(3, "u").ended(sample::end(EndReason::UserLogout));
    write(&store, move |tx| {
        [of(1, "u"), of(2, "u"), ended, of(4, "v"), of(5, "U")]
            .iter()
            .try_for_each(|session| tx.insert_session(session))
    });
    let count =
        |user: &'static str, now| read(&store, move |tx| tx.count_sessions_of_user(user, now));
    assert_eq!(count("u", NOW), 2);
    assert_eq!(count("v", NOW), 1);
    assert_eq!(count("", NOW), 0);
    assert_eq!(count("u", NOW.plus(HOUR)), 0);
}

pub fn participants_of_many_sessions(fresh: &Fresh) {
    let store = fresh.open();
    write(&store, |tx| {
        tx.see_participant(&sid(2), "b", NOW.plus(2))?;
        tx.see_participant(&sid(2), "c", NOW.plus(1))?;
        tx.see_participant(&sid(1), "a", NOW)?;
        tx.see_participant(&sid(3), "a", NOW)
    });
    let of = |sids: Vec<Sid>| read(&store, move |tx| tx.participants_of(&sids));
    let named = |n, client: &str| (sid(n), client.to_owned());
    let expected = [named(1, "a"), named(2, "c"), named(2, "b")];
    assert_eq!(of(vec![sid(2), sid(1), sid(9)]), expected);
    assert_eq!(of(vec![]), []);
}

/// CVE-2024-39683: a list of one's own holds no other person's.
pub fn families_of_a_user_page_by_page(fresh: &Fresh) {
    let store = fresh.open();
    let of = |n: u32, in_session: u32, user: &str, client: &str| Family {
        sid: sid(in_session),
        user_id: user.to_owned(),
        client_id: client.to_owned(),
        ..sample::family(n)
    };
    let until = |family: Family, idle, absolute| Family {
        idle_deadline: idle,
        absolute_deadline: absolute,
        ..family
    };
    let ended = Family {
        end: Some(sample::end(EndReason::AdminRevoked)),
        ..of(6, 1, "u", "web")
    };
    let later = Some(NOW.plus(HOUR));
    let rows = [
        of(5, 1, "u", "web"),
        until(of(1, 2, "u", "native"), later, later),
        of(2, 2, "v", "native"),
        of(3, 2, "u", "web"),
        until(of(4, 3, "u", "web"), Some(NOW), None),
        until(of(7, 3, "u", "web"), None, Some(NOW)),
        ended,
    ];
    write(&store, move |tx| {
        rows.iter().try_for_each(|family| tx.insert_family(family))
    });
    let list = |user: &str, client: Option<&str>, alive_at, limit| {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let filter = FamilyFilter {
                user_id: user.to_owned(),
                client_id: client.map(str::to_owned),
                alive_at,
                after,
                limit,
            };
            let page = read(&store, move |tx| tx.families_page(&filter));
            assert!(page.len() <= usize::try_from(limit).unwrap());
            let Some(last) = page.last() else { return seen };
            after = Some((last.sid, last.family_id));
            seen.extend(page.iter().map(|family| family.family_id));
        }
    };
    for limit in [1, 2, 100] {
        let all = [5, 1, 3].map(family_id);
        assert_eq!(list("u", None, Some(NOW), limit), all);
        let with_expired = [5, 1, 3, 4, 7].map(family_id);
        assert_eq!(list("u", None, None, limit), with_expired);
        assert_eq!(
            list("u", Some("web"), Some(NOW), limit),
            [5, 3].map(family_id)
        );
        assert_eq!(list("u", Some("native"), Some(NOW), limit), [family_id(1)]);
        assert_eq!(list("v", Some("web"), Some(NOW), limit), []);
        assert_eq!(list("", None, Some(NOW), limit), []);
        let mut names = Vec::new();
        while let Some(page) = Some(
            names
                .last()
                .map(|n: &tenure_store::FamilyName| (n.sid, n.family_id)),
        )
        .map(|after| read(&store, move |tx| tx.family_names(after, limit)))
        .filter(|page| !page.is_empty())
        {
            assert!(page.len() <= usize::try_from(limit).unwrap());
            names.extend(page);
        }
        let seen: Vec<_> = names.iter().map(|n| (n.family_id, n.has_ended)).collect();
        let expected = [5, 6, 1, 2, 3, 4, 7].map(|n| (family_id(n), n == 6));
        assert_eq!(seen, expected);
        assert_eq!(names[3].client_id, "native");
    }
}
