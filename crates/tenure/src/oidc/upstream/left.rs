//! The mark of a browser that signed out here and may still be signed in at a provider. It has two uses:
//! the next way through that provider must be seen, and the session there can still be ended.
//! The cookie is sealed: whoever could make one could only cause a question, and nobody can.

use super::farewell::Behind;
use crate::app::App;
use crate::http::{cookie, header_value};
use crate::oidc::authorize::Context;
use ::http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};
use tenure_protocol::Sid;
use tenure_protocol::model::Connection;
use tenure_protocol::session::EndReason;
use tenure_protocol::upstream::again::must_choose;
use tenure_store::StoreError;

const CONTEXT: &str = "upstream left";
const SUFFIX: &str = "-left";
/// Seconds: as long as sessions of providers commonly last.
const LIFETIME: i64 = 30 * 86_400;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// The session that ended last.
    pub sid: Sid,
    connections: Vec<String>,
}

impl Left {
    pub fn of(app: &App, headers: &HeaderMap) -> Option<Self> {
        let sealed = cookie(headers, &app.cookie_name(SUFFIX))?;
        serde_json::from_slice(&app.master.open_text(CONTEXT, sealed)?).ok()
    }

    /// After one more logout in the same browser.
    pub fn after(before: Option<Self>, behind: &Behind) -> Self {
        let mut connections = behind.connections.clone();
        let older = before.into_iter().flat_map(|left| left.connections);
        for name in older {
            if !connections.contains(&name) {
                connections.push(name);
            }
        }
        Self {
            sid: behind.sid,
            connections,
        }
    }

    /// `None`: this one was not left.
    fn without(mut self, connection: &str) -> Option<Self> {
        let before = self.connections.len();
        self.connections.retain(|name| name != connection);
        (self.connections.len() < before).then_some(self)
    }

    pub fn set_cookie(&self, app: &App) -> HeaderValue {
        let text = serde_json::to_vec(self).unwrap_or_default();
        let sealed = app.master.seal_text(CONTEXT, &text, &app.entropy);
        header_value(format!(
            "{}={sealed}; Max-Age={LIFETIME}{}",
            app.cookie_name(SUFFIX),
            app.cookie_attributes("Lax")
        ))
    }
}

/// The person came in through a connection again, and saw it: for that one the mark has done its duty.
pub fn seen_cookie(app: &App, headers: &HeaderMap, connection: &str) -> Option<HeaderValue> {
    let left = Left::of(app, headers)?;
    let rest = left.without(connection)?;
    if !rest.connections.is_empty() {
        return Some(rest.set_cookie(app));
    }
    let attributes = app.cookie_attributes("Lax");
    Some(header_value(format!(
        "{}=; Max-Age=0{attributes}",
        app.cookie_name(SUFFIX)
    )))
}

/// Whether the provider must ask whom to sign in, because the person signed out or was.
pub async fn asks(
    context: &Context,
    headers: &HeaderMap,
    connection: &Connection,
) -> Result<bool, StoreError> {
    let left = Left::of(&context.app, headers);
    let left = left.is_some_and(|left| left.connections.contains(&connection.name));
    Ok(must_choose(left, over(context).await?))
}

/// Why the session is over whose cookie the browser still has.
async fn over(context: &Context) -> Result<Option<EndReason>, StoreError> {
    let Some(cookie) = context.cookie else {
        return Ok(None);
    };
    let read = context.app.store.read(move |tx| tx.session(&cookie.sid));
    let session = read.await?;
    let own =
        session.filter(|session| crate::crypto::mac::equal(&session.secret_hash, &cookie.hash()));
    Ok(own.and_then(|session| session.end).map(|end| end.reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coming_back_through_one_provider_leaves_the_marks_of_the_others() {
        let sid = Sid::from_bytes([7; 16]);
        let behind = |name: &str| Behind {
            sid,
            connections: vec![name.to_owned()],
            agreed: false,
        };
        let left = Left::after(None, &behind("a"));
        let left = Left::after(Some(left), &behind("b"));
        assert_eq!(left.connections, ["b", "a"]);
        assert_eq!(left.clone().without("c"), None);
        let left = left.without("a").unwrap();
        assert_eq!(left.connections, ["b"]);
        assert_eq!(left.without("b").unwrap().connections.len(), 0);
    }
}
