//! What is written is what is read, also by the next program: rows that hang on a session.

use crate::fresh::Fresh;
use crate::sample;
use crate::support::{read, write};
use crate::variety::Dice;
use tenure_protocol::Sid;
use tenure_protocol::code::Code;
use tenure_protocol::refresh::Family;
use tenure_protocol::session::Session;
use tenure_store::Participant;

const ROWS: u32 = 150;

pub fn sessions(fresh: &Fresh) {
    let mut dice = Dice::new(1);
    let mut rows: Vec<Session> = (0..ROWS).map(|n| dice.session(sample::sid(n))).collect();
    rows.push(dice.session(Sid::from_bytes([0; 16])));
    rows.push(dice.session(Sid::from_bytes([0xff; 16])));
    let store = fresh.open();
    let inserted = rows.clone();
    write(&store, move |tx| {
        inserted.iter().try_for_each(|row| tx.insert_session(row))
    });
    store.close();

    let store = fresh.reopen();
    for row in rows {
        let found = read(&store, move |tx| tx.session(&row.sid)).unwrap();
        assert_eq!(found, row);
    }
    assert_eq!(read(&store, |tx| tx.session(&sample::sid(ROWS))), None);

    // An update carries every field but who it is: id, user and creation.
    for n in 0..ROWS {
        let before = sample::session(ROWS + n);
        let after = Session {
            user_id: before.user_id.clone(),
            created_at: before.created_at,
            ..dice.session(before.sid)
        };
        let (inserted, updated) = (before.clone(), after.clone());
        write(&store, move |tx| {
            tx.insert_session(&inserted)?;
            tx.update_session(&updated)
        });
        let found = read(&store, move |tx| tx.session(&before.sid)).unwrap();
        assert_eq!(found, after);
    }
}

pub fn participants(fresh: &Fresh) {
    let store = fresh.open();
    let mut dice = Dice::new(2);
    let sid = sample::sid(1);
    let mut expected = Vec::new();
    for n in 0..i64::from(ROWS) {
        let client_id = format!("{n} {}", dice.text());
        let (first, last) = (sample::NOW.plus(n), sample::NOW.plus(n + 1000));
        expected.push(Participant {
            client_id: client_id.clone(),
            first_seen_at: first,
            last_seen_at: last,
        });
        write(&store, move |tx| {
            tx.see_participant(&sid, &client_id, first)?;
            tx.see_participant(&sid, &client_id, last)
        });
    }
    write(&store, |tx| {
        tx.see_participant(&sample::sid(2), "other", sample::NOW)
    });
    store.close();

    let store = fresh.reopen();
    assert_eq!(read(&store, move |tx| tx.participants(&sid)), expected);
    assert_eq!(read(&store, |tx| tx.participants(&sample::sid(3))), []);
}

pub fn families(fresh: &Fresh) {
    let mut dice = Dice::new(3);
    let rows: Vec<Family> = (0..ROWS)
        .map(|n| dice.family(sample::sid(n / 3), sample::family_id(n)))
        .collect();
    let store = fresh.open();
    let inserted = rows.clone();
    write(&store, move |tx| {
        inserted.iter().try_for_each(|row| tx.insert_family(row))
    });
    store.close();

    let store = fresh.reopen();
    for row in rows {
        let found = read(&store, move |tx| tx.family(&row.sid, &row.family_id)).unwrap();
        assert_eq!(found, row);
    }
    let missing = read(&store, |tx| {
        tx.family(&sample::sid(0), &sample::family_id(ROWS))
    });
    assert_eq!(missing, None);
}

