//! Sessions and refresh tokens as the management API shows them (contract 3.8).

use crate::http::iso_date;
use serde_json::{Value, json};
use tenure_protocol::session::Session;

/// A live session, and the clients that took part.
pub fn session(session: &Session, clients: &[String]) -> Value {
    let methods: Vec<Value> = session
        .factors
        .iter()
        .map(|factor| json!({ "name": factor.name, "timestamp": iso_date(factor.at) }))
        .collect();
    let clients: Vec<Value> = clients
        .iter()
        .map(|client_id| json!({ "client_id": client_id }))
        .collect();
    let mode = if session.persistent {
        "persistent"
    } else {
        "non-persistent"
    };
    json!({
        "id": session.sid.to_string(),
        "user_id": session.user_id,
        "created_at": iso_date(session.created_at),
        "updated_at": iso_date(session.last_active_at),
        "authenticated_at": iso_date(session.authenticated_at),
        "idle_expires_at": iso_date(session.idle_deadline),
        "expires_at": iso_date(session.absolute_deadline),
        "last_interacted_at": iso_date(session.last_active_at),
        "device": session.device,
        "clients": clients,
        "authentication": { "methods": methods },
        "cookie": { "mode": mode },
    })
}
