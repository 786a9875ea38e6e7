//! What is written is what is read, also by the next program: settings, keys, logs.

use crate::fresh::Fresh;
use crate::sample::NOW;
use crate::support::{read, write};
use crate::variety::Dice;
use tenure_store::{Document, DocumentKind, KeyRow, LogRow, ThrottleRow};

const ROWS: u32 = 120;

pub fn documents(fresh: &Fresh) {
    let store = fresh.open();
    let mut dice = Dice::new(13);
    for n in 0..ROWS {
        let document = Document {
            id: format!("{n}{}", dice.text()),
            body: dice.text(),
            secret_mac: dice.maybe(|dice| dice.bytes::<32>().to_vec()),
            updated_at: dice.instant(),
        };
        let (row, id) = (document.clone(), document.id.clone());
        let found = write(&store, move |tx| {
            tx.put_document(DocumentKind::Client, &row)?;
            tx.document(DocumentKind::Client, &id)
        });
        assert_eq!(found.as_ref(), Some(&document));

        // A new text alone keeps the client's secret.
        let renamed = Document {
            body: dice.text(),
            secret_mac: None,
            ..document.clone()
        };
        let (row, id) = (renamed.clone(), document.id.clone());
        let found = write(&store, move |tx| {
            tx.put_document(DocumentKind::Client, &row)?;
            tx.document(DocumentKind::Client, &id)
        });
        let expected = Document {
            secret_mac: document.secret_mac,
            ..renamed
        };
        assert_eq!(found, Some(expected));
    }
}

pub fn documents_by_kind(fresh: &Fresh) {
    let store = fresh.open();
    let kinds = [
        DocumentKind::Tenant,
        DocumentKind::Client,
        DocumentKind::Api,
        DocumentKind::Connection,
        DocumentKind::ClientGrant,
        DocumentKind::Role,
        DocumentKind::Other,
    ];
    for kind in kinds {
        for id in ["same", "Zed", "é"] {
            let document = Document {
                id: id.to_owned(),
                body: kind.name().to_owned(),
                secret_mac: None,
                updated_at: NOW,
            };
            write(&store, move |tx| tx.put_document(kind, &document));
        }
    }
    assert!(write(&store, |tx| tx.delete_document(DocumentKind::Role, "same")));
    assert!(!write(&store, |tx| tx.delete_document(DocumentKind::Role, "same")));
    for kind in kinds {
        let found = read(&store, move |tx| tx.documents(kind));
        assert!(found.iter().all(|document| document.body == kind.name()));
        let ids: Vec<&str> = found.iter().map(|document| document.id.as_str()).collect();
        if kind == DocumentKind::Role {
            assert_eq!(ids, ["Zed", "é"]);
        } else {
            assert_eq!(ids, ["Zed", "same", "é"]);
        }
    }
}

pub fn every_change_raises_the_configuration_version(fresh: &Fresh) {
    let store = fresh.open();
    assert_eq!(read(&store, |tx| tx.configuration_version()), 0);
    let document = Document {
        id: "a".to_owned(),
        body: "{}".to_owned(),
        secret_mac: None,
        updated_at: NOW,
    };
    write(&store, move |tx| {
        tx.put_document(DocumentKind::Api, &document)
    });
    assert_eq!(read(&store, |tx| tx.configuration_version()), 1);
    assert!(write(&store, |tx| tx.delete_document(DocumentKind::Api, "a")));
    assert_eq!(read(&store, |tx| tx.configuration_version()), 2);
    let row = key("k", &mut Dice::new(1));
    write(&store, move |tx| tx.put_key(&row));
    assert_eq!(read(&store, |tx| tx.configuration_version()), 3);
    write(&store, |tx| tx.delete_key("k"));
    assert_eq!(read(&store, |tx| tx.configuration_version()), 4);
    store.close();
    assert_eq!(read(&fresh.reopen(), |tx| tx.configuration_version()), 4);
}

