//! Fills a database with live sessions and refresh token families, for `cargo xtask bench`.
//!
//! `seed DATABASE BASE_URL SESSIONS SAMPLE KEY_FILE` prints, for a random sample of the sessions, a line with
//! the session cookie's value and a refresh token. The tenant file must have been applied before.

use std::io::Write as _;
use tenure::config::{BaseUrl, DatabaseUrl};
use tenure::crypto::keys::KeyRing;
use tenure::crypto::{mac, refresh, rollover};
use tenure::database::{Pool, open_master, open_store};
use tenure::entropy::Entropy;
use tenure::http::SessionCookie;
use tenure::settings::Settings;
use tenure_protocol::limits::{Caps, Limits};
use tenure_protocol::refresh::{Family, FamilyKind, Origin};
use tenure_protocol::session::{Device, Factor, Login, Session};
use tenure_protocol::{Timestamp, refresh::Policy};
use tenure_store::Store;

const BATCH: usize = 500;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [database, base_url, sessions, sample, key_file] = arguments.as_slice() else {
        anyhow::bail!("usage: seed DATABASE BASE_URL SESSIONS SAMPLE KEY_FILE");
    };
    let key_file = std::path::Path::new(key_file);
    let database = DatabaseUrl::parse(database)?;
    let (total, sample): (usize, usize) = (sessions.parse()?, sample.parse()?);
    let issuer = BaseUrl::parse(base_url)?.issuer();
    let entropy = Entropy::system();
    let store = open_store(&database, Pool::default(), false)?;
    let master = open_master(&store, &database, Some(key_file), &entropy)?;
    let now = tenure::clock::Clock::system(0).now();
    let rows = store.read_blocking(|tx| tx.keys())?;
    let made = rollover::missing(&rows, "current", (&master, &entropy), now)?;
    store.write_blocking(move |tx| made.iter().try_for_each(|key| tx.put_key(key)))?;
    let ring = KeyRing::open(&store.read_blocking(|tx| tx.keys())?, &master)?;
    let settings = store.read_blocking(Settings::load)?;
    let limits = settings.limits(true, &Caps::default());
    let client = settings
        .client("bench-spa")
        .map(|r| r.client.clone())
        .unwrap_or_default();
    let policy = Policy::of(&client.refresh_token, true);
    let users = store.read_blocking(|tx| tx.users("", 1))?;
    let user_id = users
        .first()
        .map(|row| row.user.user_id.clone())
        .unwrap_or_default();
    let every = (total / sample.max(1)).max(1);
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    // Several batches at once: PostgreSQL answers each after a round trip.
    let (sender, batches) = std::sync::mpsc::sync_channel::<Vec<(Session, Family)>>(8);
    let batches = std::sync::Mutex::new(batches);
    std::thread::scope(|scope| {
        let writing: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| write_batches(&store, &batches, now)))
            .collect();
        for start in (0..total).step_by(BATCH) {
            let mut batch = Vec::with_capacity(BATCH);
            for index in start..(start + BATCH).min(total) {
                let secret = entropy.bytes::<32>();
                let session = session(&entropy, &user_id, &secret, limits, now);
                let family = family(&entropy, &session, &policy, &ring, now);
                if index % every == 0 {
                    let cookie = SessionCookie {
                        sid: session.sid,
                        secret,
                    };
                    let token = refresh::current(&family, &issuer, &ring).unwrap_or_default();
                    writeln!(out, "{} {token}", cookie.text())?;
                }
                batch.push((session, family));
            }
            sender.send(batch)?;
        }
        drop(sender);
        for thread in writing {
            thread
                .join()
                .map_err(|_| anyhow::anyhow!("a writer panicked"))??;
        }
        anyhow::Ok(())
    })?;
    out.flush()?;
    store.close();
    Ok(())
}

type Batches = std::sync::Mutex<std::sync::mpsc::Receiver<Vec<(Session, Family)>>>;

fn write_batches(store: &Store, batches: &Batches, now: Timestamp) -> anyhow::Result<()> {
    loop {
        let next = batches
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .recv();
        let Ok(batch) = next else { return Ok(()) };
        store.write_blocking(move |tx| {
            batch.iter().try_for_each(|(session, family)| {
                tx.insert_session(session)?;
                tx.see_participant(&session.sid, "bench-spa", now)?;
                tx.insert_family(family)
            })
        })?;
    }
}

fn session(
    entropy: &Entropy,
    user_id: &str,
    secret: &[u8; 32],
    limits: Limits,
    now: Timestamp,
) -> Session {
    let login = Login {
        user_id: user_id.to_owned(),
        secret_hash: mac::sha256(secret),
        limits,
        persistent: true,
        factors: vec![Factor {
            name: "pwd".to_owned(),
            at: now,
        }],
        device: Device {
            initial_ip: "203.0.113.7".to_owned(),
            initial_user_agent:
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".to_owned(),
            last_ip: "203.0.113.7".to_owned(),
            last_user_agent:
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".to_owned(),
        },
    };
    Session::start(entropy.sid(), login, now)
}

fn family(
    entropy: &Entropy,
    session: &Session,
    policy: &Policy,
    ring: &KeyRing,
    now: Timestamp,
) -> Family {
    let (idle_deadline, absolute_deadline) = tenure_protocol::refresh::deadlines(policy, now);
    Family {
        sid: session.sid,
        family_id: entropy.family_id(),
        client_id: "bench-spa".to_owned(),
        user_id: session.user_id.clone(),
        kind: FamilyKind::Offline,
        secret: entropy.bytes(),
        key_id: ring.refresh_current(),
        generation: 1,
        consumed: Vec::new(),
        created_at: now,
        last_exchanged_at: now,
        idle_deadline,
        absolute_deadline,
        scope: "openid profile email offline_access".to_owned(),
        audience: None,
        auth_time: now,
        amr: vec!["pwd".to_owned()],
        acr: None,
        claims: None,
        rotated_by: Origin::default(),
        foreign_repeats: 0,
        foreign_repeat_generation: 0,
        end: None,
    }
}
