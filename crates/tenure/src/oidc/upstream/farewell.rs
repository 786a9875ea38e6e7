//! Signing out at other providers, after here: there and back (OpenID Connect RP-Initiated Logout 1.0,
//! as the relying party).

use crate::app::App;
use crate::http;
use crate::oidc::answer;
use crate::oidc::logout::Plan;
use crate::oidc::transaction::{FORM_LIFETIME, FormGuard, form_is_ours};
use crate::pages::{self, Reader, SignedOut, StillThere};
use crate::respond::no_store;
use crate::tenant_log::{Entry, kind};
use crate::upstream::open_tokens;
use ::http::{HeaderMap, Uri, header};
use axum::extract::{Request, State};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tenure_protocol::model::Connection;
use tenure_protocol::params::Params;
use tenure_protocol::upstream::farewell::{Request as Ask, may_be_alive, way};
use tenure_protocol::{RefusalReason, Sid, Timestamp};
use tenure_store::{StoreError, Tx};

/// Where providers send people back; registered there as a post-logout redirect URI.
pub const CALLBACK: &str = "/logout/callback";

const CONTEXT: &str = "upstream farewell";
const ONCE: &str = "upstream_farewell";
/// Seconds that a person may take at the provider.
const LIFETIME: i64 = 3_600;

/// Sessions at other providers that may be alive although ours, which they stand behind, is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behind {
    pub sid: Sid,
    pub connections: Vec<String>,
    /// Whether it is known that the person wants them ended, where a request says so.
    pub agreed: bool,
}

impl Behind {
    pub fn of(tx: &Tx<'_>, sid: Sid, now: Timestamp) -> Result<Option<Self>, StoreError> {
        let rows = tx.upstream_sessions(&sid)?;
        let alive = rows
            .into_iter()
            .filter(|row| may_be_alive(row.ended_at, row.session_expiry, now));
        let connections: Vec<String> = alive.map(|row| row.connection).collect();
        Ok((!connections.is_empty()).then_some(Self {
            sid,
            connections,
            agreed: false,
        }))
    }
}

/// A round by the providers behind a session. Sealed in the form that offers it; stored while the
/// person is away, under a state that counts once.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Farewell {
    sid: Sid,
    /// Where the person is now.
    at: String,
    /// Connections that are still to be visited.
    ahead: Vec<String>,
    /// Those that could not be, and why.
    stuck: Vec<(String, Hindrance)>,
    /// What comes after the last.
    plan: Plan,
    began_at: Timestamp,
    /// A hash of the form cookie: nobody else goes on with it.
    browser: String,
}

/// Why a provider is not asked to end its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Hindrance {
    /// It ends sessions at its own pages only.
    NoWay,
    /// It does not answer.
    Away,
}

impl Farewell {
    fn of(behind: Behind, plan: Plan, cookie: &str, now: Timestamp) -> Self {
        Self {
            sid: behind.sid,
            at: String::new(),
            ahead: behind.connections,
            stuck: Vec::new(),
            plan,
            began_at: now,
            browser: hash(cookie),
        }
    }

    fn is_of_browser(&self, app: &App, headers: &HeaderMap) -> bool {
        app.form_cookie(headers).is_some_and(|cookie| {
            crate::crypto::mac::equal(hash(&cookie).as_bytes(), self.browser.as_bytes())
        })
    }
}

fn hash(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(crate::crypto::mac::sha256(text.as_bytes()))
}

/// Sends the person on the round.
pub async fn begin(app: &Arc<App>, headers: &HeaderMap, plan: Plan, behind: Behind) -> Response {
    let guard = FormGuard::for_page(app, headers);
    let farewell = Farewell::of(behind, plan, &guard.cookie, app.clock.now());
    let mut response = go(app, headers, farewell).await;
    if guard.is_new {
        response
            .headers_mut()
            .append(header::SET_COOKIE, app.set_form_cookie(&guard.cookie));
    }
    response
}

