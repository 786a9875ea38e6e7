//! What surprises in settings that are each fine alone: a client beside its tenant's session, an API
//! beside its clients.

use super::Findings;
use super::change::{Change, Kind};
use super::present::Present;
use super::read::{Object, Wanted};
use serde::de::DeserializeOwned;
use tenure_protocol::limits::{Caps, Limits};
use tenure_protocol::model::{Api, AppType, Client, CookieMode, Tenant};
use tenure_protocol::refresh::Policy;
use tenure_store::DocumentKind;

/// Warns about what the file says, judged with everything that will be there.
pub fn check(
    wanted: &Wanted,
    changes: &[Change],
    present: &Present,
    caps: &Caps,
    findings: &mut Findings,
) {
    let after = After { changes, present };
    let tenant: Tenant = after
        .find(DocumentKind::Tenant, "tenant")
        .unwrap_or_default();
    let limits = Limits::of(
        &tenant,
        tenant.session_cookie.mode == CookieMode::Persistent,
        caps,
    );
    let default = tenant
        .default_audience
        .as_ref()
        .filter(|text| !text.is_empty());
    if let (Some(object), Some(audience)) = (&wanted.tenant, default) {
        match after.find::<Api>(DocumentKind::Api, audience) {
            None => findings.warn(
                object.line_of("default_audience"),
                format!("default_audience: there is no API {audience}"),
            ),
            Some(api) if !api.allow_offline_access => findings.warn(
                object.line_of("default_audience"),
                format!(
                    "default_audience: the API {audience} does not set allow_offline_access, so offline_access \
                     is dropped and nobody gets a refresh token without naming another audience"
                ),
            ),
            Some(_) => {}
        }
    }
    for object in &wanted.clients {
        if let Some(client) = after.client(object) {
            lifetimes(&client, &limits, object, findings);
        }
    }
}

fn lifetimes(client: &Client, limits: &Limits, object: &Object, findings: &mut Findings) {
    let says = |name: &str, member: &str| {
        object
            .body
            .get(name)
            .is_some_and(|inner| inner.get(member).is_some())
    };
    let lifetime = client.jwt_configuration.lifetime_in_seconds;
    if says("jwt_configuration", "lifetime_in_seconds") && lifetime > limits.absolute_lifetime {
        findings.warn(
            object.line_of("jwt_configuration"),
            format!(
                "client {}: ID tokens of {lifetime} s would outlive the session of {} s: without an offline \
                 refresh token they are cut to it",
                client.name, limits.absolute_lifetime
            ),
        );
    }
    let in_browser = matches!(client.app_type, AppType::Spa | AppType::RegularWeb);
    let idle = Policy::of(&client.refresh_token, client.is_public()).idle_timeout;
    if let Some(idle) = idle
        && in_browser
        && client.allows_grant("refresh_token")
        && says("refresh_token", "idle_token_lifetime")
        && idle > limits.idle_timeout
    {
        findings.warn(
            object.line_of("refresh_token"),
            format!(
                "client {}: an offline refresh token may rest for {idle} s, a session for {} s: the person stays \
                 signed in here after the session ended",
                client.name, limits.idle_timeout
            ),
        );
    }
}

/// What the installation will have.
struct After<'a> {
    changes: &'a [Change],
    present: &'a Present,
}

impl After<'_> {
    fn find<T: DeserializeOwned>(&self, kind: DocumentKind, id: &str) -> Option<T> {
        let planned = self
            .changes
            .iter()
            .find(|change| change.document_kind() == Some(kind) && change.id == id);
        let body = match planned {
            Some(change) if change.kind == Kind::Delete => return None,
            Some(change) => change.document_body()?.clone(),
            None => serde_json::Value::Object(self.present.body(kind, id)?),
        };
        serde_json::from_value(body).ok()
    }

    /// The client that an object of the file became.
    fn client(&self, object: &Object) -> Option<Client> {
        let planned = self.changes.iter().find(|change| {
            change.document_kind() == Some(DocumentKind::Client) && change.line == object.line
        })?;
        serde_json::from_value(planned.document_body()?.clone()).ok()
    }
}
