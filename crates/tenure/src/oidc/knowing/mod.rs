//! What an application can know of a session, and how it extends it (design 1.5): who asks, about
//! which session, and from where.

pub mod events;
pub mod extend;
pub mod status;

use super::access::{self, Scheme, Unpresentable};
use super::cors;
use super::dpop::Proven;
use crate::app::App;
use crate::crypto::keys::is_current;
use crate::http::{self as edge, Caller, SessionCookie};
use crate::respond;
use crate::settings::Settings;
use crate::streams::Known;
use axum::extract::Request;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, header};
use serde_json::{Map, Value};
use std::sync::Arc;
use tenure_protocol::session::Session;
use tenure_protocol::status::{
    Asking, Mark, OriginOf, Proof, Site, Status, Today, is_remembered, status as tell,
};
use tenure_protocol::{RefusalReason, Sid, Timestamp};
use tenure_store::{SessionTrace, StoreError, Tx, UserRow};

/// By what a request claims to know a session.
#[derive(Debug)]
enum Credential {
    Cookie(SessionCookie),
    /// The claims of an authentic access token for the userinfo endpoint, perhaps an expired one.
    Token(Map<String, Value>),
}

/// A question about a session.
#[derive(Debug)]
pub struct Question {
    app: Arc<App>,
    settings: Arc<Settings>,
    caller: Caller,
    headers: HeaderMap,
    credential: Result<Credential, Unpresentable>,
    /// The key that its token's proof proves.
    proof: Option<Proven>,
    now: Timestamp,
}

/// The session that a question is about, and who asks.
#[derive(Debug)]
pub struct Found {
    session: Session,
    user: Option<UserRow>,
    asking: Asking,
    /// The token's client, or the participant whose origin it is.
    client_id: String,
}

/// A session as it was read, and judged.
#[derive(Debug)]
pub struct Seen {
    pub status: Status,
    pub mark: Mark,
    trace: SessionTrace,
    expires_at: Timestamp,
    absolute_deadline: Timestamp,
}

impl Seen {
    pub fn new(app: &App, session: Session, user: Option<&UserRow>, now: Timestamp) -> Self {
        let today = today(&app.settings.current(), app, session.persistent);
        let standing = UserRow::standing_of(user);
        Self {
            status: tell(&session, &today, standing, now),
            mark: Mark::of(&session, &today.limits, standing, now),
            trace: SessionTrace::of(&session),
            expires_at: session.expires_at().0,
            absolute_deadline: session.absolute_deadline,
        }
    }

    pub fn known(&self) -> Known {
        Known {
            mark: self.mark,
            trace: self.trace,
            expires_at: self.expires_at,
            absolute_deadline: self.absolute_deadline,
        }
    }
}

fn today(settings: &Settings, app: &App, persistent: bool) -> Today {
    Today {
        limits: settings.limits(persistent, &app.config.caps),
        sources: settings.sources(persistent, &app.config.caps),
    }
}

impl Question {
    /// Reads what a request presents: the token of its header, else its cookie.
    async fn read(app: Arc<App>, caller: Caller, request: Request) -> Self {
        let now = app.clock.now();
        let (parts, _) = request.into_parts();
        let headers = parts.headers;
        let endpoint = (parts.method.as_str(), parts.uri.path());
        let presented = access::presented(&app, (&headers, None), endpoint, now);
        let mut proof = None;
        let credential = match presented {
            Ok(Some(presented)) => {
                let claims = access::userinfo_claims(&app, &presented).await;
                proof.clone_from(&presented.proof);
                claims
                    .map(Credential::Token)
                    .map_err(|reason| presented.refused(reason))
            }
            Ok(None) => app
                .session_cookie(&headers)
                .map(Credential::Cookie)
                .ok_or(nothing()),
            Err(refusal) => Err(refusal),
        };
        Self {
            proof,
            settings: app.settings.current(),
            app,
            caller,
            headers,
            credential,
            now,
        }
    }

    /// Whom the question is about. `None`: no session, none of the asker's, or one that is forgotten.
    fn find(&self, tx: &Tx<'_>) -> Result<Option<Found>, StoreError> {
        let (sid, jti) = match &self.credential {
            Err(_) => return Ok(None),
            Ok(Credential::Cookie(cookie)) => (cookie.sid, ""),
            Ok(Credential::Token(claims)) => match text(claims, "sid").parse::<Sid>() {
                Ok(sid) => (sid, text(claims, "jti")),
                Err(_) => return Ok(None),
            },
        };
        let Some((session, user)) = tx.session_and_user(&sid)? else {
            return Ok(None);
        };
        if !self.is_of(&session) || !is_remembered(&session, self.now) {
            return Ok(None);
        }
        let (participants, revoked) = tx.participants_and_revocation(&sid, jti)?;
        if revoked {
            return Ok(None);
        }
        let (origin, by_origin) = self.origin_of(&participants);
        let (proof, client_id) = match &self.credential {
            Ok(Credential::Token(claims)) => {
                let hangs = match &user {
                    Some(user) => access::still_hangs(tx, claims, user, self.now)?,
                    None => false,
                };
                let standing = UserRow::standing_of(user.as_ref());
                // The end is told to whoever took part. In a live session a token that was revoked,
                // with its family or by a credential change, is worth nothing.
                if !hangs && session.over(None, standing, self.now).is_none() {
                    return Ok(None);
                }
                let client_id = access::client_id_of(claims).to_owned();
                let first_party = participants.contains(&client_id)
                    && self
                        .settings
                        .client(&client_id)
                        .is_some_and(|registered| registered.client.is_first_party);
                let proof = Proof::AccessToken {
                    current: hangs && is_current(claims, self.now),
                    first_party,
                };
                (proof, client_id)
            }
            _ => (Proof::Cookie, by_origin.unwrap_or_default()),
        };
        Ok(Some(Found {
            session,
            user,
            asking: Asking {
                proof,
                origin,
                site: site(&self.headers),
                json: is_json(&self.headers),
            },
            client_id,
        }))
    }

