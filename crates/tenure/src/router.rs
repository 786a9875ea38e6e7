//! One page, every route.

use crate::api;
use crate::app::App;
use crate::oidc::answer::Leaves;
use crate::oidc::{
    authorize, consent, cors, discovery, introspect, knowing, login, logout, par, revoke, token,
    upstream, userinfo,
};
use crate::pages::Reader;
use crate::{http as http_edge, operations, pages, respond};
use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{MethodRouter, any, get, post};
use http::{HeaderValue, Method, StatusCode, header};
use std::sync::Arc;

pub fn router(app: Arc<App>) -> Router {
    let mut router = Router::new()
        .route(
            "/.well-known/openid-configuration",
            get(discovery::configuration).options(cors::public_preflight),
        )
        .route(
            "/.well-known/oauth-authorization-server",
            get(discovery::configuration).options(cors::public_preflight),
        )
        .route(
            "/.well-known/jwks.json",
            get(discovery::jwks).options(cors::public_preflight),
        )
        .route(
            "/authorize",
            navigation(get(authorize::handle).post(authorize::handle), "GET, POST"),
        )
        .route("/login", get(login::handle).post(login::handle))
        .route("/login/upstream", navigation(get(upstream::choose), "GET"))
        .route(
            upstream::CALLBACK,
            navigation(get(upstream::callback), "GET"),
        )
        .route(
            "/connections/{name}/backchannel-logout",
            post(upstream::backchannel_logout),
        )
        .route(
            "/oauth/global-token-revocation/connection/{name}",
            post(upstream::revocation::handle),
        )
        .route("/consent", get(consent::handle).post(consent::handle))
        .route("/oauth/token", post(token::handle).options(token::handle))
        .route(
            "/oauth/revoke",
            post(revoke::handle).options(revoke::handle),
        )
        .route("/oauth/introspect", post(introspect::handle))
        .route("/oauth/par", post(par::handle))
        .route(
            "/userinfo",
            get(userinfo::handle)
                .post(userinfo::handle)
                .options(userinfo::handle),
        )
        .route(
            "/oidc/logout",
            navigation(get(logout::oidc).post(logout::oidc), "GET, POST"),
        )
        .route("/v2/logout", navigation(get(logout::v2), "GET"))
        .route("/logout/anyway", post(logout::anyway))
        .route("/logout/upstream", post(upstream::farewell::ask))
        .route(
            upstream::farewell::CALLBACK,
            navigation(get(upstream::farewell::come_back), "GET"),
        )
        .route(
            "/session/status",
            get(knowing::status::handle).options(knowing::status::handle),
        )
        .route(
            "/session/extend",
            post(knowing::extend::handle).options(knowing::extend::handle),
        )
        .route(
            "/session/events",
            get(knowing::events::handle)
                .head(events_head)
                .options(knowing::events::handle),
        )
        .nest("/api/v2", api::routes(&app))
        .route("/assets/tenure.css", get(pages::style))
        .route("/healthz", get(operations::healthz))
        .route("/readyz", get(operations::readyz))
        .route("/", any(operations::home));
    if app.config.metrics_listen.is_none() {
        router = router.route("/metrics", get(operations::metrics));
    }
    if app.config.manual_clock {
        router = router.route(
            "/dev/clock",
            get(operations::clock).post(operations::move_clock),
        );
    }
    router
        .fallback(operations::not_found)
        .layer(from_fn_with_state(app.clone(), around))
        .with_state(app)
}

/// A stream has no length and no end that a `HEAD` could tell.
async fn events_head() -> StatusCode {
    StatusCode::METHOD_NOT_ALLOWED
}

/// An installation that moved answers nothing any more, but that its process lives.
fn is_served_elsewhere(route: Option<&MatchedPath>) -> bool {
    route.is_none_or(|route| route.as_str() != "/healthz")
}

/// A route whose `GET` changes what is stored, as the protocols have it: only for a person who goes there.
fn navigation(route: MethodRouter<Arc<App>>, allow: &'static str) -> MethodRouter<Arc<App>> {
    let refused = move || async move { (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, allow)]) };
    route.head(refused).layer(from_fn(not_in_advance))
}

async fn not_in_advance(request: Request, next: Next) -> Response {
    if http_edge::is_speculative(request.headers()) {
        return respond::unavailable("nothing is done in advance: go to this address\n");
    }
    next.run(request).await
}

/// Around every request: notice changed settings, measure, and add what every answer has.
async fn around(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let began = std::time::Instant::now();
    let posted = *request.method() == Method::POST;
    let our_form = (posted && http_edge::is_from_our_page(request.headers()))
        .then(|| request.headers().clone());
    let route = request.extensions().get::<MatchedPath>().cloned();
    if let Err(error) = app.notice_changes().await {
        // The settings we have are the best there is. A handler that needs the database says so.
        tracing::warn!(
            error = format!("{error:#}"),
            "reading changed settings failed"
        );
    }
    let elsewhere = app.settings.current().elsewhere.clone();
    let mut response = match elsewhere {
        Some(where_it_is) if is_served_elsewhere(route.as_ref()) => {
            respond::unavailable(&format!("{where_it_is}\n"))
        }
        _ => next.run(request).await,
    };
    if let Some(headers) = our_form
        && response.extensions().get::<Leaves>().is_some()
    {
        response = pages::by_page(&app, Reader::from(&headers), response);
    }
    if posted && response.status() == StatusCode::FOUND {
        *response.status_mut() = StatusCode::SEE_OTHER;
    }
    let headers = response.headers_mut();
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    if app.config.base_url.is_https() {
        headers.insert(
            header::STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=31536000"),
        );
    }
    let route = route.as_ref().map_or("other", MatchedPath::as_str);
    app.metrics
        .request(route, response.status().as_u16(), began.elapsed());
    if response.status() == StatusCode::INTERNAL_SERVER_ERROR {
        return respond::broken(&anyhow::anyhow!("a handler answered 500"));
    }
    response
}
