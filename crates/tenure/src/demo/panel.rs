//! The panel's endpoints: look at a session with all that hangs on it, change limits, move the clock,
//! end the session. Each does it by the code that the command line uses.

use super::{Demo, EMAIL, guard, tenant};
use crate::graph::{Graph, Rows};
use crate::http as edge;
use crate::http::iso_date;
use crate::oidc::sessions::{Judge, end_session};
use crate::{operations, respond, users};
use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::post;
use http::{StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::sync::Arc;
use tenure_protocol::Sid;
use tenure_protocol::session::{End, EndReason};

pub fn router(demo: &Arc<Demo>) -> Router {
    let guarded = axum::middleware::from_fn_with_state(demo.clone(), guard::panel);
    Router::new()
        .route("/demo/look", post(look).options(preflight))
        .route("/demo/limits", post(limits).options(preflight))
        .route("/demo/clock", post(clock).options(preflight))
        .route("/demo/end", post(end).options(preflight))
        .route("/demo/drop-cookie", post(drop_cookie).options(preflight))
        .layer(guarded)
        .with_state(demo.clone())
}

/// Answered by the guard already.
async fn preflight() -> StatusCode {
    StatusCode::NO_CONTENT
}

async fn body<T: DeserializeOwned>(request: Request) -> Result<T, Response> {
    let (_, bytes) = edge::read_body(request).await?;
    serde_json::from_slice(&bytes).map_err(|error| wrong(&error.to_string()))
}

fn wrong(why: &str) -> Response {
    respond::json(StatusCode::BAD_REQUEST, &json!({ "error": why }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Look {
    /// A session's id, from an ID token; it proves nothing and need not: the demo is nobody's secret.
    sid: Option<Sid>,
}

async fn look(State(demo): State<Arc<Demo>>, request: Request) -> Response {
    let Look { sid } = match body(request).await {
        Ok(look) => look,
        Err(response) => return response,
    };
    let app = &demo.app;
    let rows = match sid {
        Some(sid) => app.store.read(move |tx| Rows::load(tx, &sid)).await,
        None => Ok(None),
    };
    let rows = match rows {
        Ok(rows) => rows,
        Err(error) => return respond::broken(&error.into()),
    };
    let (now, settings) = (app.clock.now(), app.settings.current());
    let today = settings.limits(true, &app.config.caps);
    let session = rows.as_ref().map(|rows| {
        let session = &rows.session;
        json!({
            "sid": session.sid.to_string(),
            "began_at": iso_date(session.created_at),
            "authenticated_at": iso_date(session.authenticated_at),
            "last_active_at": iso_date(session.last_active_at),
            "told": demo.told_of(&session.sid.to_string()),
        })
    });
    let graph = rows.map(|rows| Graph::of(&rows, &settings, &app.config.caps, now));
    let body = json!({
        "now": iso_date(now),
        "moved_ms": app.clock.offset_ms(),
        "today": { "idle_timeout": today.idle_timeout, "absolute_lifetime": today.absolute_lifetime },
        "session": session,
        "graph": graph,
    });
    respond::json(StatusCode::OK, &body)
}

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum NewLimits {
    Profile {
        profile: Named,
    },
    Seconds {
        idle_timeout: u32,
        absolute_lifetime: u32,
    },
}

/// The profiles that the panel offers.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Named {
    /// What the demo began with.
    Start,
    ShortLived,
    Sensitive,
    LongLived,
}

impl Named {
    fn file(self, demo: &Demo) -> String {
        match self {
            Self::Start => tenant::file(&demo.at, &demo.secrets),
            Self::ShortLived => tenant::profile(demo, "short-lived"),
            Self::Sensitive => tenant::profile(demo, "sensitive"),
            Self::LongLived => tenant::profile(demo, "long-lived"),
        }
    }
}

async fn limits(State(demo): State<Arc<Demo>>, request: Request) -> Response {
    let new = match body(request).await {
        Ok(new) => new,
        Err(response) => return response,
    };
    let text = match new {
        NewLimits::Profile { profile } => profile.file(&demo),
        NewLimits::Seconds {
            idle_timeout,
            absolute_lifetime,
        } => tenant::limits(idle_timeout, absolute_lifetime),
    };
    let app = demo.app.clone();
    let applied = tokio::task::spawn_blocking(move || tenant::apply(&app, &text)).await;
    match applied {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return wrong(&error.to_string()),
        Err(error) => return respond::broken(&error.into()),
    }
    if let Err(error) = demo.app.reload_if_changed().await {
        return respond::broken(&error);
    }
    done()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Move {
    advance_seconds: u32,
}

async fn clock(State(demo): State<Arc<Demo>>, request: Request) -> Response {
    let Move { advance_seconds } = match body(request).await {
        Ok(asked) => asked,
        Err(response) => return response,
    };
    match operations::advance(&demo.app, advance_seconds).await {
        Ok(true) => done(),
        Ok(false) => wrong("the clock stops before the year 9000"),
        Err(error) => respond::broken(&error.into()),
    }
}

#[derive(Deserialize)]
#[serde(tag = "by", rename_all = "snake_case", deny_unknown_fields)]
enum Ending {
    Administrator { sid: Sid },
    PasswordChange,
}

async fn end(State(demo): State<Arc<Demo>>, request: Request) -> Response {
    let ended = match body(request).await {
        Ok(Ending::Administrator { sid }) => by_administrator(&demo, sid).await,
        Ok(Ending::PasswordChange) => by_password_change(&demo).await,
        Err(response) => return response,
    };
    match ended {
        Ok(true) => done(),
        Ok(false) => wrong("there is no such session, or it is over"),
        Err(error) => respond::broken(&error),
    }
}

/// As `tenure session end` does.
async fn by_administrator(demo: &Demo, sid: Sid) -> anyhow::Result<bool> {
    let app = demo.app.clone();
    let now = app.clock.now();
    let ended = demo.app.store.write(move |tx| {
        let session = tx.session(&sid)?.filter(|session| session.end.is_none());
        let Some(session) = session else {
            return Ok(false);
        };
        let settings = app.settings.current();
        let judge = Judge {
            settings: &settings,
            caps: &app.config.caps,
            entropy: &app.entropy,
            metrics: Some(&app.metrics),
            now,
        };
        let end = End {
            at: now,
            reason: EndReason::AdminRevoked,
            by: "administrator".to_owned(),
            from: String::new(),
            rule: "panel".to_owned(),
        };
        end_session(tx, &session, end, judge)?;
        Ok(true)
    });
    Ok(ended.await?)
}

/// As `tenure user set-password` does. The password stays the printed one, so that the person can
/// sign in again; that it was set is what ends everything from before.
async fn by_password_change(demo: &Demo) -> anyhow::Result<bool> {
    let app = &demo.app;
    let hashed = app.passwords.hash(demo.secrets.password.clone()).await;
    let hash = hashed.map_err(|_| anyhow::anyhow!("too many passwords are being checked"))??;
    let (now, tail) = (app.clock.now(), app.entropy.token(9));
    let changed = app.store.write(move |tx| {
        let Some(row) = users::find(tx, EMAIL)? else {
            return Ok(false);
        };
        let occasion = users::Occasion {
            now,
            by: "administrator",
            from: "",
        };
        users::set_password(tx, row, hash.clone(), occasion, &tail)?;
        Ok(true)
    });
    Ok(changed.await?)
}

/// The browser keeps the cookies of all ports of this host together, so that this one can take away
/// the server's. The session knows nothing of it.
async fn drop_cookie(State(demo): State<Arc<Demo>>) -> Response {
    let mut response = done();
    let cookie = demo.app.clear_session_cookie();
    response.headers_mut().append(header::SET_COOKIE, cookie);
    response
}

fn done() -> Response {
    respond::json(StatusCode::OK, &json!({ "done": true }))
}
