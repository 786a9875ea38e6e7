//! From what a provider sent to what is over here: checked, believed by its signature, carried out once.

use super::cascade::{self, Done, Heard};
use crate::app::App;
use crate::crypto::mac::sha256;
use crate::oidc::sessions::Judge;
use crate::settings::Settings;
use crate::tenant_log::{Entry, kind};
use crate::upstream::Fault;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tenure_protocol::Timestamp;
use tenure_protocol::model::Connection;
use tenure_protocol::upstream::CLOCK_SKEW;
use tenure_protocol::upstream::id_token::Proven;
use tenure_protocol::upstream::signal::{self, GIVE_UP_AFTER, MOST_QUEUED, Reach};
use tenure_store::{SignalKind, StoreError, Tx, UpstreamSignal};

/// A token's `jti` counts once.
const JTI: &str = "upstream_jti";

/// An upstream session that is over starts no session here, also if its ID token is still on the way.
const OVER: &str = "upstream_over";

/// The same of a person of whom every session there is over, for ID tokens from before.
const OVER_PERSON: &str = "upstream_over_person";

/// Seconds for which that is remembered: the longest that an ID token is believed, and a minute.
const OVER_FOR: i64 = 660;

/// What was sent, with claims that hold if the signature does. They were judged when it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claimed {
    pub jti: String,
    /// When the token would be too old anyway.
    pub good_until: Timestamp,
    pub sid: Option<String>,
    pub subject: Option<String>,
    /// Where the person is named by address: whose identity it is, is looked up when it is believed.
    pub email: Option<String>,
    pub issuer: String,
    pub at: Timestamp,
    /// When the provider said it, by its clock.
    #[serde(default)]
    pub issued_at: Option<Timestamp>,
    pub from: String,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Accepted,
    /// The connection's policy is to ignore it.
    Ignored,
    /// Its `jti` was seen before: nothing was done.
    Repeated,
    /// Nobody here is meant by it.
    Nobody,
}

impl Outcome {
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Ignored => "ignored",
            Self::Repeated => "repeated",
            Self::Nobody => "nobody",
        }
    }
}

/// How far a signal of this kind reaches here today.
pub fn reach(kind: SignalKind, connection: &Connection) -> Reach {
    match kind {
        SignalKind::Logout => signal::reach(connection.upstream.backchannel_logout),
        SignalKind::Revocation => Reach::PersonAndTokens,
    }
}

/// Whether the provider signed it.
pub async fn verify(app: &App, connection: &Connection, token: &str) -> Result<(), Fault> {
    let verified = app.providers.verify(&app.outbound, connection, token).await;
    verified.map(drop)
}

/// Carries out what is believed, or the first part of it.
pub fn accept(
    tx: &Tx<'_>,
    (kind, connection): (SignalKind, &Connection),
    claimed: &Claimed,
    judge: Judge<'_>,
) -> Result<Outcome, StoreError> {
    let key = key(&connection.name, &claimed.issuer, &claimed.jti);
    if !tx.put_once(JTI, &key, "", claimed.good_until.max(judge.now))? {
        return Ok(Outcome::Repeated);
    }
    let subject = match &claimed.email {
        Some(email) => subject_of(tx, &connection.name, &claimed.issuer, email)?,
        None => claimed.subject.clone(),
    };
    let heard = Heard {
        connection: connection.name.clone(),
        issuer: claimed.issuer.clone(),
        sid: claimed.sid.clone(),
        subject,
        reach: reach(kind, connection),
        at: claimed.at,
        from: claimed.from.clone(),
        user_id: None,
        after: None,
    };
    if heard.reach == Reach::Nothing {
        return Ok(Outcome::Ignored);
    }
    remember(tx, (kind, claimed.issued_at), &heard, judge.now)?;
    let done = cascade::carry_out(tx, kind, &heard, judge)?;
    let nobody = done.ended == 0 && done.user_id.is_none();
    if !nobody {
        entry(kind, &heard, &done).write(tx, judge.now, &judge.entropy.token(9))?;
    }
    if let Some(rest) = &done.rest {
        tx.put_signal(&waiting(kind, rest, &key, judge.now))?;
    }
    Ok(if nobody {
        Outcome::Nobody
    } else {
        Outcome::Accepted
    })
}

