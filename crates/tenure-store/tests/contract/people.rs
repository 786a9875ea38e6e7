//! Users: what is written is what is read, also by the next program, and a name belongs to one of them.

use crate::fresh::Fresh;
use crate::sample::{self, NOW};
use crate::support::{read, write};
use crate::variety::Dice;
use tenure_protocol::session::UserStanding;
use tenure_store::{ConsentRow, Store, UserRow};

const ROWS: u32 = 120;

pub fn users(fresh: &Fresh) {
    let mut dice = Dice::new(11);
    let rows: Vec<UserRow> = (0..ROWS)
        .map(|n| {
            let user_id = format!("{}{n}", dice.text());
            let mut user = dice.user(user_id);
            user.email = dice.maybe(|dice| format!("{}{n}@Example.com", dice.text()));
            user.username = dice.maybe(|dice| format!(" Name {}{n} ", dice.text()));
            UserRow {
                user,
                password_hash: dice.maybe(Dice::text),
            }
        })
        .collect();
    let store = fresh.open();
    for row in rows.clone() {
        // Over an earlier self, so that nothing of that one stays.
        let earlier = UserRow {
            user: dice.user(row.user.user_id.clone()),
            password_hash: dice.maybe(Dice::text),
        };
        assert!(write(&store, move |tx| Ok(
            tx.put_user(&earlier)? && tx.put_user(&row)?
        )));
    }
    store.close();

    let store = fresh.reopen();
    for row in rows {
        let user_id = row.user.user_id.clone();
        let found = read(&store, move |tx| tx.user(&user_id)).unwrap();
        assert_eq!(found.user, row.user);
        assert_eq!(found.password_hash, row.password_hash);

        let standing = UserStanding {
            exists: true,
            blocked: row.user.blocked,
            valid_after: row.user.valid_after,
        };
        let user_id = row.user.user_id.clone();
        assert_eq!(read(&store, move |tx| tx.user_standing(&user_id)), standing);

        let names = row.user.identifiers();
        for (kind, value) in [("email", names.email), ("username", names.username)] {
            let Some(value) = value else { continue };
            let by_name = read(&store, move |tx| tx.user_by_identifier(kind, &value)).unwrap();
            assert_eq!(by_name.user, row.user);
        }
    }
    let nobody = read(&store, |tx| tx.user_standing("nobody"));
    assert!(!nobody.exists);
    assert!(read(&store, |tx| tx.user("nobody")).is_none());
}

/// An account's name and its owner in one step: nobody takes over another's address.
pub fn identifiers_belong_to_one_user(fresh: &Fresh) {
    let store = fresh.open();
    let (first, mut second) = (sample::user(1), sample::user(2));
    let row = first.clone();
    assert!(write(&store, move |tx| tx.put_user(&row)));
    second.user.email = Some(" PERSON-0001@example.com ".to_owned());
    second.user.username = Some("second".to_owned());
    let row = second.clone();
    assert!(!write(&store, move |tx| tx.put_user(&row)));
    assert!(read(&store, |tx| tx.user(&sample::user_id(2))).is_none());
    assert_eq!(holder(&store, "username", "second"), None);

    // A user name is not an e-mail address, even when it reads like one.
    let mut third = sample::user(3);
    third.user.username = Some("person-0001@example.com".to_owned());
    assert!(write(&store, move |tx| tx.put_user(&third)));

    // Who changes the address frees the old one; who is deleted frees them all.
    let mut moved = first;
    moved.user.email = Some("moved@example.com".to_owned());
    assert!(write(&store, move |tx| Ok(
        tx.put_user(&moved)? && tx.put_user(&second)?
    )));
    let user_2 = Some(sample::user_id(2));
    assert_eq!(holder(&store, "email", "person-0001@example.com"), user_2);
    assert!(write(&store, |tx| tx.delete_user(&sample::user_id(2))));
    assert!(!write(&store, |tx| tx.delete_user(&sample::user_id(2))));
    assert_eq!(holder(&store, "email", "person-0001@example.com"), None);
    let user_1 = Some(sample::user_id(1));
    assert_eq!(holder(&store, "email", "moved@example.com"), user_1);
}

fn holder(store: &Store, kind: &'static str, value: &'static str) -> Option<String> {
    read(store, move |tx| tx.user_by_identifier(kind, value)).map(|row| row.user.user_id)
}

pub fn permissions(fresh: &Fresh) {
    let store = fresh.open();
    for (user, audience, permission) in [
        ("u", "api", "write"),
        ("u", "api", "read"),
        ("u", "api", "read"),
        ("u", "", "läs ✓"),
        ("v", "api", "all"),
    ] {
        write(&store, move |tx| {
            tx.put_user_permission(user, audience, permission)
        });
    }
    store.close();
    let store = fresh.reopen();
    let of = |user: &'static str, audience: &'static str| {
        read(&store, move |tx| tx.user_permissions(user, audience))
    };
    assert_eq!(of("u", "api"), ["read", "write"]);
    assert_eq!(of("u", ""), ["läs ✓"]);
    assert_eq!(of("v", "api"), ["all"]);
    assert_eq!(of("v", ""), [""; 0]);
    // What a deleted user held is not there for the next one with the same id.
    write(&store, |tx| tx.delete_user("u"));
    assert_eq!(of("u", "api"), [""; 0]);
    assert_eq!(of("v", "api"), ["all"]);
}

pub fn consents(fresh: &Fresh) {
    let store = fresh.open();
    let mut dice = Dice::new(12);
    let rows: Vec<ConsentRow> = (0..ROWS)
        .map(|n| ConsentRow {
            client_id: format!("{n}{}", dice.text()),
            audience: dice.text(),
            scope: dice.text(),
            granted_at: dice.instant(),
        })
        .collect();
    for row in rows.clone() {
        write(&store, move |tx| {
            let earlier = ConsentRow {
                scope: "openid".to_owned(),
                granted_at: NOW,
                ..row.clone()
            };
            tx.put_consent("u", &earlier)?;
            tx.put_consent("u", &row)
        });
    }
    store.close();
    let store = fresh.reopen();
    for row in rows {
        let (client, audience) = (row.client_id.clone(), row.audience.clone());
        let found = read(&store, move |tx| {
            Ok((
                tx.consent("u", &client, &audience)?,
                tx.consent("v", &client, &audience)?,
                tx.consent("u", &client, "another")?,
            ))
        });
        assert_eq!(found, (Some(row), None, None));
    }
}
