//! Lists: whose rows they show, in what order, page by page. Texts are ordered by their bytes.

use crate::fresh::Fresh;
use crate::sample::{self, DAY, HOUR, NOW, family_id, sid};
use crate::support::{read, write};
use tenure_protocol::refresh::Family;
use tenure_protocol::session::{EndReason, Session};
use tenure_protocol::{Sid, Timestamp};
use tenure_store::{SessionFilter, Store};

fn ids(store: &Store, filter: SessionFilter) -> Vec<Sid> {
    let found = read(store, move |tx| tx.sessions(&filter));
    found.into_iter().map(|session| session.sid).collect()
}

fn insert_sessions(store: &Store, rows: Vec<Session>) {
    write(store, move |tx| {
        rows.iter().try_for_each(|row| tx.insert_session(row))
    });
}

/// CVE-2024-39683: a list of one's own sessions holds no other person's.
pub fn sessions_by_user_show_nobody_elses(fresh: &Fresh) {
    let store = fresh.open();
    let of = |n, user_id: &str| Session {
        user_id: user_id.to_owned(),
        ..sample::session(n)
    };
    insert_sessions(
        &store,
        vec![
            of(1, "a"),
            of(2, "b"),
            of(3, "a"),
            of(4, "A"),
            of(5, "ab"),
            of(6, "%"),
        ],
    );
    for (user, expected) in [
        ("a", vec![sid(1), sid(3)]),
        ("b", vec![sid(2)]),
        ("", vec![]),
        ("%", vec![sid(6)]),
    ] {
        for alive_at in [None, Some(NOW)] {
            let filter = SessionFilter {
                user_id: Some(user.to_owned()),
                alive_at,
                after: None,
                limit: 100,
            };
            assert_eq!(ids(&store, filter), expected, "{user:?}");
        }
    }
}

pub fn sessions_page_by_page(fresh: &Fresh) {
    let store = fresh.open();
    let mut rows: Vec<Session> = [5, 1, 4, 2, 3].map(sample::session).into();
    // The ends of the range, and bytes above 0x7f, which are no negative numbers.
    for bytes in [[0; 16], [0xff; 16], [0x80; 16]] {
        rows.push(Session {
            sid: Sid::from_bytes(bytes),
            ..sample::session(9)
        });
    }
    let mut expected: Vec<Sid> = rows.iter().map(|row| row.sid).collect();
    expected.sort();
    insert_sessions(&store, rows);
    for limit in [1, 3, 8, 100] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let filter = SessionFilter {
                after,
                limit,
                ..SessionFilter::default()
            };
            let page = ids(&store, filter);
            assert!(page.len() <= usize::try_from(limit).unwrap());
            let Some(last) = page.last() else { break };
            after = Some(*last);
            seen.extend(page);
        }
        assert_eq!(seen, expected);
    }
}

pub fn sessions_that_are_alive(fresh: &Fresh) {
    let store = fresh.open();
    let ended = sample::session(2).ended(sample::end(EndReason::UserLogout));
    let long = Session {
        idle_deadline: NOW.plus(DAY),
        ..sample::session(3)
    };
    insert_sessions(&store, vec![sample::session(1), ended, long]);
    let at = |alive_at: Option<Timestamp>| {
        let filter = SessionFilter {
            alive_at,
            limit: 9,
            ..SessionFilter::default()
        };
        ids(&store, filter)
    };
    assert_eq!(at(None), [sid(1), sid(2), sid(3)]);
    assert_eq!(at(Some(NOW)), [sid(1), sid(3)]);
    let idle = NOW.plus(HOUR).millis();
    assert_eq!(at(Some(Timestamp::from_millis(idle - 1))), [sid(1), sid(3)]);
    // At the deadline itself it is over.
    assert_eq!(at(Some(Timestamp::from_millis(idle))), [sid(3)]);
    assert_eq!(at(Some(NOW.plus(DAY))), []);
}

