//! What only the SQLite engine has: its files, its group commit, backups of a file in use.

use crate::fresh::Fresh;
use crate::sample::{self, NOW, sid};
use crate::support::{Done, enqueue, hold_writer, meta, read, write};
use std::sync::atomic::{AtomicBool, Ordering};
use tenure_store::{Document, DocumentKind, Options, Store, StoreError};

/// CVE-2020-15223: the commit is everybody's, so its failure is too.
#[test]
fn if_the_commit_fails_every_closure_of_the_group_fails() {
    let fresh = Fresh::sqlite();
    let store = fresh.open();
    fresh.doom_commits();
    let held = hold_writer(&store, |_| Ok(()));
    let good: Vec<_> = (0..5)
        .map(|n| enqueue(&store, move |tx| tx.insert_session(&sample::session(n))))
        .collect();
    let doomed = enqueue(&store, |tx| tx.set_meta("doomed", "1"));
    let refused = enqueue(&store, |_| {
        Err::<(), _>(StoreError::Refused("no".to_owned()))
    });
    held.let_go().unwrap();
    for answer in good.into_iter().chain([doomed, refused]) {
        let answer = answer.answer();
        assert!(matches!(answer, Err(StoreError::Engine(_))), "{answer:?}");
    }
    for n in 0..5 {
        assert_eq!(read(&store, move |tx| tx.session(&sid(n))), None);
    }
    write(&store, |tx| tx.insert_session(&sample::session(0)));
}

/// The first of a group is not answered while the group still runs.
#[test]
fn a_group_is_answered_after_its_commit() {
    let fresh = Fresh::sqlite();
    let store = fresh.open();
    let held = hold_writer(&store, |_| Ok(()));
    let mut first = enqueue(&store, |tx| tx.set_meta("first", "1"));
    let (inside, is_inside) = std::sync::mpsc::channel();
    let (go, gate) = std::sync::mpsc::channel::<()>();
    let second = enqueue(&store, move |tx| {
        inside.send(tx.meta("first")?).unwrap();
        gate.recv().unwrap_err();
        Ok(())
    });
    held.let_go().unwrap();
    // The second runs in the same transaction, so it sees what the first did; nobody else does.
    assert_eq!(is_inside.recv().unwrap().as_deref(), Some("1"));
    assert!(!first.is_answered());
    assert_eq!(meta(&store, "first"), None);
    drop(go);
    second.answer().unwrap();
    first.answer().unwrap();
    assert_eq!(meta(&store, "first").as_deref(), Some("1"));
}

#[test]
fn the_schema_bears_its_version() {
    let fresh = Fresh::sqlite();
    fresh.open().close();
    assert!(fresh.raw_number("PRAGMA user_version") > 0);
}

#[test]
fn closing_leaves_one_file() {
    let fresh = Fresh::sqlite();
    let store = fresh.open();
    write(&store, |tx| tx.set_meta("a", "1"));
    let log = fresh.beside("tenure.db-wal");
    assert!(log.exists());
    store.close();
    assert!(std::fs::metadata(&log).map_or(0, |file| file.len()) == 0);
    // The file alone is the whole database.
    let copy = fresh.beside("copy.db");
    std::fs::copy(fresh.path(), &copy).unwrap();
    let store = Store::open(&Options::new(&copy).not_durable()).unwrap();
    assert_eq!(meta(&store, "a").as_deref(), Some("1"));
}

/// Password hashes and the secrets of refresh tokens are in these files.
#[test]
fn the_files_and_their_copies_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let fresh = Fresh::sqlite();
    let store = fresh.open();
    write(&store, |tx| tx.set_meta("a", "1"));
    store.backup(&fresh.beside("backup.db"), |_, _| {}).unwrap();
    for name in ["tenure.db", "tenure.db-wal", "tenure.db-shm", "backup.db"] {
        let mode = std::fs::metadata(fresh.beside(name)).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o600, "{name}");
    }
}

