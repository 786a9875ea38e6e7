//! What of an application's request is asked of the identity provider in turn.

use super::authentication::acr_values;
use crate::Timestamp;
use crate::authorize::AuthorizeRequest;
use crate::model::Connection;

/// Parameters of the provider's authorization request, and what its answer must show for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Onward {
    pub parameters: Vec<(&'static str, String)>,
    /// The oldest `auth_time` that will do.
    pub fresh_since: Option<Timestamp>,
}

impl Onward {
    /// Where the connection demands it, a login that was asked for must be proven by a fresh `auth_time`,
    /// which a provider owes only to whoever sends `max_age` (OpenID Connect Core 2). `choose`: the person has signed out, and
    /// must see that they have. `chooser`: the provider's word for that (`again::chooser`).
    pub fn of(
        request: &AuthorizeRequest,
        connection: &Connection,
        choose: bool,
        chooser: &'static str,
        now: Timestamp,
    ) -> Self {
        let demand = connection.demands_fresh_auth_time();
        let acr_values = acr_values(connection, request);
        let prompt = request.prompt;
        let login = prompt.login || request.max_age == Some(0);
        let max_age = request.max_age.or((login && demand).then_some(0));
        let mut prompts: Vec<&str> = Vec::new();
        prompts.extend(login.then_some("login"));
        prompts.extend((choose || prompt.select_account).then_some(chooser));
        prompts.dedup();
        let parameters = [
            ("prompt", (!prompts.is_empty()).then(|| prompts.join(" "))),
            ("max_age", max_age.map(|age| age.to_string())),
            ("acr_values", acr_values),
            ("login_hint", request.login_hint.clone()),
            ("ui_locales", request.ui_locales.clone()),
        ];
        Self {
            parameters: parameters
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?)))
                .collect(),
            fresh_since: max_age.filter(|_| demand).map(|age| now.plus(-age)),
        }
    }
}
