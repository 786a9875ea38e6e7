//! Identities at other providers, and the upstream sessions behind ours.

use crate::fresh::Fresh;
use crate::sample::{self, NOW, session, sid, user, user_id};
use crate::support::{read, write};
use crate::variety::Dice;
use tenure_protocol::session::EndReason;
use tenure_store::{Identity, UpstreamSession, UpstreamWhom};

fn identity(n: u32) -> Identity {
    Identity {
        connection: "corp".to_owned(),
        issuer: "https://idp.example/".to_owned(),
        subject: format!("subject {n}"),
        user_id: user_id(n),
        body: "{}".to_owned(),
        linked_at: NOW,
        last_login_at: NOW,
    }
}

pub fn upstream(n: u32) -> UpstreamSession {
    UpstreamSession {
        sid: sid(n),
        connection: "corp".to_owned(),
        user_id: user_id(n),
        issuer: "https://idp.example/".to_owned(),
        subject: "ada".to_owned(),
        upstream_sid: Some(format!("up-{n}")),
        auth_time: None,
        session_expiry: None,
        began_at: NOW,
        confirmed_at: NOW,
        confirm_due_at: None,
        confirm_failures: 0,
        confirm_error: None,
        acr: None,
        amr: Vec::new(),
        sealed: None,
        ended_at: None,
        ended_by: None,
    }
}

fn find(store: &tenure_store::Store, wanted: &Identity) -> Option<Identity> {
    let wanted = wanted.clone();
    read(store, move |tx| {
        tx.identity(&wanted.connection, &wanted.issuer, &wanted.subject)
    })
}

pub fn a_subject_leads_to_one_user_for_good(fresh: &Fresh) {
    let store = fresh.open();
    let first = identity(1);
    let row = first.clone();
    assert!(write(&store, move |tx| tx.put_identity(&row)));
    let later = Identity {
        body: r#"{"name":"Ada"}"#.to_owned(),
        linked_at: NOW.plus(5),
        last_login_at: NOW.plus(5),
        ..first.clone()
    };
    let row = later.clone();
    assert!(write(&store, move |tx| tx.put_identity(&row)));
    let expected = Identity {
        linked_at: NOW,
        ..later
    };
    assert_eq!(find(&store, &first), Some(expected.clone()));
    let stolen = Identity {
        user_id: user_id(2),
        ..first.clone()
    };
    assert!(!write(&store, move |tx| tx.put_identity(&stolen)));
    assert_eq!(find(&store, &first), Some(expected.clone()));
    // Another issuer's subject of the same name is another person.
    let other = Identity {
        issuer: "https://other.example/".to_owned(),
        ..first.clone()
    };
    assert_eq!(find(&store, &other), None);
    assert_eq!(
        read(&store, |tx| tx.identities_of_user(&user_id(1))),
        [expected]
    );
    assert_eq!(read(&store, |tx| tx.identities_of_user(&user_id(2))), []);
}

pub fn identities_go_with_their_user(fresh: &Fresh) {
    let store = fresh.open();
    write(&store, |tx| {
        tx.put_user(&user(1))?;
        tx.put_identity(&identity(1))?;
        tx.put_identity(&identity(2))?;
        tx.delete_user(&user_id(1))
    });
    assert_eq!(find(&store, &identity(1)), None);
    assert_eq!(find(&store, &identity(2)), Some(identity(2)));
}

pub fn what_is_written_of_an_upstream_session_is_read(fresh: &Fresh) {
    let store = fresh.open();
    let mut dice = Dice::new(31);
    for n in 0..50 {
        let row = UpstreamSession {
            user_id: dice.text(),
            issuer: dice.text(),
            subject: dice.text(),
            upstream_sid: dice.flip().then(|| dice.text()),
            auth_time: dice.flip().then(|| dice.instant()),
            session_expiry: dice.flip().then(|| dice.instant()),
            began_at: dice.instant(),
            confirmed_at: dice.instant(),
            confirm_due_at: dice.flip().then(|| dice.instant()),
            confirm_failures: dice.number(),
            confirm_error: dice.flip().then(|| dice.text()),
            acr: dice.flip().then(|| dice.text()),
            amr: vec![dice.text(), dice.text()],
            sealed: dice.flip().then(|| dice.bytes::<40>().to_vec()),
            ended_at: dice.flip().then(|| dice.instant()),
            ended_by: dice.flip().then(|| dice.text()),
            ..upstream(n)
        };
        let (first, then) = (upstream(n), row.clone());
        write(&store, move |tx| {
            tx.put_upstream_session(&first)?;
            tx.put_upstream_session(&then)
        });
        assert_eq!(read(&store, move |tx| tx.upstream_sessions(&sid(n))), [row]);
    }
    assert_eq!(read(&store, |tx| tx.upstream_sessions(&sid(99))), []);
}

pub fn a_provider_finds_its_own_sessions_and_no_others(fresh: &Fresh) {
    let store = fresh.open();
    let ended = UpstreamSession {
        ended_at: Some(NOW),
        ended_by: Some("logout".to_owned()),
        ..upstream(3)
    };
    let elsewhere = UpstreamSession {
        connection: "other".to_owned(),
        ..upstream(4)
    };
    let former = UpstreamSession {
        issuer: "https://former.example/".to_owned(),
        ..upstream(5)
    };
    let nameless = UpstreamSession {
        upstream_sid: None,
        subject: "bob".to_owned(),
        ..upstream(6)
    };
    write(&store, move |tx| {
        for row in [upstream(1), upstream(2)] {
            tx.put_upstream_session(&row)?;
        }
        for row in [&ended, &elsewhere, &former, &nameless] {
            tx.put_upstream_session(row)?;
        }
        Ok(())
    });
    let behind = |whom: UpstreamWhom<'static>, after, most| {
        read(&store, move |tx| {
            tx.sessions_behind("corp", "https://idp.example/", whom, after, most)
        })
    };
    use UpstreamWhom::{Session, Subject};
    assert_eq!(behind(Session("up-1"), None, 9), [sid(1)]);
    for of_nobody in ["up-3", "up-4", "up-5", "up-6", ""] {
        assert_eq!(behind(Session(of_nobody), None, 9), [], "{of_nobody}");
    }
    assert_eq!(behind(Subject("ada"), None, 9), [sid(1), sid(2)]);
    assert_eq!(behind(Subject("ada"), None, 1), [sid(1)]);
    assert_eq!(behind(Subject("ada"), Some(sid(1)), 9), [sid(2)]);
    assert_eq!(behind(Subject("bob"), None, 9), [sid(6)]);
}

pub fn an_upstream_session_is_swept_with_its_session(fresh: &Fresh) {
    let store = fresh.open();
    write(&store, |tx| {
        tx.insert_session(&session(1).ended(sample::end(EndReason::Idle)))?;
        tx.put_upstream_session(&upstream(1))?;
        tx.put_upstream_session(&upstream(2))?;
        let far = NOW.plus(100 * sample::DAY);
        tx.sweep_sessions(Default::default(), far, far, 9)
    });
    assert_eq!(read(&store, |tx| tx.upstream_sessions(&sid(1))), []);
    assert_eq!(read(&store, |tx| tx.upstream_sessions(&sid(2))).len(), 1);
}
