//! Where a logout goes once it is done.

use crate::app::App;
use crate::oidc::answer;
use crate::oidc::upstream::farewell::{self, Behind};
use crate::oidc::upstream::left::Left;
use crate::pages::{self, Reader};
use crate::settings::Registered;
use ::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tenure_protocol::params::Params;

/// Travels sealed in the confirmation form, and on the way by other providers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Plan {
    /// Checked against the allow-lists.
    pub target: Option<String>,
    pub state: Option<String>,
    pub client_id: Option<String>,
    pub ui_locales: Option<String>,
    /// Whether the sessions at other providers are to end as well.
    pub federated: bool,
    /// Whether a form leads on: no redirect goes anywhere that the form's page does not allow.
    pub posted: bool,
}

impl Plan {
    pub fn reader<'a>(&'a self, headers: &'a HeaderMap) -> Reader<'a> {
        Reader {
            headers,
            ui_locales: self.ui_locales.as_deref(),
        }
    }

    /// The target with the state that belongs to it.
    pub fn address(&self) -> Option<String> {
        let target = self.target.as_deref()?;
        Some(with_state(target, self.state.as_deref()))
    }
}

/// Auth0's parameter: in an address its presence counts, in a form its value.
pub fn is_federated(params: &Params, posted: bool) -> bool {
    if posted {
        params.first("federated") == Some("true")
    } else {
        params.has("federated")
    }
}

/// Without a target: the first of the client's list, if there is a client.
pub fn first_target(client: Option<&Registered>) -> Option<String> {
    client?
        .client
        .allowed_logout_urls
        .first()
        .filter(|url| !url.contains('*'))
        .cloned()
}

fn with_state(target: &str, state: Option<&str>) -> String {
    let Some(state) = state else {
        return target.to_owned();
    };
    let Ok(mut url) = url::Url::parse(target) else {
        return target.to_owned();
    };
    url.query_pairs_mut().append_pair("state", state);
    url.into()
}

/// The session is over: the cookie goes, and the person goes where the application wanted, by way of
/// the providers behind the session if it wanted that as well.
pub async fn done(
    app: &Arc<App>,
    headers: &HeaderMap,
    plan: &Plan,
    behind: Option<Behind>,
) -> Response {
    let left = behind.as_ref().map(|behind| {
        let left = Left::after(Left::of(app, headers), behind);
        left.set_cookie(app)
    });
    let mut response = match (behind, plan.address()) {
        (Some(behind), _) if plan.federated && behind.agreed => {
            farewell::begin(app, headers, plan.clone(), behind).await
        }
        (Some(behind), _) if plan.federated => farewell::landing(app, headers, plan, behind),
        (_, Some(address)) => answer::onward(address),
        (Some(behind), None) => farewell::landing(app, headers, plan, behind),
        (None, None) => pages::signed_out(app, plan.reader(headers), pages::SignedOut::default()),
    };
    let headers = response.headers_mut();
    headers.append(header::SET_COOKIE, app.clear_session_cookie());
    if let Some(left) = left {
        headers.append(header::SET_COOKIE, left);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
