//! `/api/v2/tenants/settings` (contract 3.1): the tenant's settings, checked as a tenant file's are.

use super::ask::Json;
use super::error::ApiError;
use super::gate::Call;
use crate::respond;
use crate::settings::Settings;
use crate::tenant_log::{Entry, kind};
use crate::tenantfile::change::{Change, Kind};
use crate::tenantfile::plan::{Planner, Present};
use crate::tenantfile::read::read;
use crate::tenantfile::yaml::Node;
use crate::tenantfile::{Findings, known};
use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use tenure_store::StoreError;

/// Each of these can also be said in minutes, which win where both are stored.
const LIFETIMES: [&str; 4] = [
    "session_lifetime",
    "idle_session_lifetime",
    "ephemeral_session_lifetime",
    "idle_ephemeral_session_lifetime",
];

pub async fn show(call: Call) -> Result<Response, ApiError> {
    let shown = shape(&call, &call.settings)?;
    Ok(respond::json(StatusCode::OK, &shown))
}

/// What is stored, with the lifetimes as they are in force: in hours, within the system's caps.
fn shape(call: &Call, settings: &Settings) -> Result<Value, ApiError> {
    let stored = serde_json::to_value(&settings.tenant);
    let stored = stored.map_err(|error| ApiError::broken(&error.into()))?;
    let mut shown = match stored {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    let caps = &call.app.config.caps;
    let (persistent, ephemeral) = (settings.limits(true, caps), settings.limits(false, caps));
    let seconds = [
        persistent.absolute_lifetime,
        persistent.idle_timeout,
        ephemeral.absolute_lifetime,
        ephemeral.idle_timeout,
    ];
    for (name, seconds) in LIFETIMES.into_iter().zip(seconds) {
        shown.remove(&in_minutes(name));
        let whole = seconds % 3_600 == 0;
        #[expect(clippy::cast_precision_loss, reason = "a year has few seconds")]
        let hours = seconds as f64 / 3_600.0;
        let hours = if whole {
            json!(seconds / 3_600)
        } else {
            json!(hours)
        };
        shown.insert(name.to_owned(), hours);
    }
    shown.retain(|_, value| !value.is_null());
    Ok(Value::Object(shown))
}

fn in_minutes(name: &str) -> String {
    format!("{name}_in_minutes")
}

/// Changes what the body names. A lowered limit bites at the next activity of each session.
pub async fn update(
    call: Call,
    Json(body): Json<Map<String, Value>>,
) -> Result<Response, ApiError> {
    let body = asked(body)?;
    let text = json!({ "tenant": body }).to_string();
    let mut findings = Findings::default();
    let node = Node::parse(&text, "body").map_err(ApiError::body)?;
    let wanted = Arc::new(read(&node, &mut findings));
    let asked = Arc::clone(&wanted);
    let present = call.app.store.read(move |tx| Present::load(tx, &asked));
    let present = present.await?;
    let planner = Planner {
        present: &present,
        macs: &call.app.macs,
        caps: &call.app.config.caps,
        entropy: &call.app.entropy,
        delete: false,
    };
    let changes = planner.plan(&wanted, &mut findings);
    let errors = findings.errors();
    if !errors.is_empty() {
        let said: Vec<&str> = errors.iter().map(|error| error.message.as_str()).collect();
        return Err(ApiError::body(said.join("; ")));
    }
    store(&call, changes).await?;
    let reloaded = call.app.reload_if_changed().await;
    reloaded.map_err(|error| ApiError::broken(&error))?;
    let shown = shape(&call, &call.app.settings.current())?;
    Ok(respond::json(StatusCode::OK, &shown))
}

/// The members that a tenant file may have as well; and one lifetime is said in one unit, which takes the
/// place of what was said in the other.
fn asked(mut body: Map<String, Value>) -> Result<Map<String, Value>, ApiError> {
    if let Some(other) = body.keys().find(|name| !known::is_setting(name)) {
        let shown: String = other.chars().take(40).collect();
        return Err(ApiError::body(format!("{shown:?} is no setting")));
    }
    for name in LIFETIMES {
        let minutes = in_minutes(name);
        match (body.contains_key(name), body.contains_key(&minutes)) {
            (true, true) => {
                let problem = format!("say {name} in hours or in minutes, not both");
                return Err(ApiError::body(problem));
            }
            (true, false) => {
                body.insert(minutes, Value::Null);
            }
            (false, true) => {
                body.insert(name.to_owned(), Value::Null);
            }
            (false, false) => {}
        }
    }
    Ok(body)
}

async fn store(call: &Call, changes: Vec<Change>) -> Result<(), ApiError> {
    let names = changes.iter().filter_map(|change| match &change.kind {
        Kind::Change(names) => Some(names.join(", ")),
        _ => None,
    });
    let entry = Entry::new(kind::CONFIGURATION)
        .describe("Update tenant settings")
        .client(&call.client_id)
        .from(&call.caller.address, &call.caller.user_agent)
        .detail("changed", names.collect::<Vec<_>>().join(", "));
    let (now, tail) = (call.now, call.app.entropy.token(9));
    let written = call.app.store.write(move |tx| {
        changes
            .iter()
            .try_for_each(|change| change.apply(tx, now))?;
        entry.write(tx, now, &tail)
    });
    match written.await {
        // Somebody else was faster; nothing was written.
        Err(StoreError::Refused(problem)) => Err(ApiError::conflict(problem)),
        other => Ok(other?),
    }
}
