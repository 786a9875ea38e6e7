//! A small application.

use crate::world::Gate;
use axum::Router;
use axum::extract::Path;
use axum::routing::{get, post};
use serde_json::json;
use std::sync::Arc;
use tenure_app::{Session, User, require_recent_login};

pub fn routes(slow: Arc<Gate>) -> Router {
    Router::new()
        .route(
            "/slow",
            get(move |session: Session| async move {
                slow.pass().await;
                session.set("slow", &true);
                session
                    .user()
                    .map_or_else(|| "nobody".to_owned(), |user| user.sub)
            }),
        )
        .route("/", get(home))
        .route("/bye", get(|| async { "bye" }))
        .route("/account", get(account))
        .route("/token", get(token))
        .route("/poll", get(|| async { "polled" }))
        .route("/cart", post(add))
        .route("/note/{length}", post(note))
        .route(
            "/pay",
            get(|user: User| async move { format!("paid by {}", user.sub) })
                .layer(require_recent_login(300)),
        )
}

async fn home(user: Option<User>) -> String {
    user.map_or_else(|| "nobody".to_owned(), |user| user.sub)
}

async fn account(user: User, session: Session) -> String {
    let items: Option<u32> = session.get("items");
    let slow: Option<bool> = session.get("slow");
    json!({"sub": user.sub, "name": user.claim("name"), "items": items, "slow": slow}).to_string()
}

async fn token(session: Session) -> String {
    match session.access_token().await {
        Ok(token) => json!({"token": token}).to_string(),
        Err(error) => json!({"error": error.to_string()}).to_string(),
    }
}

async fn add(_: User, session: Session) -> &'static str {
    let items: u32 = session.get("items").unwrap_or_default();
    session.set("items", &(items + 1));
    "added"
}

async fn note(_: User, session: Session, Path(length): Path<usize>) -> &'static str {
    session.set("note", &"x".repeat(length));
    "noted"
}
