//! Fills a database with live sessions and refresh token families, for `cargo xtask bench`.
//!
//! It prints, for a sample of the sessions, a line with the client, the session cookie's value and a
//! refresh token. The tenant file must have been applied before.

use clap::Parser as _;
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

#[derive(clap::Parser)]
struct Args {
    database: String,
    base_url: String,
    #[arg(long)]
    key_file: std::path::PathBuf,
    #[arg(long)]
    sessions: usize,
    /// Of so many sessions a line is printed
    #[arg(long)]
    sample: usize,
    /// Clients `rp-0`, `rp-1`, … that took part in each session
    #[arg(long, default_value_t = 0)]
    participants: usize,
    /// The sessions expire from so many seconds after now on
    #[arg(long, requires = "expire_over")]
    expire_after: Option<u32>,
    /// … spread evenly over so many seconds
    #[arg(long)]
    expire_over: Option<u32>,
}

impl Args {
    /// When this of the sessions is to end at the latest, if not by the tenant's limits.
    fn end_of(&self, index: usize, now: Timestamp) -> Option<Timestamp> {
        let (after, over) = (self.expire_after?, self.expire_over?);
        let share = index as f64 / self.sessions.max(1) as f64;
        let millis = f64::from(after).mul_add(1e3, f64::from(over) * 1e3 * share);
        Some(Timestamp::from_millis(now.millis() + millis as i64))
    }

    /// Whose family the session has: of the clients of the sample every fifth one is the other one.
    fn client(&self, index: usize) -> &'static str {
        if index / self.every() % 5 == 4 {
            "bench-spa-es"
        } else {
            "bench-spa"
        }
    }

    fn every(&self) -> usize {
        (self.sessions / self.sample.max(1)).max(1)
    }
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let database = DatabaseUrl::parse(&args.database)?;
    let issuer = BaseUrl::parse(&args.base_url)?.issuer();
    let entropy = Entropy::system();
    let store = open_store(&database, Pool::default(), false)?;
    let master = open_master(&store, &database, Some(&args.key_file), &entropy)?;
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
    let (total, every) = (args.sessions, args.every());
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    // Several batches at once: PostgreSQL answers each after a round trip.
    let (sender, batches) = std::sync::mpsc::sync_channel::<Vec<(Session, Family)>>(8);
    let batches = std::sync::Mutex::new(batches);
    std::thread::scope(|scope| {
        let writing: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| write_batches(&store, &batches, (&args, now))))
            .collect();
        for start in (0..total).step_by(BATCH) {
            let mut batch = Vec::with_capacity(BATCH);
            for index in start..(start + BATCH).min(total) {
                let secret = entropy.bytes::<32>();
                let mut session = session(&entropy, &user_id, &secret, limits, now);
                if let Some(end) = args.end_of(index, now) {
                    session.absolute_deadline = session.absolute_deadline.min(end);
                    session.idle_deadline = session.idle_deadline.min(end);
                }
                let client = args.client(index);
                let family = family(&entropy, (&session, client), &policy, &ring, now);
                if index % every == 0 {
                    let cookie = SessionCookie {
                        sid: session.sid,
                        secret,
                    };
                    let token = refresh::current(&family, &issuer, &ring).unwrap_or_default();
                    writeln!(out, "{client} {} {token}", cookie.text())?;
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

fn write_batches(
    store: &Store,
    batches: &Batches,
    (args, now): (&Args, Timestamp),
) -> anyhow::Result<()> {
    let participants = args.participants;
    loop {
        let next = batches
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .recv();
        let Ok(batch) = next else { return Ok(()) };
        store.write_blocking(move |tx| {
            batch.iter().try_for_each(|(session, family)| {
                tx.insert_session(session)?;
                tx.see_participant(&session.sid, &family.client_id, now)?;
                for number in 0..participants {
                    tx.see_participant(&session.sid, &format!("rp-{number}"), now)?;
                }
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
        upstream_deadline: None,
        persistent: true,
        factors: vec![Factor {
            name: "pwd".to_owned(),
            at: now,
            ..Factor::default()
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
    (session, client_id): (&Session, &str),
    policy: &Policy,
    ring: &KeyRing,
    now: Timestamp,
) -> Family {
    let (idle_deadline, absolute_deadline) = tenure_protocol::refresh::deadlines(policy, now);
    Family {
        sid: session.sid,
        family_id: entropy.family_id(),
        client_id: client_id.to_owned(),
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
        audience: (client_id == "bench-spa-es").then(|| "https://bench-es.example".to_owned()),
        auth_time: now,
        amr: vec!["pwd".to_owned()],
        acr: None,
        claims: None,
        rotated_by: Origin::default(),
        bearer_until: 0,
        foreign_repeats: 0,
        foreign_repeat_generation: 0,
        end: None,
    }
}