    /// Whether the credential is this session's: the secret decides, since a `sid` is public; and a
    /// token's user and the session's must be one (lesson CVE-2022-3916).
    fn is_of(&self, session: &Session) -> bool {
        match &self.credential {
            Ok(Credential::Cookie(cookie)) => {
                crate::crypto::mac::equal(&session.secret_hash, &cookie.hash())
            }
            Ok(Credential::Token(claims)) => text(claims, "sub") == session.user_id,
            Err(_) => false,
        }
    }

    /// Whose origin the request has, and the first participant whose it is.
    fn origin_of(&self, participants: &[String]) -> (OriginOf, Option<String>) {
        if !self.headers.contains_key(header::ORIGIN) {
            return (OriginOf::Nobody, None);
        }
        let Some(origin) = edge::origin(&self.headers) else {
            return (OriginOf::Foreign, None);
        };
        let whose = participants.iter().find(|client_id| {
            let registered = self.settings.client(client_id);
            registered.is_some_and(|r| cors::is_origin_of(&r.client, origin))
        });
        match whose {
            Some(client_id) => (OriginOf::Participant, Some(client_id.clone())),
            None if self.app.config.base_url.origin() == origin => (OriginOf::Tenure, None),
            None => (OriginOf::Foreign, None),
        }
    }

    /// That there is no such session for this asker, or what is wrong with what was presented.
    fn unknown(&self) -> Response {
        let refusal = self.credential.as_ref().err().copied();
        self.refuse(refusal.unwrap_or_else(|| self.in_scheme(RefusalReason::AccessTokenInvalid)))
    }

    fn refused(&self, reason: RefusalReason) -> Response {
        self.refuse(self.in_scheme(reason))
    }

    fn in_scheme(&self, reason: RefusalReason) -> Unpresentable {
        let scheme = match self.proof {
            Some(_) => Scheme::Dpop,
            None => Scheme::Bearer,
        };
        Unpresentable { reason, scheme }
    }

    fn refuse(&self, refusal: Unpresentable) -> Response {
        let reason = refusal.reason;
        let response = super::userinfo::refused(&self.app, refusal, self.now);
        if reason == RefusalReason::OriginNotOfParticipant {
            if let Some(origin) = edge::origin(&self.headers) {
                cors::log_refusal(&self.app, &self.caller, None, origin);
            }
            return plain(response);
        }
        self.expose(response)
    }

    /// Lets the page that asked read the answer, with the cookie or without.
    fn expose(&self, mut response: Response) -> Response {
        cors::expose(&mut response, &self.app, &self.caller, None, &self.headers);
        let headers = response.headers_mut();
        if headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
            headers.insert(
                header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
                HeaderValue::from_static("true"),
            );
        }
        plain(response)
    }
}

/// The answer to a preflight: any registered origin, with the cookie.
/// Who may read what: the one guard in front of the status and of its stream. `Err` is the answer
/// to a preflight or a refusal.
async fn to_read(
    app: &Arc<App>,
    caller: Caller,
    request: Request,
) -> Result<(Arc<Question>, Found), Response> {
    if cors::is_preflight(request.method()) {
        return Err(preflight(app, &caller, request.headers()));
    }
    let question = Question::read(app.clone(), caller, request).await;
    let question = Arc::new(question);
    let asked = question.clone();
    let found = match app.store.read(move |tx| asked.find(tx)).await {
        Ok(Some(found)) => found,
        Ok(None) => return Err(question.unknown()),
        Err(error) => return Err(respond::broken(&error.into())),
    };
    match found.asking.may_read() {
        Ok(_) => Ok((question, found)),
        Err(reason) => Err(question.refused(reason)),
    }
}

fn preflight(app: &App, caller: &Caller, headers: &HeaderMap) -> Response {
    let mut response = cors::preflight(app, caller, headers);
    let headers = response.headers_mut();
    if headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
            HeaderValue::from_static("true"),
        );
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("authorization, content-type, dpop, last-event-id"),
        );
    }
    plain(response)
}

/// What every answer has, also one that no page may read.
fn plain(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Neither token nor cookie.
const fn nothing() -> Unpresentable {
    Unpresentable {
        reason: RefusalReason::AccessTokenInvalid,
        scheme: Scheme::Bearer,
    }
}

fn told(status: &Status) -> Response {
    respond::json(http::StatusCode::OK, status)
}

fn text<'c>(claims: &'c Map<String, Value>, name: &str) -> &'c str {
    claims.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn site(headers: &HeaderMap) -> Site {
    match headers.get("sec-fetch-site").map(HeaderValue::as_bytes) {
        Some(b"cross-site") => Site::CrossSite,
        Some(b"same-site") => Site::SameSite,
        _ => Site::Here,
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let media = headers.get(header::CONTENT_TYPE);
    let media = media.and_then(|value| value.to_str().ok()).unwrap_or("");
    let media = media.split(';').next().unwrap_or_default().trim();
    media.eq_ignore_ascii_case("application/json")
}