#[test]
fn what_is_no_database_is_an_error() {
    let fresh = Fresh::sqlite();
    std::fs::write(
        fresh.path(),
        "not a database, but long enough to be one ".repeat(100),
    )
    .unwrap();
    match fresh.try_open() {
        Err(StoreError::Refused(words)) => assert!(
            words.contains("tenure.db: ") && words.contains("not a database"),
            "{words}"
        ),
        other => panic!("{other:?}"),
    }
    let nowhere = Options::new(fresh.beside("missing").join("tenure.db"));
    match Store::open(&nowhere) {
        Err(StoreError::Refused(words)) => assert!(words.contains("missing"), "{words}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_backup_while_writing_is_one_instant() {
    let fresh = Fresh::sqlite();
    let store = fresh.open();
    write(&store, |tx| {
        tx.set_meta("a", "0").and(tx.set_meta("b", "0"))
    });
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 1_u32.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                write(&store, move |tx| {
                    tx.insert_session(&sample::session(n))?;
                    tx.set_meta("a", &n.to_string())?;
                    tx.set_meta("b", &n.to_string())
                });
            }
        });
        let _done = Done(&done);
        for round in 0..5 {
            let before: u32 = meta(&store, "a").unwrap().parse().unwrap();
            let target = fresh.beside(&format!("backup-{round}.db"));
            store.backup(&target, |_, _| {}).unwrap();
            let copy = Store::open(&Options::new(&target).not_durable()).unwrap();
            assert!(read(&copy, |tx| tx.integrity_problems()).is_empty());
            let (a, b) = (meta(&copy, "a").unwrap(), meta(&copy, "b").unwrap());
            assert_eq!(a, b);
            let saved: u32 = a.parse().unwrap();
            assert!(
                saved >= before,
                "{saved} < {before}: an answered write is missing"
            );
            let last = read(&copy, move |tx| {
                Ok((tx.session(&sid(saved))?, tx.session(&sid(saved + 1))?))
            });
            assert_eq!(last.0.is_some(), saved > 0);
            assert_eq!(last.1, None);
        }
    });
}

/// A server that never rests must be able to save itself: writes do not make a backup start over.
#[test]
fn a_backup_under_steady_writing_comes_to_its_end() {
    let fresh = Fresh::sqlite();
    let store = fresh.open();
    let body = "x".repeat(1 << 20);
    for n in 0..40 {
        let document = Document {
            id: format!("{n}"),
            body: body.clone(),
            secret_mac: None,
            updated_at: NOW,
        };
        write(&store, move |tx| {
            tx.put_document(DocumentKind::Other, &document)
        });
    }
    let mut heard = Vec::new();
    let target = fresh.beside("backup.db");
    store
        .backup(&target, |copied, total| {
            heard.push((copied, total));
            // A bound, so that a backup that starts over fails this test instead of hanging it.
            if heard.len() < 50 {
                let n = heard.len();
                write(&store, move |tx| tx.set_meta("n", &n.to_string()));
            }
        })
        .unwrap();
    assert!(heard.len() > 1 && heard.len() < 50, "{heard:?}");
    assert!(heard.is_sorted(), "{heard:?}");
    let (copied, total) = *heard.last().unwrap();
    assert_eq!(copied, total);
    let copy = Store::open(&Options::new(&target).not_durable()).unwrap();
    assert_eq!(meta(&copy, "n"), None);
    assert_eq!(
        read(&copy, |tx| tx.documents(DocumentKind::Other)).len(),
        40
    );
}

#[test]
fn a_backup_never_overwrites() {
    let fresh = Fresh::sqlite();
    let store = fresh.open();
    let target = fresh.beside("backup.db");
    std::fs::write(&target, "precious").unwrap();
    let answer = store.backup(&target, |_, _| {});
    assert!(matches!(answer, Err(StoreError::Refused(_))), "{answer:?}");
    assert_eq!(std::fs::read_to_string(&target).unwrap(), "precious");
}

#[test]
fn a_damaged_backup_is_not_restored() {
    let fresh = Fresh::sqlite();
    let store = fresh.open();
    write(&store, |tx| {
        (0..500).try_for_each(|n| tx.insert_session(&sample::session(n)))
    });
    store.close();
    // Four pages in the midst of the sessions.
    let mut bytes = std::fs::read(fresh.path()).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 4 * 4096].fill(0x55);
    std::fs::write(fresh.path(), bytes).unwrap();
    let store = fresh.reopen();
    let answer = store.restore(false, NOW);
    assert!(
        matches!(&answer, Err(StoreError::Refused(words)) if words.contains("damaged")),
        "{answer:?}"
    );
    // The readers that met the damage go on reading what is whole.
    for _ in 0..5 {
        assert_eq!(read(&store, |tx| tx.epoch()), 0);
    }
}