/// To the next provider that can be asked, or where the round ends.
async fn go(app: &Arc<App>, headers: &HeaderMap, mut farewell: Farewell) -> Response {
    while !farewell.ahead.is_empty() {
        let settings = app.settings.current();
        farewell.at = farewell.ahead.remove(0);
        // One that was removed meanwhile is nobody's to ask.
        let Some(connection) = settings.connections.get(&farewell.at) else {
            continue;
        };
        let hindered = match depart(app, connection, &farewell).await {
            Ok(Ok(address)) => return onward(app, headers, &farewell.plan, address),
            Ok(Err((hindrance, why))) => {
                let at = farewell.at.clone();
                farewell.stuck.push((at, hindrance));
                record_failure(app, &farewell, &why).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = hindered {
            return pages::broken(app, headers, &error.into());
        }
    }
    arrived(app, headers, &farewell).await
}

/// The provider's address. The state that it will bring back is stored by then.
async fn depart(
    app: &Arc<App>,
    connection: &Connection,
    farewell: &Farewell,
) -> Result<Result<String, (Hindrance, String)>, StoreError> {
    let asked = app.providers.provider(&app.outbound, connection).await;
    let endpoint = asked
        .as_ref()
        .ok()
        .and_then(|provider| provider.metadata.end_session_endpoint.as_deref());
    let Some(way) = way(connection, endpoint) else {
        let no_way = "the provider has no end_session_endpoint".to_owned();
        return Ok(Err(match asked {
            Err(fault) => (Hindrance::Away, fault.to_string()),
            Ok(_) => (Hindrance::NoWay, no_way),
        }));
    };
    let state = app.entropy.token(32);
    let (once, now) = (hash(&state), app.clock.now());
    let body = serde_json::to_string(farewell).unwrap_or_default();
    let (sid, at) = (farewell.sid, farewell.at.clone());
    let stored = app.store.write(move |tx| {
        tx.put_once(ONCE, &once, &body, now.plus(LIFETIME))?;
        let mut rows = tx.upstream_sessions(&sid)?.into_iter();
        Ok(rows.find(|row| row.connection == at))
    });
    let row = stored.await?;
    let tokens = row.as_ref().and_then(|row| open_tokens(app, row));
    let address = way.address(&Ask {
        client_id: &connection.options.client_id,
        id_token: tokens.as_ref().and_then(|kept| kept.id_token.as_deref()),
        return_to: &app.config.base_url.join(CALLBACK),
        state: &state,
    });
    let nowhere = || {
        let why = "the end_session_endpoint of the provider is no address".to_owned();
        (Hindrance::NoWay, why)
    };
    Ok(address.ok_or_else(nowhere))
}

/// A redirect, or a page where a redirect would end at some page's `form-action` (decision 102).
fn onward(app: &App, headers: &HeaderMap, plan: &Plan, address: String) -> Response {
    if plan.posted {
        pages::go_on(app, plan.reader(headers), address)
    } else {
        no_store(answer::redirect(address))
    }
}

/// Nobody is left to be asked.
async fn arrived(app: &Arc<App>, headers: &HeaderMap, farewell: &Farewell) -> Response {
    if farewell.stuck.is_empty()
        && let Some(address) = farewell.plan.address()
    {
        return onward(app, headers, &farewell.plan, address);
    }
    let (sid, now) = (farewell.sid, app.clock.now());
    match app.store.read(move |tx| Behind::of(tx, sid, now)).await {
        Ok(behind) => end_here(app, headers, farewell, behind),
        Err(error) => pages::broken(app, headers, &error.into()),
    }
}

/// The page of a logout that goes nowhere, or not as far as was wanted.
pub fn landing(app: &App, headers: &HeaderMap, plan: &Plan, behind: Behind) -> Response {
    let here = Farewell::of(behind.clone(), plan.clone(), "", app.clock.now());
    end_here(app, headers, &here, Some(behind))
}

fn end_here(
    app: &App,
    headers: &HeaderMap,
    farewell: &Farewell,
    behind: Option<Behind>,
) -> Response {
    let guard = FormGuard::for_page(app, headers);
    let settings = app.settings.current();
    let mut upstream = Vec::new();
    for name in behind.iter().flat_map(|behind| &behind.connections) {
        let Some(connection) = settings.connections.get(name) else {
            continue;
        };
        let hindrance = hindrance(app, connection, &farewell.stuck);
        let again = Farewell {
            at: String::new(),
            ahead: vec![name.clone()],
            stuck: Vec::new(),
            plan: Plan {
                federated: true,
                posted: true,
                ..farewell.plan.clone()
            },
            browser: hash(&guard.cookie),
            began_at: app.clock.now(),
            ..farewell.clone()
        };
        upstream.push(StillThere {
            title: connection.title().to_owned(),
            away: hindrance == Some(Hindrance::Away),
            farewell: (hindrance != Some(Hindrance::NoWay)).then(|| seal(app, &again)),
        });
    }
    let view = SignedOut {
        guard: Some(&guard),
        upstream,
        target: farewell.plan.address(),
    };
    pages::signed_out(app, farewell.plan.reader(headers), view)
}

/// What is known to stand in the way: from this round, or from the provider's metadata.
fn hindrance(
    app: &App,
    connection: &Connection,
    stuck: &[(String, Hindrance)],
) -> Option<Hindrance> {
    if let Some((_, why)) = stuck.iter().find(|(name, _)| *name == connection.name) {
        return Some(*why);
    }
    let metadata = app.providers.known(connection)?;
    match way(connection, metadata.end_session_endpoint.as_deref()) {
        Some(_) => None,
        None => Some(Hindrance::NoWay),
    }
}

fn seal(app: &App, farewell: &Farewell) -> String {
    let text = serde_json::to_vec(farewell).unwrap_or_default();
    app.master.seal_text(CONTEXT, &text, &app.entropy)
}

/// `POST /logout/upstream`: the landing page's button. The session here may be long over.
pub async fn ask(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, body) = match http::read_body(request).await {
        Ok(read) => read,
        Err(response) => return response,
    };
    let headers = &parts.headers;
    let form = Params::parse(&body).unwrap_or_default();
    let now = app.clock.now();
    let farewell = form
        .first("farewell")
        .and_then(|sealed| app.master.open_text(CONTEXT, sealed))
        .and_then(|text| serde_json::from_slice::<Farewell>(&text).ok())
        .filter(|farewell| {
            form_is_ours(&app, headers, &form)
                && farewell.is_of_browser(&app, headers)
                && !now.is_more_than(FORM_LIFETIME, farewell.began_at)
        });
    match farewell {
        Some(farewell) => go(&app, headers, farewell).await,
        None => pages::error(&app, headers, RefusalReason::MalformedRequest, None),
    }
}

/// `GET /logout/callback`: the person comes back from a provider.
pub async fn come_back(State(app): State<Arc<App>>, headers: HeaderMap, uri: Uri) -> Response {
    let params = Params::parse(uri.query().unwrap_or_default().as_bytes()).unwrap_or_default();
    let once = params.first("state").map(hash);
    let now = app.clock.now();
    let (inner, inner_headers) = (app.clone(), headers.clone());
    let taken = match once {
        None => Ok(None),
        Some(once) => {
            let write = app
                .store
                .write(move |tx| take(tx, &inner, &inner_headers, (&once, now)));
            write.await
        }
    };
    match taken {
        // A page, not a redirect: the provider may have asked by a form of its own (decision 102).
        Ok(Some(mut farewell)) => {
            farewell.plan.posted = true;
            go(&app, &headers, farewell).await
        }
        // Some providers bring no state back. Where the person wanted to go is then nobody's to say.
        Ok(None) => pages::signed_out(&app, Reader::from(&headers), SignedOut::default()),
        Err(error) => pages::broken(&app, &headers, &error.into()),
    }
}

/// Uses the state up, in the browser that was sent, and records that the upstream session is over.
fn take(
    tx: &Tx<'_>,
    app: &App,
    headers: &HeaderMap,
    (once, now): (&str, Timestamp),
) -> Result<Option<Farewell>, StoreError> {
    let Some((body, expires_at)) = tx.peek_once(ONCE, once)? else {
        return Ok(None);
    };
    let farewell: Option<Farewell> = serde_json::from_str(&body).ok();
    let Some(farewell) = farewell.filter(|farewell| farewell.is_of_browser(app, headers)) else {
        return Ok(None);
    };
    if tx.take_once(ONCE, once)?.is_none() || now >= expires_at {
        return Ok(None);
    }
    // Held, so that nobody changes what hangs on it meanwhile.
    tx.session(&farewell.sid)?;
    for mut row in tx.upstream_sessions(&farewell.sid)? {
        if row.connection == farewell.at && row.ended_at.is_none() {
            row.ended_at = Some(now);
            row.ended_by = Some("logout".to_owned());
            tx.put_upstream_session(&row)?;
        }
    }
    Ok(Some(farewell))
}

async fn record_failure(app: &App, farewell: &Farewell, why: &str) -> Result<(), StoreError> {
    let connection = farewell.at.as_str();
    tracing::info!(connection, why, "sign-out at another provider failed");
    let mut entry = Entry::new(kind::FEDERATED_LOGOUT_FAILED)
        .session(&farewell.sid)
        .detail("connection", connection)
        .describe(why);
    if let Some(client_id) = &farewell.plan.client_id {
        entry = entry.client(client_id);
    }
    let (now, tail) = (app.clock.now(), app.entropy.token(9));
    app.store.write(move |tx| entry.write(tx, now, &tail)).await
}
