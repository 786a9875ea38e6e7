//! The shop itself knows nothing of protocols: it asks who is signed in.

use crate::scenarios::Scenario;
use axum::Router;
use axum::body::Bytes;
use axum::http::header;
use axum::response::{Html, Redirect};
use axum::routing::{get, post};
use tenure_app::{Session, User, require_recent_login};

const PAGE: &str = include_str!("page.html");

pub fn router(scenario: &'static Scenario) -> Router {
    let pay = get(move |user: User| async move { Html(paid(scenario, &user)) });
    Router::new()
        .route(
            "/",
            get(move |user: Option<User>, session: Session| home(scenario, user, session)),
        )
        .route("/cart", post(add))
        // Whoever pays has typed the password within five minutes.
        .route("/pay", pay.layer(require_recent_login(300)))
}

/// The session monitor of @tenure/browser. It needs no session, and fetching it is no activity.
pub fn monitor(script: Bytes) -> Router {
    let types = [(header::CONTENT_TYPE, "text/javascript")];
    Router::new().route("/monitor.js", get(move || async move { (types, script) }))
}

async fn add(_: User, session: Session) -> Redirect {
    let items: u32 = session.get("items").unwrap_or_default();
    session.set("items", &items.saturating_add(1));
    Redirect::to("/")
}

async fn home(scenario: &'static Scenario, user: Option<User>, session: Session) -> Html<String> {
    let body = match user {
        Some(user) => signed_in(&user, &session).await,
        None => signed_out(&session),
    };
    Html(page(scenario, &body))
}

async fn signed_in(user: &User, session: &Session) -> String {
    let items: u32 = session.get("items").unwrap_or_default();
    let token = match session.access_token().await {
        Ok(Some(_)) => "current",
        Ok(None) => "expired, and nothing can renew it",
        Err(_) => "expired; the provider does not answer",
    };
    let upstream = user.upstream_connection().map_or_else(String::new, |name| {
        format!(
            "<p class=\"note\">Your sign-in at {} goes on when you sign out here.</p>",
            escape(name)
        )
    });
    format!(
        "<p>Hello, <strong>{name}</strong>.</p>{upstream}\
         <dl><dt>Cart</dt><dd>{items} items</dd><dt>Access token</dt><dd>{token}</dd>\
         <dt>This session ends</dt><dd><span id=\"ends\" role=\"timer\">…</span>\
         <button id=\"stay\" class=\"plain\" hidden>Stay signed in</button></dd></dl>\
         <form method=\"post\" action=\"/cart\"><button>Add boots to the cart</button></form>\
         <p><a href=\"/pay\">Pay</a></p>\
         <form method=\"post\" action=\"/logout\"><button class=\"plain\">Sign out</button></form>\
         <div id=\"ended\" role=\"alert\" hidden><h2>You are signed out</h2><p id=\"why\"></p>\
         <p><a class=\"button\" href=\"/login\">Sign in again</a></p></div>",
        name = escape(user.claim("name").unwrap_or(&user.sub)),
    )
}

fn signed_out(session: &Session) -> String {
    let why = session
        .over()
        .map_or("", |over| match over.reason.as_str() {
            "idle" => {
                "<p class=\"note\">You were signed out because nothing happened for a while.</p>"
            }
            "user_logout" => "<p class=\"note\">You signed out.</p>",
            _ => "<p class=\"note\">Your session is over.</p>",
        });
    format!(
        "{why}<p>Nobody is signed in.</p><p><a class=\"button\" href=\"/login\">Sign in</a></p>"
    )
}

fn paid(scenario: &Scenario, user: &User) -> String {
    let name = escape(user.claim("name").unwrap_or(&user.sub));
    page(
        scenario,
        &format!("<p>Thank you, {name}.</p><p><a href=\"/\">Back to the shop</a></p>"),
    )
}

fn page(scenario: &Scenario, body: &str) -> String {
    PAGE.replace("{name}", scenario.name)
        .replace("{title}", scenario.title)
        .replace("{story}", scenario.story)
        .replace("{client_id}", scenario.client_id)
        .replace("{body}", body)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