pub fn a_census_counts_each_live_session_once(fresh: &Fresh) {
    let store = fresh.open();
    let (low, high) = (Sid::from_bytes([0; 16]), Sid::from_bytes([0xff; 16]));
    let mut rows: Vec<Session> = (1..20).map(sample::session).collect();
    for edge in [low, high] {
        rows.push(Session {
            sid: edge,
            ..sample::session(99)
        });
    }
    rows.push(sample::session(50).ended(sample::end(EndReason::Idle)));
    insert_sessions(&store, rows);
    let count = |from: Sid, to: Option<Sid>, now| {
        read(&store, move |tx| tx.count_sessions(&from, to.as_ref(), now))
    };
    assert_eq!(count(low, None, NOW), 21);
    let steps = [low, sid(3), sid(10), sid(50), high];
    let mut sum = 0;
    for (n, from) in steps.iter().enumerate() {
        sum += count(*from, steps.get(n + 1).copied(), NOW);
    }
    assert_eq!(sum, 21);
    assert_eq!(count(low, Some(sid(3)), NOW), 3);
    assert_eq!(count(low, None, NOW.plus(HOUR)), 0);
}

pub fn families_by_session_and_by_user(fresh: &Fresh) {
    let store = fresh.open();
    let of = |n, session, user: &str, client: &str| Family {
        sid: sid(session),
        user_id: user.to_owned(),
        client_id: client.to_owned(),
        ..sample::family(n)
    };
    write(&store, move |tx| {
        for family in [
            of(3, 1, "u", "native"),
            of(1, 1, "u", "web"),
            of(2, 2, "u", "native"),
            of(4, 2, "v", "native"),
        ] {
            tx.insert_family(&family)?;
        }
        Ok(())
    });
    let names = |families: Vec<Family>| {
        families
            .into_iter()
            .map(|f| f.family_id)
            .collect::<Vec<_>>()
    };
    let of_session = |n| names(read(&store, move |tx| tx.families_of_session(&sid(n))));
    assert_eq!(of_session(1), [family_id(1), family_id(3)]);
    assert_eq!(of_session(2), [family_id(2), family_id(4)]);
    assert_eq!(of_session(3), []);
    let of_user = |user: &'static str| names(read(&store, move |tx| tx.families_of_user(user)));
    assert_eq!(of_user("u"), [family_id(2), family_id(3), family_id(1)]);
    assert_eq!(of_user("v"), [family_id(4)]);
    assert_eq!(of_user(""), []);
}

/// A key may go only when no token that it has to verify can still be presented (design 1.3).
pub fn refresh_keys_that_live_families_name(fresh: &Fresh) {
    let store = fresh.open();
    let with = |n, key_id, idle_deadline, absolute_deadline| Family {
        key_id,
        idle_deadline,
        absolute_deadline,
        ..sample::family(n)
    };
    let later = Some(NOW.plus(HOUR));
    let ended = Family {
        end: Some(sample::end(EndReason::UserLogout)),
        ..with(6, 6, None, None)
    };
    write(&store, move |tx| {
        for family in [
            with(1, 1, None, None),
            with(2, 2, later, None),
            with(3, 3, None, later),
            with(4, u32::MAX, later, Some(NOW)),
            with(5, 5, Some(NOW), later),
            ended,
        ] {
            tx.insert_family(&family)?;
        }
        Ok(())
    });
    let in_use = |now: Timestamp| {
        [1, 2, 3, u32::MAX, 5, 6, 7]
            .into_iter()
            .filter(|key| {
                let key = *key;
                read(&store, move |tx| tx.refresh_key_in_use(key, now))
            })
            .collect::<Vec<u32>>()
    };
    assert_eq!(in_use(NOW.plus(-1)), [1, 2, 3, u32::MAX, 5]);
    assert_eq!(in_use(NOW), [1, 2, 3]);
    assert_eq!(in_use(NOW.plus(HOUR)), [1]);
}

pub fn users_page_by_page(fresh: &Fresh) {
    let store = fresh.open();
    let named = ["b", "B", "a", "é", "z", "auth0|2", "auth0|10", "日本"];
    write(&store, move |tx| {
        for (n, name) in (0..).zip(named) {
            let mut row = sample::user(n);
            row.user.user_id = name.to_owned();
            assert!(tx.put_user(&row)?);
        }
        Ok(())
    });
    let mut seen = Vec::<String>::new();
    while seen.len() < named.len() {
        let after = seen.last().cloned().unwrap_or_default();
        let page = read(&store, move |tx| tx.users(&after, 3));
        assert!(!page.is_empty() && page.len() <= 3);
        seen.extend(page.into_iter().map(|row| row.user.user_id));
    }
    let mut expected = named;
    expected.sort_unstable();
    assert_eq!(seen, expected);
    assert!(read(&store, |tx| tx.users("日本", 3)).is_empty());
}

