//! A site: one page, its script and style, and the address at which its own server is told of logouts.

use super::{Demo, Told};
use crate::crypto::jwt::TokenKind;
use crate::crypto::keys::is_current;
use crate::http as edge;
use axum::Router;
use axum::extract::{Request, State};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderValue, StatusCode, header};
use serde_json::Value;
use std::sync::Arc;

/// Which of the two sites.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    Shop,
    Forum,
}

impl Which {
    /// Its client id.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Shop => "shop",
            Self::Forum => "forum",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Shop => "Oak & Ember — shop",
            Self::Forum => "The Commons — forum",
        }
    }

    const fn script(self) -> &'static str {
        match self {
            Self::Shop => include_str!("../../assets/demo/shop.js"),
            Self::Forum => include_str!("../../assets/demo/forum.js"),
        }
    }
}

const PAGE: &str = include_str!("../../assets/demo/page.html");
const STYLE: &str = include_str!("../../assets/demo/site.css");

pub fn router(demo: &Arc<Demo>, which: Which) -> Router {
    let page = page(demo, which);
    let policy = edge::header_value(policy(demo));
    Router::new()
        .route(
            "/",
            get(move || async move { ([(header::CONTENT_SECURITY_POLICY, policy)], Html(page)) }),
        )
        .route(
            "/site.js",
            get(move || async move { text("text/javascript", which.script()) }),
        )
        .route("/site.css", get(|| async { text("text/css", STYLE) }))
        .route(
            "/backchannel-logout",
            post(told).with_state((demo.clone(), which)),
        )
}

/// The page, told where everything is.
fn page(demo: &Demo, which: Which) -> String {
    let (other, other_name) = match which {
        Which::Shop => (&demo.at.forum, "forum"),
        Which::Forum => (&demo.at.shop, "shop"),
    };
    PAGE.replace("{title}", &which.title().replace('&', "&amp;"))
        .replace("{client}", which.name())
        .replace("{issuer}", &demo.app.issuer)
        .replace("{api}", &demo.at.api)
        .replace("{other-name}", other_name)
        .replace("{other}", other)
}

/// Scripts only from here, requests only to the server and the API, frames only of the server.
fn policy(demo: &Demo) -> String {
    let (server, api) = (&demo.at.server, &demo.at.api);
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; worker-src blob:; \
         connect-src {server} {api}; frame-src {server}; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    )
}

fn text(kind: &'static str, text: &'static str) -> Response {
    let kind = edge::header_value(format!("{kind}; charset=utf-8"));
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, text).into_response()
}

/// Takes a logout token as a relying party does (Back-Channel Logout 1.0 section 2.6): signature,
/// issuer, audience, expiry, the event, and a `sid`.
async fn told(State((demo, which)): State<(Arc<Demo>, Which)>, request: Request) -> Response {
    let (parts, body) = match edge::read_body(request).await {
        Ok(read) => read,
        Err(response) => return response,
    };
    let token = edge::body_params(&parts.headers, &body)
        .and_then(|params| params.get("logout_token").map(|t| t.map(str::to_owned)));
    let Ok(Some(token)) = token else {
        return refused("there is no logout_token");
    };
    let now = demo.app.clock.now();
    let ring = demo.app.ring();
    let Some(claims) = ring.verify(&token, TokenKind::Logout, &demo.app.issuer) else {
        return refused("the logout token does not hold");
    };
    let claim = |name: &str| claims.get(name).and_then(Value::as_str);
    let event = "http://schemas.openid.net/event/backchannel-logout";
    let is_logout = claims.get("events").is_some_and(|e| e.get(event).is_some());
    if claim("aud") != Some(which.name()) || !is_current(&claims, now) || !is_logout {
        return refused("the logout token is not for this site, or not of now");
    }
    demo.remember(Told {
        site: which.name(),
        sid: claim("sid").unwrap_or_default().to_owned(),
        reason: claim("reason").unwrap_or_default().to_owned(),
        at: now,
    });
    (StatusCode::OK, [(header::CACHE_CONTROL, "no-store")]).into_response()
}

fn refused(why: &str) -> Response {
    let body = serde_json::json!({ "error": "invalid_request", "error_description": why });
    crate::respond::json(StatusCode::BAD_REQUEST, &body)
}