pub fn keys(fresh: &Fresh) {
    let store = fresh.open();
    let mut dice = Dice::new(14);
    let mut rows: Vec<KeyRow> = (0..ROWS)
        .map(|n| key(&format!("k{n}"), &mut dice))
        .collect();
    rows.extend(["", "ключ"].map(|kid| key(kid, &mut dice)));
    for row in rows.clone() {
        let earlier = KeyRow {
            state: "next".to_owned(),
            sealed: vec![1],
            activated_at: None,
            retired_at: None,
            ..row.clone()
        };
        write(&store, move |tx| {
            tx.put_key(&earlier)?;
            tx.put_key(&row)
        });
    }
    store.close();
    let store = fresh.reopen();
    rows.sort_by(|a, b| (a.created_at, &a.kid).cmp(&(b.created_at, &b.kid)));
    assert_eq!(read(&store, |tx| tx.keys()), rows);
    write(&store, |tx| tx.delete_key("k0"));
    rows.retain(|row| row.kid != "k0");
    assert_eq!(read(&store, |tx| tx.keys()), rows);
}

fn key(kid: &str, dice: &mut Dice) -> KeyRow {
    KeyRow {
        kid: kid.to_owned(),
        usage: dice.pick(&["sig", "refresh"]).to_owned(),
        alg: dice.text(),
        state: dice
            .pick(&["next", "current", "previous", "retired"])
            .to_owned(),
        public: dice.text(),
        sealed: dice
            .maybe(|dice| dice.bytes::<48>().to_vec())
            .unwrap_or_default(),
        created_at: dice.instant(),
        activated_at: dice.maybe(Dice::instant),
        retired_at: dice.maybe(Dice::instant),
    }
}

pub fn throttle(fresh: &Fresh) {
    let store = fresh.open();
    let mut dice = Dice::new(15);
    for n in 0..ROWS {
        let mut draw = || ThrottleRow {
            bucket: format!("address:{n}"),
            failures: dice.number(),
            since: dice.instant(),
            expires_at: dice.instant(),
        };
        let (earlier, row) = (draw(), draw());
        let expected = row.clone();
        let found = write(&store, move |tx| {
            tx.put_throttle(&earlier)?;
            tx.put_throttle(&row)?;
            tx.throttle(&row.bucket)
        });
        assert_eq!(found, Some(expected));
    }
    write(&store, |tx| tx.clear_throttle("address:0"));
    assert_eq!(read(&store, |tx| tx.throttle("address:0")), None);
    assert!(read(&store, |tx| tx.throttle("address:1")).is_some());
}

pub fn logs(fresh: &Fresh) {
    let store = fresh.open();
    let mut dice = Dice::new(16);
    let rows: Vec<LogRow> = (0..ROWS)
        .map(|n| LogRow {
            log_id: format!("{n:05}"),
            at: dice.instant(),
            kind: dice.text(),
            user_id: dice.text(),
            sid: dice.text(),
            body: dice.text(),
        })
        .collect();
    let inserted = rows.clone();
    write(&store, move |tx| {
        inserted.iter().try_for_each(|row| tx.insert_log(row))
    });
    store.close();
    assert_eq!(read(&fresh.reopen(), |tx| tx.logs(None, "", 1000)), rows);
}

pub fn meta(fresh: &Fresh) {
    let store = fresh.open();
    assert_eq!(read(&store, |tx| tx.meta("absent")), None);
    let mut dice = Dice::new(17);
    for n in 0..ROWS {
        let (name, earlier, value) = (format!("{n}{}", dice.text()), dice.text(), dice.text());
        let expected = value.clone();
        let found = write(&store, move |tx| {
            tx.set_meta(&name, &earlier)?;
            tx.set_meta(&name, &value)?;
            tx.meta(&name)
        });
        assert_eq!(found, Some(expected));
    }
}