pub fn families_change(fresh: &Fresh) {
    let store = fresh.open();
    let mut dice = Dice::new(4);
    for n in 0..ROWS {
        let before = Family {
            end: None,
            ..dice.family(sample::sid(n), sample::family_id(n))
        };
        let news = dice.family(before.sid, before.family_id);
        // What an exchange or an end may change; the rest was fixed at the family's birth.
        let after = Family {
            key_id: news.key_id,
            generation: news.generation,
            consumed: news.consumed,
            last_exchanged_at: news.last_exchanged_at,
            idle_deadline: news.idle_deadline,
            absolute_deadline: news.absolute_deadline,
            rotated_by: news.rotated_by,
            bearer_until: news.bearer_until,
            foreign_repeats: news.foreign_repeats,
            foreign_repeat_generation: news.foreign_repeat_generation,
            end: news.end,
            ..before.clone()
        };
        let (inserted, updated) = (before.clone(), after.clone());
        let won = write(&store, move |tx| {
            tx.insert_family(&inserted)?;
            tx.update_family(&updated, inserted.generation)
        });
        assert!(won);
        let found = read(&store, move |tx| tx.family(&before.sid, &before.family_id)).unwrap();
        assert_eq!(found, after);
    }
}

pub fn codes(fresh: &Fresh) {
    let mut dice = Dice::new(5);
    let rows: Vec<Code> = (0..ROWS)
        .map(|n| {
            let hash = dice.bytes();
            dice.code(sample::sid(n), hash)
        })
        .collect();
    let store = fresh.open();
    let inserted = rows.clone();
    write(&store, move |tx| {
        inserted.iter().try_for_each(|row| tx.insert_code(row))
    });
    store.close();

    let store = fresh.reopen();
    for row in rows {
        let found = read(&store, move |tx| tx.code(&row.sid, &row.hash)).unwrap();
        assert_eq!(found, row);
        let other = sample::sid(ROWS);
        assert_eq!(read(&store, move |tx| tx.code(&other, &row.hash)), None);

        // The exchange records what it issued.
        let used = Code {
            consumed_at: Some(dice.instant()),
            family_id: Some(sample::family_id(1)),
            access_token_id: Some(dice.text()),
            ..row.clone()
        };
        let consumed = used.clone();
        let won = write(&store, move |tx| tx.consume_code(&consumed));
        assert_eq!(won, row.consumed_at.is_none());
        let found = read(&store, move |tx| tx.code(&row.sid, &row.hash)).unwrap();
        assert_eq!(found, if won { used } else { row });
    }
}

pub fn revoked_tokens(fresh: &Fresh) {
    let mut dice = Dice::new(6);
    let rows: Vec<(Option<Sid>, String)> = (0..ROWS)
        .map(|n| {
            let sid = dice.maybe(|dice| Sid::from_bytes(dice.bytes()));
            (sid, format!("{n}{}", dice.text()))
        })
        .collect();
    let store = fresh.open();
    for (sid, jti) in rows.clone() {
        let expires_at = dice.instant();
        write(&store, move |tx| {
            tx.revoke_token(sid.as_ref(), &jti, expires_at)?;
            // Twice is as good as once.
            tx.revoke_token(sid.as_ref(), &jti, expires_at)
        });
    }
    store.close();

    let store = fresh.reopen();
    for (sid, jti) in rows {
        let unknown = format!("-{jti}");
        let revoked = read(&store, move |tx| {
            Ok((
                tx.token_is_revoked(sid.as_ref(), &jti)?,
                tx.token_is_revoked(sid.as_ref(), &unknown)?,
            ))
        });
        assert_eq!(revoked, (true, false));
    }
}

pub fn one_time(fresh: &Fresh) {
    let mut dice = Dice::new(7);
    let rows: Vec<_> = (0..ROWS)
        .map(|n| {
            let id = format!("{}{n}", dice.text());
            (dice.text(), id, dice.text(), dice.instant())
        })
        .collect();
    let store = fresh.open();
    for (kind, id, body, expires_at) in rows.clone() {
        assert!(write(&store, move |tx| tx.put_once(&kind, &id, &body, expires_at)));
    }
    store.close();

    let store = fresh.reopen();
    for (kind, id, body, expires_at) in rows {
        let expected = Some((body, expires_at));
        let found = write(&store, move |tx| {
            Ok((
                tx.peek_once(&kind, &id)?,
                tx.take_once(&kind, &id)?,
                tx.peek_once(&kind, &id)?,
            ))
        });
        assert_eq!(found, (expected.clone(), expected, None));
    }
}
