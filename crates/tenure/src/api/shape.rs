//! Sessions and refresh tokens as the management API shows them (contract 3.8).

use crate::graph::refresh_token_id;
use crate::http::iso_date;
use crate::settings::Settings;
use serde_json::{Map, Value, json};
use tenure_protocol::refresh::{Family, Policy};
use tenure_protocol::session::Session;
use tenure_store::{Metadata, StoreError, Tx};

/// Live sessions, each with the clients that took part and what is noted about it.
pub fn sessions(tx: &Tx<'_>, sessions: &[Session]) -> Result<Vec<Value>, StoreError> {
    let sids: Vec<_> = sessions.iter().map(|session| session.sid).collect();
    let participants = tx.participants_of(&sids)?;
    let noted = tx.metadata_of(&sids)?;
    let shown = sessions.iter().map(|session| {
        let clients = participants.iter().filter(|(sid, _)| *sid == session.sid);
        let clients: Vec<&str> = clients.map(|(_, client_id)| client_id.as_str()).collect();
        let noted = noted
            .iter()
            .find(|noted| noted.sid == session.sid && noted.family_id.is_none());
        self::session(session, &clients, noted)
    });
    Ok(shown.collect())
}

fn session(session: &Session, clients: &[&str], noted: Option<&Metadata>) -> Value {
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
    let active_at = session.last_active_at;
    let updated_at = noted.map_or(active_at, |noted| noted.updated_at.max(active_at));
    json!({
        "id": session.sid.to_string(),
        "user_id": session.user_id,
        "created_at": iso_date(session.created_at),
        "updated_at": iso_date(updated_at),
        "authenticated_at": iso_date(session.authenticated_at),
        "idle_expires_at": iso_date(session.idle_deadline),
        "expires_at": iso_date(session.absolute_deadline),
        "last_interacted_at": iso_date(active_at),
        "device": session.device,
        "clients": clients,
        "authentication": { "methods": methods },
        "cookie": { "mode": mode },
        "session_metadata": entries(noted),
    })
}

fn entries(noted: Option<&Metadata>) -> Map<String, Value> {
    noted.map_or_else(Map::new, |noted| noted.entries.clone())
}

/// Live refresh tokens, each with what is noted about it.
pub fn refresh_tokens(
    tx: &Tx<'_>,
    families: &[Family],
    settings: &Settings,
) -> Result<Vec<Value>, StoreError> {
    let sids: Vec<_> = families.iter().map(|family| family.sid).collect();
    let noted = tx.metadata_of(&sids)?;
    let shown = families.iter().map(|family| {
        let own = (family.sid, Some(family.family_id));
        let noted = noted
            .iter()
            .find(|noted| (noted.sid, noted.family_id) == own);
        refresh_token(family, settings, noted)
    });
    Ok(shown.collect())
}

fn refresh_token(family: &Family, settings: &Settings, noted: Option<&Metadata>) -> Value {
    let client = settings.client(&family.client_id).map(|r| &r.client);
    let rotating = client.is_some_and(|client| {
        let public = client.is_public();
        Policy::of(&client.refresh_token, public).rotating && !family.stays_as_it_is(public)
    });
    let resource_servers: Vec<Value> = family
        .audience
        .iter()
        .map(|audience| json!({ "audience": audience, "scopes": family.scope }))
        .collect();
    json!({
        "id": refresh_token_id(family).to_string(),
        "user_id": family.user_id,
        "client_id": family.client_id,
        "session_id": family.sid.to_string(),
        "created_at": iso_date(family.created_at),
        "last_exchanged_at": iso_date(family.last_exchanged_at),
        "idle_expires_at": family.idle_deadline.map(iso_date),
        "expires_at": family.absolute_deadline.map(iso_date),
        "rotating": rotating,
        "device": {
            "last_ip": family.rotated_by.address,
            "last_user_agent": family.rotated_by.user_agent,
        },
        "resource_servers": resource_servers,
        "scope": family.scope,
        "kind": family.kind,
        "refresh_token_metadata": entries(noted),
    })
}
