//! Everything about one session, put together from its rows: the three layers, each limit with its
//! source, what ends it first, who took part and how far they were told, and what happened in it.

pub mod whole;

use crate::http::iso_date;
use crate::settings::Settings;
use crate::tenant_log::Entry;
use serde::Serialize;
use serde_json::{Map, Value};
use tenure_protocol::limits::{Caps, Source};
use tenure_protocol::management::RefreshTokenId;
use tenure_protocol::model::ExpiryPolicy;
use tenure_protocol::refresh::{Family, FamilyKind};
use tenure_protocol::session::{End, Session, UserStanding};
use tenure_protocol::upstream::farewell::may_be_alive;
use tenure_protocol::{Sid, Timestamp};
use tenure_store::{
    Delivery, DeliveryState, LogRow, Metadata, Participant, StoreError, Tx, UpstreamSession,
};

/// Entries of the log that are read at most.
const ENTRIES: i64 = 1_000;

/// The rows of one session.
#[derive(Debug)]
pub struct Rows {
    pub session: Session,
    pub user: UserStanding,
    pub participants: Vec<Participant>,
    pub families: Vec<Family>,
    pub deliveries: Vec<Delivery>,
    pub upstream: Vec<UpstreamSession>,
    pub log: Vec<LogRow>,
    /// What an operator's programs noted about it and its families.
    pub noted: Vec<Metadata>,
}

impl Rows {
    pub fn load(tx: &Tx<'_>, sid: &Sid) -> Result<Option<Self>, StoreError> {
        let Some(session) = tx.session(sid)? else {
            return Ok(None);
        };
        Ok(Some(Self {
            user: tx.user_standing(&session.user_id)?,
            participants: tx.participants(sid)?,
            families: tx.families_of_session(sid)?,
            deliveries: tx.deliveries_of_session(sid)?,
            upstream: tx.upstream_sessions(sid)?,
            noted: tx.metadata_of(&[*sid])?,
            log: tx.logs_of_session(&session.user_id, &sid.to_string(), ENTRIES)?,
            session,
        }))
    }
}

/// A limit that reaches the session or something that hangs on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Limit {
    pub name: &'static str,
    pub seconds: Option<i64>,
    pub at: Option<String>,
    /// `stored copy`, `setting`, `default`, `system cap`, `absolute lifetime`, `upstream session`,
    /// `client` or `API`.
    pub source: &'static str,
    /// `by itself`, `at the next activity` or `at the next refresh`.
    pub ends: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ending {
    pub at: String,
    pub reason: &'static str,
    pub rule: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub by: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub from: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FamilyNode {
    pub id: String,
    /// By which the management API knows it.
    pub refresh_token_id: String,
    pub client_id: String,
    pub kind: FamilyKind,
    pub generation: u32,
    /// The thumbprint of the DPoP key that its tokens are bound to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bound_to: Option<String>,
    pub last_exchanged_at: String,
    pub limits: Vec<Limit>,
    /// Stored, or judged now: it is over although nobody has refreshed since.
    pub end: Option<Ending>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeliveryNode {
    pub state: DeliveryState,
    pub attempts: i64,
    pub last_at: Option<String>,
    pub next_at: Option<String>,
    pub last_status: Option<i64>,
    pub last_error: Option<String>,
}

/// A relying party that took part: an application session as far as Tenure knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Application {
    pub client_id: String,
    pub name: String,
    pub first_seen_at: String,
    pub last_seen_at: String,
    pub refresh_tokens: Vec<FamilyNode>,
    /// How far it was told of the end; absent while nothing has ended.
    pub delivery: Option<DeliveryNode>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Activity {
    pub at: String,
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub client_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ip: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub details: Map<String, Value>,
}

/// A session at another identity provider, as far as it told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UpstreamNode {
    pub connection: String,
    pub issuer: String,
    pub subject: String,
    /// The provider's name for its session; without it, no logout there can name it.
    pub idp_sid: Option<String>,
    pub auth_time: Option<String>,
    pub idp_expires_at: Option<String>,
    /// What the connection makes of that expiry: `require`, `honour` or `ignore`.
    pub session_expiry: Option<ExpiryPolicy>,
    pub began_at: String,
    pub confirmed_at: String,
    pub confirm_due_at: Option<String>,
    pub confirm_failures: i64,
    pub confirm_error: Option<String>,
    pub acr: Option<String>,
    pub amr: Vec<String>,
    pub ended_at: Option<String>,
    pub ended_by: Option<String>,
    /// Whether it may still sign the person in, as far as the provider told; also after our own end.
    pub may_be_alive: bool,
}

/// One session with all that hangs on it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Graph {
    /// The sessions at other identity providers that stand behind this one.
    pub upstream: Vec<UpstreamNode>,
    pub limits: Vec<Limit>,
    /// What ends it if nothing happens; absent for one that is over.
    pub ends_first: Option<Ending>,
    /// What would end it at the next activity before that, since a setting was lowered.
    pub at_next_activity: Option<Ending>,
    /// Stored, or judged now: it is over although nobody has noticed yet.
    pub end: Option<Ending>,
    pub applications: Vec<Application>,
    pub activities: Vec<Activity>,
}