/// For logins that are on the way. They look here in the transaction that starts a session: of two at once
/// the second waits for the first, and either the word finds the session or the login finds the word.
fn remember(
    tx: &Tx<'_>,
    (kind, told_at): (SignalKind, Option<Timestamp>),
    heard: &Heard,
    now: Timestamp,
) -> Result<(), StoreError> {
    let until = now.plus(OVER_FOR);
    let told = told_at.unwrap_or(heard.at).millis();
    let key = |name: &str| key(&heard.connection, &heard.issuer, name);
    if let Some(sid) = &heard.sid {
        tx.leave_word(OVER, &key(sid), (&told.to_string(), until))?;
    }
    // Of a token that names a session, that session alone is over there.
    let of_person = heard.sid.is_none() || kind == SignalKind::Revocation;
    if let (true, Some(subject)) = (of_person, &heard.subject) {
        let key = key(subject);
        let before = tx.hear_word(OVER_PERSON, &key, until)?;
        let later = before.is_some_and(|(before, _)| before.parse().is_ok_and(|at: i64| at > told));
        if !later {
            tx.leave_word(OVER_PERSON, &key, (&told.to_string(), until))?;
        }
    }
    Ok(())
}

/// The provider's name for whoever has this address here, if the provider vouches for them at all.
fn subject_of(
    tx: &Tx<'_>,
    connection: &str,
    issuer: &str,
    email: &str,
) -> Result<Option<String>, StoreError> {
    let Some(row) = tx.user_by_identifier("email", &email.trim().to_lowercase())? else {
        return Ok(None);
    };
    let identities = tx.identities_of_user(&row.user.user_id)?;
    let own = identities
        .into_iter()
        .find(|own| own.connection == connection && own.issuer == issuer);
    Ok(own.map(|own| own.subject))
}

/// Goes on with what was begun. `None`: everything is done.
pub fn go_on(
    tx: &Tx<'_>,
    kind: SignalKind,
    heard: &Heard,
    judge: Judge<'_>,
) -> Result<Option<Heard>, StoreError> {
    let done = cascade::carry_out(tx, kind, heard, judge)?;
    entry(kind, heard, &done).write(tx, judge.now, &judge.entropy.token(9))?;
    Ok(done.rest)
}

/// Whether the provider said that the session is over which its ID token is of.
pub fn is_over(
    tx: &Tx<'_>,
    connection: &str,
    proven: &Proven,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let until = now.plus(OVER_FOR);
    let hear = |kind, name: &str| {
        let key = key(connection, &proven.issuer, name);
        let word = tx.hear_word(kind, &key, until)?;
        let word = word.filter(|(told, until)| now < *until && !told.is_empty());
        Ok::<_, StoreError>(word.map(|(told, _)| told))
    };
    if let Some(sid) = &proven.sid
        && hear(OVER, sid)?.is_some()
    {
        return Ok(true);
    }
    let told = hear(OVER_PERSON, &proven.subject)?;
    let told_at = told.and_then(|told| told.parse().ok());
    let told_at = told_at.map(Timestamp::from_millis);
    Ok(told_at.is_some_and(|told_at| signal::is_before_word(proven.issued_at, told_at)))
}

/// What cannot be believed yet. `None`: as many wait as may, and nothing was stored.
pub fn queue(
    tx: &Tx<'_>,
    (kind, connection): (SignalKind, &str),
    (token, claimed): (&str, &Claimed),
    now: Timestamp,
) -> Result<Option<()>, StoreError> {
    // Two at once must not both be the thousandth.
    tx.enter(&format!("signals {connection}"))?;
    if tx.count_signals(connection, MOST_QUEUED)? >= MOST_QUEUED {
        return Ok(None);
    }
    let signal = UpstreamSignal {
        connection: connection.to_owned(),
        id: hash(token.as_bytes()),
        kind,
        token: token.to_owned(),
        body: serde_json::to_string(claimed).unwrap_or_default(),
        received_at: now,
        expires_at: now.plus(GIVE_UP_AFTER),
        due_at: now.plus(tenure_protocol::delivery::delay(1)),
        attempts: 0,
        last_error: None,
    };
    // One that waits already is no second row.
    tx.put_signal(&signal)?;
    Ok(Some(()))
}

