//! Rows that somebody or something broke: the error names table and row, nothing panics, and the
//! other rows are as good as before.

use crate::fresh::Fresh;
use crate::sample::{self, NOW, family_id, sid};
use crate::support::{read, write};
use tenure_store::{SessionFilter, Store, StoreError, Tx};

fn assert_corrupt<T: std::fmt::Debug>(
    answer: Result<T, StoreError>,
    expected_table: &str,
    expected_key: &str,
) {
    match answer {
        Err(StoreError::Corrupt {
            table,
            key,
            problem,
        }) => {
            assert_eq!((table, key.as_str()), (expected_table, expected_key));
            assert!(!problem.is_empty());
        }
        other => panic!("{expected_table} {expected_key}: {other:?}"),
    }
}

/// Breaks the row in each way in turn, each time beginning with a good one.
fn each_way(
    fresh: &Fresh,
    ways: &[&str],
    insert: fn(&Tx<'_>) -> Result<(), StoreError>,
    check: impl Fn(&Store),
) {
    for way in ways {
        let (table, rest) = way.split_once(' ').unwrap();
        let store = fresh.open();
        write(&store, insert);
        fresh.raw(&format!("UPDATE {table} SET {rest}"));
        check(&store);
        fresh.raw(&format!("DELETE FROM {table}"));
        store.close();
    }
}

pub fn a_broken_session_is_named(fresh: &Fresh) {
    let short = fresh.blob(&[1, 2, 3]);
    let ways = [
        "sessions body = ''",
        "sessions body = '{'",
        "sessions body = 'null'",
        "sessions body = '[]'",
        "sessions body = '{}'",
        "sessions body = replace(body, '\"full\"', '\"complete\"')",
        "sessions body = replace(body, '3600', '\"an hour\"')",
        "sessions body = replace(body, '3600', '99999999999999999999')",
        "sessions idle_deadline = absolute_deadline + 1",
        "sessions absolute_deadline = -9223372036854775807",
        "sessions user_id = ''",
        "sessions ended_at = 1, end_reason = 'boredom'",
        "sessions ended_at = 1, end_reason = NULL",
        "sessions ended_at = 1, end_reason = 'Idle'",
        &format!("sessions secret_hash = {short}"),
    ];
    each_way(
        fresh,
        &ways,
        |tx| tx.insert_session(&sample::session(1)),
        |store| {
            let key = sid(1).to_string();
            assert_corrupt(
                store.read_blocking(|tx| tx.session(&sid(1))),
                "sessions",
                &key,
            );
            let all = SessionFilter {
                limit: 9,
                ..SessionFilter::default()
            };
            assert_corrupt(
                store.read_blocking(move |tx| tx.sessions(&all)),
                "sessions",
                &key,
            );
            // In a transaction that writes it is an error too, and nothing of that transaction stays.
            let answer = store.write_blocking(|tx| {
                tx.set_meta("a", "1")?;
                tx.session(&sid(1))
            });
            assert_corrupt(answer, "sessions", &key);
            assert_eq!(read(store, |tx| tx.meta("a")), None);
        },
    );
}

pub fn a_broken_family_is_named(fresh: &Fresh) {
    let long = fresh.blob(&[9; 33]);
    let empty = fresh.blob(&[]);
    let ways = [
        "families body = '{'",
        "families body = history",
        "families history = ''",
        "families history = body",
        "families kind = 'eternal'",
        "families kind = ''",
        "families generation = -1",
        "families generation = 4294967296",
        "families key_id = -1",
        "families key_id = 4294967296",
        "families ended_at = 1, end_reason = 'boredom'",
        "families ended_at = 1, end_reason = NULL",
        &format!("families secret = {long}"),
        &format!("families secret = {empty}"),
    ];
    each_way(
        fresh,
        &ways,
        |tx| tx.insert_family(&sample::family(1)),
        |store| {
            let key = family_id(1).to_string();
            let one = store.read_blocking(|tx| tx.family(&sid(1), &family_id(1)));
            assert_corrupt(one, "families", &key);
            let all = store.read_blocking(|tx| tx.families_of_session(&sid(1)));
            assert_corrupt(all, "families", &key);
            let all = store.read_blocking(|tx| tx.families_of_user(&sample::user_id(1)));
            assert_corrupt(all, "families", &key);
        },
    );
}

pub fn a_broken_code_is_named(fresh: &Fresh) {
    let ways = [
        "codes body = '{'",
        "codes body = ''",
        "codes body = '{}'",
        "codes body = '{\"sid\": \"short\"}'",
    ];
    each_way(
        fresh,
        &ways,
        |tx| tx.insert_code(&sample::code(1)),
        |store| {
            let answer = store.read_blocking(|tx| tx.code(&sid(1), &sample::code(1).hash));
            assert_corrupt(answer, "codes", &sid(1).to_string());
        },
    );
}

pub fn a_broken_user_is_named(fresh: &Fresh) {
    let ways = [
        "users body = '{'",
        "users body = '\"text\"'",
        "users body = '{\"email\": 1}'",
        "users body = '{\"valid_after\": \"yesterday\"}'",
    ];
    each_way(
        fresh,
        &ways,
        |tx| tx.put_user(&sample::user(1)).map(drop),
        |store| {
            let key = sample::user_id(1);
            let answer = store.read_blocking(|tx| tx.user(&sample::user_id(1)));
            assert_corrupt(answer.map(drop), "users", &key);
            let answer =
                store.read_blocking(|tx| tx.user_by_identifier("email", "person-0001@example.com"));
            assert_corrupt(answer.map(drop), "users", &key);
            let answer = store.read_blocking(|tx| tx.users("", 9));
            assert_corrupt(answer.map(drop), "users", &key);
            // Whether a user is blocked does not hang on the rest of the row.
            assert!(read(store, |tx| tx.user_standing(&sample::user_id(1))).exists);
        },
    );
}

/// The key is then what stands there, in hexadecimal digits, so that an operator finds it.
pub fn an_id_of_the_wrong_length_is_named(fresh: &Fresh) {
    for bytes in [vec![], vec![0xab; 15], vec![0xcd; 17]] {
        let store = fresh.open();
        write(&store, |tx| {
            tx.insert_session(&sample::session(1))?;
            tx.insert_family(&sample::family(1))
        });
        let blob = fresh.blob(&bytes);
        fresh.raw(&format!("UPDATE sessions SET sid = {blob}"));
        fresh.raw(&format!("UPDATE families SET family_id = {blob}"));
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let key = format!("0x{digits}");
        if !bytes.is_empty() {
            let all = SessionFilter {
                limit: 9,
                ..SessionFilter::default()
            };
            assert_corrupt(
                store.read_blocking(move |tx| tx.sessions(&all)),
                "sessions",
                &key,
            );
        }
        let families = store.read_blocking(|tx| tx.families_of_session(&sid(1)));
        assert_corrupt(families, "families", &key);
        // A sid of the wrong length under a good family id.
        let good = fresh.blob(family_id(1).as_bytes());
        fresh.raw(&format!(
            "UPDATE families SET family_id = {good}, sid = {blob}"
        ));
        let families = store.read_blocking(|tx| tx.families_of_user(&sample::user_id(1)));
        assert_corrupt(families, "families", &family_id(1).to_string());
        fresh.raw("DELETE FROM sessions; DELETE FROM families");
        store.close();
    }
}

pub fn a_broken_row_leaves_others_alone(fresh: &Fresh) {
    let store = fresh.open();
    write(&store, |tx| {
        for n in 1..=2 {
            tx.insert_session(&sample::session(n))?;
            tx.insert_family(&sample::family(n))?;
            tx.insert_code(&sample::code(n))?;
            tx.put_user(&sample::user(n))?;
        }
        Ok(())
    });
    let one = fresh.blob(sid(1).as_bytes());
    for table in ["sessions", "families", "codes"] {
        fresh.raw(&format!(
            "UPDATE {table} SET body = 'broken' WHERE sid = {one}"
        ));
    }
    fresh.raw("UPDATE users SET body = 'broken' WHERE user_id = 'auth0|0001'");

    let good = read(&store, |tx| {
        Ok((
            tx.session(&sid(2))?,
            tx.family(&sid(2), &family_id(2))?,
            tx.code(&sid(2), &sample::code(2).hash)?,
            tx.user(&sample::user_id(2))?.is_some(),
        ))
    });
    let expected = (
        Some(sample::session(2)),
        Some(sample::family(2)),
        Some(sample::code(2)),
        true,
    );
    assert_eq!(good, expected);
    let of_user = SessionFilter {
        user_id: Some(sample::user_id(2)),
        limit: 9,
        ..SessionFilter::default()
    };
    assert_eq!(read(&store, move |tx| tx.sessions(&of_user)).len(), 1);
    assert!(write(&store, |tx| {
        let session = sample::session(2);
        tx.update_session(&session)?;
        tx.update_family(&sample::rotated(&sample::family(2)), 0)
    }));
    // The sweeper reads no bodies: it gets rid of broken rows as of any others.
    let later = NOW.plus(400 * sample::DAY);
    write(&store, move |tx| {
        tx.end_batch(later, 9)?;
        tx.sweep_sessions(tenure_store::SweepCursor::default(), later, later, 9)
    });
    assert_eq!(fresh.raw_number("SELECT count(*) FROM sessions"), 0);
    assert_eq!(fresh.raw_number("SELECT count(*) FROM families"), 0);
}
