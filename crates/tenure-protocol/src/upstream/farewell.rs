//! Ending the provider's session once ours has ended (OpenID Connect RP-Initiated Logout 1.0, as the
//! relying party).

use crate::Timestamp;
use crate::model::{Connection, Preset};
use url::Url;

/// Characters that an address may have: longer ones are not accepted by every server on the way.
const MOST_OF_AN_ADDRESS: usize = 6_000;

/// Whether the person may still be signed in at the provider, as far as it told us.
pub fn may_be_alive(
    ended_at: Option<Timestamp>,
    session_expiry: Option<Timestamp>,
    now: Timestamp,
) -> bool {
    ended_at.is_none() && session_expiry.is_none_or(|expiry| now < expiry)
}

/// How the provider is asked to end its session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// The `end_session_endpoint` of its metadata.
    EndSession(String),
    /// Auth0's own, which older tenants do not name in their metadata.
    V2Logout(String),
}

/// `None`: the provider ends sessions at its own pages only, as Google does.
pub fn way(connection: &Connection, end_session_endpoint: Option<&str>) -> Option<Way> {
    if let Some(endpoint) = end_session_endpoint {
        return Some(Way::EndSession(endpoint.to_owned()));
    }
    match connection.preset {
        Some(Preset::Auth0) => {
            let issuer = connection.issuer()?;
            Some(Way::V2Logout(format!(
                "{}/v2/logout",
                issuer.trim_end_matches('/')
            )))
        }
        _ => None,
    }
}

/// What is asked of the provider.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub client_id: &'a str,
    /// The ID token of the login that is over; proof enough for most providers not to ask the person.
    pub id_token: Option<&'a str>,
    /// Where the person comes back to.
    pub return_to: &'a str,
    pub state: &'a str,
}

impl Way {
    /// Where to send the person. `None`: the provider's metadata hold no address.
    pub fn address(&self, request: &Request<'_>) -> Option<String> {
        let (endpoint, whole, short) = match self {
            Self::EndSession(endpoint) => (
                endpoint,
                end_session(request, request.id_token),
                // A provider that gets no hint asks the person, which is better than no answer at all.
                end_session(request, None),
            ),
            Self::V2Logout(endpoint) => (endpoint, v2_logout(request)?, v2_logout(request)?),
        };
        let with = |pairs: &[(&str, String)]| {
            let mut url = Url::parse(endpoint).ok()?;
            url.query_pairs_mut().extend_pairs(pairs);
            Some(String::from(url))
        };
        let address = with(&whole)?;
        if address.len() > MOST_OF_AN_ADDRESS {
            return with(&short);
        }
        Some(address)
    }
}

fn end_session(request: &Request<'_>, id_token: Option<&str>) -> Vec<(&'static str, String)> {
    let hint = id_token.map(|token| ("id_token_hint", token.to_owned()));
    let rest = [
        ("client_id", request.client_id.to_owned()),
        ("post_logout_redirect_uri", request.return_to.to_owned()),
        ("state", request.state.to_owned()),
    ];
    hint.into_iter().chain(rest).collect()
}

/// It has no `state`; the query of its `returnTo` comes back as it is, and need not be registered.
fn v2_logout(request: &Request<'_>) -> Option<Vec<(&'static str, String)>> {
    let mut return_to = Url::parse(request.return_to).ok()?;
    return_to
        .query_pairs_mut()
        .append_pair("state", request.state);
    Some(vec![
        ("client_id", request.client_id.to_owned()),
        ("returnTo", return_to.into()),
    ])
}