impl Graph {
    pub fn of(rows: &Rows, settings: &Settings, caps: &Caps, now: Timestamp) -> Self {
        let session = &rows.session;
        let today = settings.limits(session.persistent, caps);
        let over = session.verdict(None, rows.user, now);
        let end = match &session.end {
            Some(end) => Some(ending(end)),
            None => over.map(|verdict| judged(verdict, now)),
        };
        // With a user in good standing and the far future as now, the verdict is what comes first.
        let good = UserStanding {
            exists: true,
            blocked: false,
            valid_after: Timestamp::from_millis(i64::MIN),
        };
        let far = Timestamp::from_millis(i64::MAX);
        let first = session.verdict(None, good, far);
        let first = first.filter(|_| over.is_none());
        let stricter = session
            .verdict(Some(&today), good, far)
            .filter(|verdict| first.is_some_and(|first| verdict.since < first.since));
        Self {
            upstream: rows
                .upstream
                .iter()
                .map(|row| upstream_node(row, settings, now))
                .collect(),
            limits: session_limits(session, settings, caps),
            ends_first: first.map(|verdict| judged(verdict, far)),
            at_next_activity: stricter.map(|verdict| judged(verdict, far)),
            applications: applications(rows, settings, (end.as_ref(), now)),
            end,
            activities: rows.log.iter().map(activity).collect(),
        }
    }
}

fn upstream_node(row: &UpstreamSession, settings: &Settings, now: Timestamp) -> UpstreamNode {
    let connection = settings.connections.get(&row.connection);
    UpstreamNode {
        connection: row.connection.clone(),
        issuer: row.issuer.clone(),
        subject: row.subject.clone(),
        idp_sid: row.upstream_sid.clone(),
        auth_time: row.auth_time.map(iso_date),
        idp_expires_at: row.session_expiry.map(iso_date),
        session_expiry: connection.map(|connection| connection.expiry_policy()),
        began_at: iso_date(row.began_at),
        confirmed_at: iso_date(row.confirmed_at),
        confirm_due_at: row.confirm_due_at.map(iso_date),
        confirm_failures: row.confirm_failures,
        confirm_error: row.confirm_error.clone(),
        acr: row.acr.clone(),
        amr: row.amr.clone(),
        ended_at: row.ended_at.map(iso_date),
        ended_by: row.ended_by.clone(),
        may_be_alive: may_be_alive(row.ended_at, row.session_expiry, now),
    }
}

fn ending(end: &End) -> Ending {
    Ending {
        at: iso_date(end.at),
        reason: end.reason.name(),
        rule: end.rule.clone(),
        by: end.by.clone(),
        from: end.from.clone(),
    }
}

fn judged(verdict: tenure_protocol::session::Verdict, now: Timestamp) -> Ending {
    Ending {
        at: iso_date(verdict.since.min(now)),
        reason: verdict.reason.name(),
        rule: verdict.rule.name().to_owned(),
        by: String::new(),
        from: String::new(),
    }
}

const fn source_name(source: Source) -> &'static str {
    match source {
        Source::Setting => "setting",
        Source::Default => "default",
        Source::Cap => "system cap",
        Source::AbsoluteLifetime => "absolute lifetime",
    }
}

fn session_limits(session: &Session, settings: &Settings, caps: &Caps) -> Vec<Limit> {
    let (today, sources) = (
        settings.limits(session.persistent, caps),
        settings.sources(session.persistent, caps),
    );
    let limit = |name, seconds, at, source, ends| Limit {
        name,
        seconds: Some(seconds),
        at: Some(iso_date(at)),
        source,
        ends,
    };
    let (idle, absolute) = ("idle_timeout", "absolute_lifetime");
    let (stored, itself, activity) = ("stored copy", "by itself", "at the next activity");
    let copied = session.limits;
    let upstream = session.upstream_deadline.map(|at| Limit {
        name: "upstream_expiry",
        seconds: None,
        at: Some(iso_date(at)),
        source: "upstream session",
        ends: itself,
    });
    let confirmation = session.confirm_deadline.map(|at| Limit {
        name: "upstream_confirmation",
        seconds: None,
        at: Some(iso_date(at)),
        source: "upstream session",
        ends: itself,
    });
    let own = [
        limit(
            idle,
            copied.idle_timeout,
            session.idle_deadline,
            stored,
            itself,
        ),
        limit(
            absolute,
            copied.absolute_lifetime,
            session.absolute_deadline,
            stored,
            itself,
        ),
        limit(
            idle,
            today.idle_timeout,
            session.last_active_at.plus(today.idle_timeout),
            source_name(sources.idle_timeout),
            activity,
        ),
        limit(
            absolute,
            today.absolute_lifetime,
            session.limits_since.plus(today.absolute_lifetime),
            source_name(sources.absolute_lifetime),
            activity,
        ),
    ];
    own.into_iter()
        .chain(upstream)
        .chain(confirmation)
        .collect()
}