pub fn logs_in_the_order_of_their_ids(fresh: &Fresh) {
    let store = fresh.open();
    // As the server makes them: thirteen digits of milliseconds, then letters of either case.
    let written = [
        ("1800000000001bZ", "u"),
        ("1800000000000aa", "v"),
        ("1800000000001Ba", "u"),
        ("1800000000002_-", ""),
        ("1800000000002-_", "u"),
    ];
    for (id, user) in written {
        write(&store, move |tx| tx.insert_log(&sample::log(id, user)));
    }
    let list = |user: Option<&'static str>, after: &'static str, most| {
        let rows = read(&store, move |tx| tx.logs(user, after, most));
        rows.into_iter().map(|row| row.log_id).collect::<Vec<_>>()
    };
    let mut all = written.map(|(id, _)| id);
    all.sort_unstable();
    assert_eq!(list(None, "", 9), all);
    assert_eq!(list(None, "", 2), all[..2]);
    assert_eq!(list(None, all[1], 2), all[2..4]);
    assert_eq!(list(None, "18000000000010", 9), all[1..]);
    let of_u = ["1800000000001Ba", "1800000000001bZ", "1800000000002-_"];
    assert_eq!(list(Some("u"), "", 9), of_u);
    assert_eq!(list(Some("u"), of_u[0], 1), of_u[1..2]);
    // An entry of nobody is found as nobody's only.
    assert_eq!(list(Some(""), "", 9), ["1800000000002_-"]);
    assert_eq!(list(Some("w"), "", 9), [""; 0]);
}

/// Page by page everything that lives, with its user; nothing that is over.
pub fn what_lives_page_by_page(fresh: &Fresh) {
    let store = fresh.open();
    let mut rows: Vec<Session> = (1..=5).map(sample::session).collect();
    rows[1].end = Some(sample::end(EndReason::UserLogout));
    rows[3].idle_deadline = NOW;
    insert_sessions(&store, rows);
    write(&store, |tx| {
        tx.put_user(&sample::user(1))?;
        for n in 1..=5 {
            tx.insert_family(&sample::family(n))?;
        }
        let over = Family {
            family_id: family_id(9),
            idle_deadline: Some(NOW),
            ..sample::family(3)
        };
        let ended = Family {
            family_id: family_id(8),
            end: Some(sample::end(EndReason::ReuseDetected)),
            ..sample::family(3)
        };
        let bound = Family {
            family_id: family_id(7),
            absolute_deadline: Some(NOW.plus(HOUR)),
            ..sample::family(3)
        };
        [over, ended, bound]
            .iter()
            .try_for_each(|family| tx.insert_family(family))
    });
    for limit in [1, 2, 100] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = read(&store, move |tx| {
                tx.live_sessions((after, None), NOW, limit)
            });
            assert!(page.len() <= usize::try_from(limit).unwrap());
            let Some((last, _)) = page.last() else { break };
            after = Some(last.sid);
            seen.extend(
                page.iter()
                    .map(|(session, user)| (session.sid, user.is_some())),
            );
        }
        let expected = [(1, true), (3, false), (5, false)].map(|(n, user)| (sid(n), user));
        assert_eq!(seen, expected, "{limit} at a time");
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = read(&store, move |tx| tx.live_families(after, NOW, limit));
            assert!(page.len() <= usize::try_from(limit).unwrap());
            let Some((last, _)) = page.last() else { break };
            after = Some((last.sid, last.family_id));
            seen.extend(page.iter().map(|(f, user)| (f.family_id, user.is_some())));
        }
        let expected = [
            (1, true),
            (2, false),
            (3, false),
            (7, false),
            (4, false),
            (5, false),
        ];
        let expected = expected.map(|(n, user)| (family_id(n), user));
        assert_eq!(seen, expected, "{limit} at a time");
    }
}
