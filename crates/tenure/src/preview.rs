//! `tenure preview`: what a change of settings would do to the sessions and families that live now.
//! Nothing is written; they are read in pages, so memory does not grow with their number.

use crate::settings::Settings;
use crate::tenantfile::known::{CLIENT, Shape, TENANT};
use crate::tenantfile::typed::typed;
use anyhow::{anyhow, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::sync::Arc;
use tenure_protocol::limits::{self, Caps, Limits};
use tenure_protocol::model::{Client, Tenant};
use tenure_protocol::preview::{self, Change, Effect};
use tenure_protocol::refresh::{Family, FamilyKind, Policy};
use tenure_protocol::session::Session;
use tenure_protocol::{FamilyId, Sid, Timestamp};
use tenure_store::{Store, StoreError, Tx, UserRow};

/// How many rows one look takes.
const PAGE: i64 = 500;

/// How many there are of each effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub live: u64,
    /// Ended by the change alone.
    pub now: u64,
    pub at_next_activity: u64,
    pub earlier: u64,
    pub never: u64,
}

impl Counts {
    fn add(&mut self, effect: Effect) {
        let counter = match effect {
            Effect::Over => return,
            Effect::Now => &mut self.now,
            Effect::AtNextActivity => &mut self.at_next_activity,
            Effect::Earlier => &mut self.earlier,
            Effect::Never => &mut self.never,
        };
        *counter += 1;
        self.live += 1;
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Preview {
    pub sessions: Counts,
    pub offline_families: Counts,
    /// Each by the stricter of its own limits and its session's.
    pub session_bound_families: Counts,
}

/// The settings as they are, and as they would be.
#[derive(Debug)]
pub struct Settling {
    from: Settings,
    tenant: Tenant,
    clients: Vec<Client>,
    caps: Caps,
}

impl Settling {
    /// Puts assignments such as `session_lifetime=8` or `client:ID.refresh_token.leeway=0` over what is there.
    ///
    /// # Errors
    /// A name that nobody knows, with the nearest; a value that cannot be, with what to write.
    pub fn new(from: Settings, assignments: &[String], caps: Caps) -> anyhow::Result<Self> {
        let mut tenant = object(&from.tenant);
        let mut clients: Vec<(String, Map<String, Value>)> = Vec::new();
        for assignment in assignments {
            let Some((name, value)) = assignment.split_once('=') else {
                bail!("--set {assignment}: write NAME=VALUE, such as session_lifetime=8");
            };
            let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
            let Some(rest) = name.strip_prefix("client:") else {
                put(&TENANT, &mut tenant, name, name, value)?;
                continue;
            };
            let (id, path) = client_of(&from, rest)?;
            let index = match clients.iter().position(|(known, _)| known == id) {
                Some(index) => index,
                None => {
                    let body = from.client(id).map(|known| object(&known.client));
                    clients.push((id.to_owned(), body.unwrap_or_default()));
                    clients.len() - 1
                }
            };
            if let Some((_, body)) = clients.get_mut(index) {
                put(&CLIENT, body, name, path, value)?;
            }
        }
        let tenant: Tenant = parsed(&tenant)?;
        if let Some(wrong) = limits::check(&tenant, &caps).first() {
            bail!("{} {}", wrong.setting, wrong.problem);
        }
        let clients = clients.iter().map(|(_, body)| parsed(body));
        Ok(Self {
            clients: clients.collect::<anyhow::Result<_>>()?,
            tenant,
            from,
            caps,
        })
    }

    fn session(&self, session: &Session, user: Option<&UserRow>, now: Timestamp) -> Effect {
        let limits = Change {
            from: self.from.limits(session.persistent, &self.caps),
            to: Limits::of(&self.tenant, session.persistent, &self.caps),
        };
        preview::session(session, UserRow::standing_of(user), &limits, now)
    }

    /// By its own limits. A family without its client or its user is over.
    fn family(&self, family: &Family, user: Option<&UserRow>, now: Timestamp) -> Effect {
        let standing = UserRow::standing_of(user);
        let stale = family.created_at < standing.valid_after;
        let Some(registered) = self.from.client(&family.client_id) else {
            return Effect::Over;
        };
        if standing.blocked || !standing.exists || stale {
            return Effect::Over;
        }
        let before = &registered.client;
        let changed = self
            .clients
            .iter()
            .find(|c| c.client_id == before.client_id);
        let after = changed.unwrap_or(before);
        let policy = Change {
            from: Policy::of(&before.refresh_token, before.is_public()),
            to: Policy::of(&after.refresh_token, after.is_public()),
        };
        preview::family(family, &policy, now)
    }

    /// A session-bound family lives by its session too.
    fn bound(&self, tx: &Tx<'_>, family: &Family, now: Timestamp) -> Result<Effect, StoreError> {
        let Some((session, user)) = tx.session_and_user(&family.sid)? else {
            return Ok(Effect::Over);
        };
        Ok(self.session(&session, user.as_ref(), now))
    }
}

/// `ID.path.of.a.setting`, where the id may have dots: the longest one that is a client's.
fn client_of<'t>(from: &Settings, text: &'t str) -> anyhow::Result<(&'t str, &'t str)> {
    let mut dots = text.match_indices('.').map(|(at, _)| text.split_at(at));
    let found = dots.rfind(|(id, _)| from.client(id).is_some());
    found.map_or_else(
        || {
            let mut known: Vec<&str> = from.clients.keys().map(String::as_str).collect();
            known.sort_unstable();
            known.truncate(10);
            Err(anyhow!(
                "--set client:{text}: write client:ID.SETTING=VALUE with the id of a client: {}",
                if known.is_empty() {
                    "there is none yet".to_owned()
                } else {
                    known.join(", ")
                }
            ))
        },
        |(id, rest)| Ok((id, rest.trim_start_matches('.'))),
    )
}

fn object(value: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

fn put(
    shape: &Shape,
    body: &mut Map<String, Value>,
    name: &str,
    path: &str,
    value: Value,
) -> anyhow::Result<()> {
    if let Err(near) = shape.find(path) {
        bail!(
            "--set {name}: there is no such setting; the nearest are {}",
            near.join(", ")
        );
    }
    // Hours and minutes are one setting: what is said last counts.
    let twin = path
        .strip_suffix("_in_minutes")
        .map_or_else(|| format!("{path}_in_minutes"), str::to_owned);
    if path.contains("session_lifetime") {
        body.remove(&twin);
    }
    let mut names = path.split('.').peekable();
    let mut target = body;
    while let Some(name) = names.next() {
        if names.peek().is_none() {
            target.insert(name.to_owned(), value);
            return Ok(());
        }
        let inner = target
            .entry(name)
            .or_insert_with(|| Value::Object(Map::new()));
        match inner {
            Value::Object(map) => target = map,
            _ => return Ok(()),
        }
    }
    Ok(())
}

fn parsed<T: DeserializeOwned>(body: &Map<String, Value>) -> anyhow::Result<T> {
    let body = body.iter().filter(|(_, value)| !value.is_null());
    let body: Map<String, Value> = body.map(|(n, v)| (n.clone(), v.clone())).collect();
    typed(&body).map_err(|faults| {
        let words: Vec<String> = faults.iter().map(ToString::to_string).collect();
        anyhow!("{}", words.join("\n"))
    })
}

/// Looks at everything that lives. `progress` hears how far it is, of 1.
///
/// # Errors
/// The database cannot be read.
pub fn run(
    store: &Store,
    settling: &Arc<Settling>,
    now: Timestamp,
    mut progress: impl FnMut(f64),
) -> Result<Preview, StoreError> {
    let mut preview = Preview::default();
    let mut after: Option<Sid> = None;
    loop {
        let inner = Arc::clone(settling);
        let page: Vec<(Sid, Effect)> = store.read_blocking(move |tx| {
            let page = tx.live_sessions((after, None), now, PAGE)?.into_iter();
            Ok(page
                .map(|(session, user)| (session.sid, inner.session(&session, user.as_ref(), now)))
                .collect())
        })?;
        page.iter()
            .for_each(|(_, effect)| preview.sessions.add(*effect));
        let Some((last, _)) = page.last().filter(|_| is_full(page.len())) else {
            break;
        };
        after = Some(*last);
        progress(share(last) / 2.0);
    }
    let mut after: Option<(Sid, FamilyId)> = None;
    loop {
        let inner = Arc::clone(settling);
        let page = store.read_blocking(move |tx| families(tx, &inner, after, now))?;
        for (_, kind, effect) in &page {
            match kind {
                FamilyKind::Offline => preview.offline_families.add(*effect),
                FamilyKind::Online => preview.session_bound_families.add(*effect),
            }
        }
        let Some((last, ..)) = page.last().filter(|_| is_full(page.len())) else {
            break;
        };
        after = Some(*last);
        progress(0.5 + share(&last.0) / 2.0);
    }
    Ok(preview)
}

type Judged = ((Sid, FamilyId), FamilyKind, Effect);

fn families(
    tx: &Tx<'_>,
    settling: &Settling,
    after: Option<(Sid, FamilyId)>,
    now: Timestamp,
) -> Result<Vec<Judged>, StoreError> {
    let page = tx.live_families(after, now, PAGE)?.into_iter();
    page.map(|(family, user)| {
        let mut effect = settling.family(&family, user.as_ref(), now);
        if family.kind == FamilyKind::Online {
            effect = effect.min(settling.bound(tx, &family, now)?);
        }
        Ok(((family.sid, family.family_id), family.kind, effect))
    })
    .collect()
}

fn is_full(rows: usize) -> bool {
    i64::try_from(rows).is_ok_and(|rows| rows >= PAGE)
}

/// Ids are random, so an id's place among all of them tells how much lies before it.
fn share(sid: &Sid) -> f64 {
    let [first, second, ..] = sid.as_bytes();
    f64::from(u16::from_be_bytes([*first, *second])) / 65_536.0
}