/// The rest of what is believed, due at once.
fn waiting(kind: SignalKind, rest: &Heard, key: &str, now: Timestamp) -> UpstreamSignal {
    UpstreamSignal {
        connection: rest.connection.clone(),
        id: format!("rest {key}"),
        kind,
        token: String::new(),
        body: serde_json::to_string(rest).unwrap_or_default(),
        received_at: rest.at,
        expires_at: now.plus(GIVE_UP_AFTER),
        due_at: now,
        attempts: 0,
        last_error: None,
    }
}

fn entry(kind: SignalKind, heard: &Heard, done: &Done) -> Entry {
    let code = match kind {
        SignalKind::Logout => kind::UPSTREAM_LOGOUT,
        SignalKind::Revocation => kind::UNIVERSAL_LOGOUT,
    };
    Entry::new(code)
        .user(done.user_id.as_deref().unwrap_or_default())
        .from(&heard.from, "")
        .detail("connection", heard.connection.as_str())
        .detail("idp_sid", heard.sid.clone())
        .detail("sub", heard.subject.clone())
        .detail("sessions_ended", done.ended)
        .detail("more_follow", done.rest.is_some())
}

/// Something was sent that changes nothing.
pub fn log_failure(app: &App, kind: SignalKind, connection: &str, from: &str, why: &str) {
    let code = match kind {
        SignalKind::Logout => kind::UPSTREAM_LOGOUT_FAILED,
        SignalKind::Revocation => kind::UNIVERSAL_LOGOUT_FAILED,
    };
    tracing::info!(
        connection,
        why,
        "a signal of an identity provider was refused"
    );
    let entry = Entry::new(code)
        .from(from, "")
        .detail("connection", connection)
        .describe(why);
    app.log.success(&entry, app.clock.now());
}

/// Believes a signal whose claims hold, or keeps it until it can be.
pub async fn receive(
    app: &Arc<App>,
    (kind, connection): (SignalKind, &Arc<Connection>),
    token: String,
    claimed: Claimed,
) -> Result<Received, StoreError> {
    let now = claimed.at;
    match verify(app, connection, &token).await {
        Ok(()) => {}
        Err(Fault::Refused(why)) => return Ok(Received::Refused(why)),
        Err(Fault::Unreachable(why)) => {
            tracing::warn!(connection = connection.name, why, "a signal waits for keys");
            let name = connection.name.clone();
            let kept = app
                .store
                .write(move |tx| queue(tx, (kind, &name), (&token, &claimed), now));
            return Ok(kept.await?.map_or(Received::Full, |()| Received::Queued));
        }
    }
    let (inner, settings, connection) = (app.clone(), app.settings.current(), connection.clone());
    let outcome = app.store.write(move |tx| {
        let judge = judge(&inner, &settings, now);
        accept(tx, (kind, &connection), &claimed, judge)
    });
    Ok(Received::Judged(outcome.await?))
}

/// How a request that brought a signal ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    Judged(Outcome),
    Queued,
    /// The queue has no room.
    Full,
    Refused(String),
}

impl Received {
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Judged(outcome) => outcome.name(),
            Self::Queued => "queued",
            Self::Full => "full",
            Self::Refused(_) => "refused",
        }
    }
}

pub fn judge<'a>(app: &'a App, settings: &'a Settings, now: Timestamp) -> Judge<'a> {
    Judge {
        settings,
        caps: &app.config.caps,
        entropy: &app.entropy,
        metrics: Some(&app.metrics),
        now,
    }
}

/// Names of others may have any length and any characters.
fn key(connection: &str, issuer: &str, name: &str) -> String {
    // The length keeps two names apart whose parts are divided otherwise.
    let text = format!(
        "{} {} {connection} {issuer} {name}",
        connection.len(),
        issuer.len()
    );
    hash(text.as_bytes())
}

fn hash(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(sha256(bytes))
}

const _: () = assert!(OVER_FOR >= 600 + CLOCK_SKEW);