fn applications(
    rows: &Rows,
    settings: &Settings,
    (session_end, now): (Option<&Ending>, Timestamp),
) -> Vec<Application> {
    let mut all: Vec<Application> = rows
        .participants
        .iter()
        .map(|participant| Application {
            client_id: participant.client_id.clone(),
            name: settings
                .client(&participant.client_id)
                .map_or_else(String::new, |registered| registered.client.name.clone()),
            first_seen_at: iso_date(participant.first_seen_at),
            last_seen_at: iso_date(participant.last_seen_at),
            refresh_tokens: rows
                .families
                .iter()
                .filter(|family| family.client_id == participant.client_id)
                .map(|family| FamilyNode {
                    end: family_end(family, session_end, now),
                    ..family_node(family, settings)
                })
                .collect(),
            delivery: rows
                .deliveries
                .iter()
                .find(|delivery| delivery.client_id == participant.client_id)
                .map(delivery_node),
        })
        .collect();
    all.sort_by(|a, b| (&a.first_seen_at, &a.client_id).cmp(&(&b.first_seen_at, &b.client_id)));
    all
}

/// What has ended it; of a session-bound one, also what has ended its session.
fn family_end(family: &Family, session_end: Option<&Ending>, now: Timestamp) -> Option<Ending> {
    if let Some(end) = &family.end {
        return Some(ending(end));
    }
    let own = family
        .verdict(None, now)
        .map(|verdict| judged(verdict, now));
    let bound = session_end.filter(|_| family.kind == FamilyKind::Online);
    own.or_else(|| bound.cloned())
}

fn family_node(family: &Family, settings: &Settings) -> FamilyNode {
    let limit = |name, at: Option<Timestamp>| {
        at.map(|at| Limit {
            name,
            seconds: None,
            at: Some(iso_date(at)),
            source: "client",
            ends: "by itself",
        })
    };
    let api = family.audience.as_deref().and_then(|aud| settings.api(aud));
    let access = api.map(|api| Limit {
        name: "access_token_lifetime",
        seconds: Some(api.token_lifetime),
        at: None,
        source: "API",
        ends: "at the next refresh",
    });
    let limits = [
        limit("idle_token_lifetime", family.idle_deadline),
        limit("token_lifetime", family.absolute_deadline),
        access,
    ];
    let public = settings
        .client(&family.client_id)
        .is_some_and(|registered| registered.client.is_public());
    FamilyNode {
        bound_to: family.bound_to(public).map(str::to_owned),
        id: family.family_id.to_string(),
        refresh_token_id: refresh_token_id(family).to_string(),
        client_id: family.client_id.clone(),
        kind: family.kind,
        generation: family.generation,
        last_exchanged_at: iso_date(family.last_exchanged_at),
        limits: limits.into_iter().flatten().collect(),
        end: family.end.as_ref().map(ending),
    }
}

pub fn refresh_token_id(family: &Family) -> RefreshTokenId {
    RefreshTokenId {
        sid: family.sid,
        family_id: family.family_id,
    }
}

fn delivery_node(delivery: &Delivery) -> DeliveryNode {
    let is_pending = delivery.state == DeliveryState::Pending;
    DeliveryNode {
        state: delivery.state,
        attempts: delivery.attempts,
        last_at: delivery.last_at.map(iso_date),
        next_at: is_pending.then(|| iso_date(delivery.due_at)),
        last_status: delivery.last_status,
        last_error: delivery.last_error.clone(),
    }
}

fn activity(row: &LogRow) -> Activity {
    let entry: Entry = serde_json::from_str(&row.body).unwrap_or_default();
    Activity {
        at: iso_date(row.at),
        kind: row.kind.clone(),
        client_id: entry.client_id,
        ip: entry.ip,
        description: entry.description,
        details: entry.details,
    }
}

/// What an entry's code means, for people (contract 3.10).
pub fn code_in_words(kind: &str) -> &str {
    match kind {
        "s" => "signed in",
        "ssa" => "silent sign-in",
        "fsa" => "silent sign-in refused",
        "slo" => "signed out",
        "flo" => "sign-out refused",
        "seacft" => "code exchanged",
        "feacft" => "code exchange refused",
        "sertft" => "refreshed",
        "fertft" => "refresh refused",
        "ferrt" => "refresh token reused",
        "srrt" => "refresh tokens revoked",
        "session_revoked" => "ended",
        "oidc_backchannel_logout_succeeded" => "application told of the end",
        "oidc_backchannel_logout_failed" => "telling an application failed",
        "sapi" => "changed by a program",
        "w" => "warning",
        other => other,
    }
}
