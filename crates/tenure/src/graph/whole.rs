//! One session in one object, the same for `tenure session show --json` and for the management API.

use super::{Graph, Rows};
use crate::http::iso_date;
use serde_json::{Map, Value, json};
use tenure_protocol::session::Session;

/// The session in the shape of the Management API, with what Tenure knows besides.
pub fn describe(session: &Session) -> Value {
    let (expires_at, rule) = session.expires_at();
    json!({
        "id": session.sid.to_string(),
        "user_id": session.user_id,
        "created_at": iso_date(session.created_at),
        "authenticated_at": iso_date(session.authenticated_at),
        "last_interacted_at": iso_date(session.last_active_at),
        "idle_expires_at": iso_date(session.idle_deadline),
        "expires_at": iso_date(session.absolute_deadline),
        "ends_first": { "at": iso_date(expires_at), "rule": rule.name() },
        "limits": session.limits,
        "cookie": { "mode": if session.persistent { "persistent" } else { "non-persistent" } },
        "authentication": { "state": session.state, "methods": session.factors.iter()
            .map(|f| json!({"name": f.name, "timestamp": iso_date(f.at)})).collect::<Vec<_>>() },
        "device": session.device,
        "end": session.end.as_ref().map(|end| json!({
            "at": iso_date(end.at), "reason": end.reason.name(), "by": end.by,
            "from": end.from, "rule": end.rule })),
    })
}

/// The session with everything that hangs on it: what it is, and its graph.
///
/// # Errors
/// The graph cannot be written as JSON.
pub fn whole(rows: &Rows, graph: &Graph) -> Result<Value, serde_json::Error> {
    let mut whole = describe(&rows.session);
    if let (Some(map), Value::Object(more)) = (whole.as_object_mut(), serde_json::to_value(graph)?)
    {
        let families = rows.families.iter().map(|f| {
            json!({"id": f.family_id.to_string(), "client_id": f.client_id, "kind": f.kind,
                   "refresh_token_id": super::refresh_token_id(f).to_string(),
                   "generation": f.generation, "last_exchanged_at": iso_date(f.last_exchanged_at),
                   "idle_expires_at": f.idle_deadline.map(iso_date),
                   "expires_at": f.absolute_deadline.map(iso_date),
                   "end": f.end.as_ref().map(|end| end.reason.name())})
        });
        map.insert("refresh_tokens".to_owned(), families.collect());
        let clients = rows.participants.iter().map(|p| {
            json!({"client_id": p.client_id, "first_seen_at": iso_date(p.first_seen_at),
                   "last_seen_at": iso_date(p.last_seen_at)})
        });
        map.insert("clients".to_owned(), clients.collect());
        let noted = rows.noted.iter().find(|noted| noted.family_id.is_none());
        let entries = noted.map_or_else(Map::new, |noted| noted.entries.clone());
        map.insert("session_metadata".to_owned(), Value::Object(entries));
        map.extend(more);
    }
    Ok(whole)
}
