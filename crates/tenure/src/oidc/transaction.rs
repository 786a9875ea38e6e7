//! A transaction: an authorization request on its way through login and consent. It travels sealed
//! in the forms, and in their addresses where it fits there, so that reload, the back button and a
//! bookmark all work and nothing needs to be stored.

use crate::app::App;
use crate::http;
use ::http::HeaderMap;
use serde::{Deserialize, Serialize};
use tenure_protocol::params::Params;
use tenure_protocol::session::Session;
use tenure_protocol::{Sid, Timestamp};

const CONTEXT: &str = "transaction";

/// A form older than this is shown anew instead of being acted upon (seconds).
pub const FORM_LIFETIME: i64 = 12 * 3600;

/// The longest sealed text that is put into an address. Proxies and browsers refuse long ones.
const MOST_IN_ADDRESS: usize = 4_000;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Transaction {
    /// The parameters of the request as a query string.
    pub query: String,
    pub began_at: Timestamp,
    /// The authentication that was made in this transaction.
    pub authenticated: Option<(Sid, Timestamp)>,
    /// The pushed request it came from; used up when the answer is issued.
    pub pushed: Option<String>,
    /// Whether the person consented in this transaction.
    pub consented: bool,
    /// Whether the identity provider behind the session was asked on the way: it is asked once.
    #[serde(default)]
    pub asked_upstream: bool,
}

impl Transaction {
    pub fn begin(params: &Params, pushed: Option<String>, now: Timestamp) -> Self {
        Self {
            query: params.to_query(),
            began_at: now,
            pushed,
            authenticated: None,
            consented: false,
            asked_upstream: false,
        }
    }

    /// Whether the session's latest authentication is the one of this transaction.
    pub fn authenticated_by(&self, session: &Session) -> bool {
        self.authenticated == Some((session.sid, session.authenticated_at))
    }

    pub fn params(&self) -> Params {
        Params::parse(self.query.as_bytes()).unwrap_or_default()
    }

    pub fn seal(&self, app: &App) -> String {
        let text = serde_json::to_vec(self).unwrap_or_default();
        app.master.seal_text(CONTEXT, &text, &app.entropy)
    }

    /// The transaction of a form that was sent, or of its address that was opened.
    pub fn of_form(app: &App, uri: &::http::Uri, form: &Params) -> Option<Self> {
        let query = Params::parse(uri.query().unwrap_or_default().as_bytes()).unwrap_or_default();
        let sealed = form.first("request").or(query.first("request"))?;
        Self::open(app, sealed)
    }

    /// `None`: not made by us.
    pub fn open(app: &App, text: &str) -> Option<Self> {
        serde_json::from_slice(&app.master.open_text(CONTEXT, text)?).ok()
    }

    /// Whether a form of this transaction may still be acted upon.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        !now.is_more_than(FORM_LIFETIME, self.began_at)
    }

    /// The same request, begun anew: nobody authenticated or consented in it.
    #[must_use]
    pub fn renewed(&self, now: Timestamp) -> Self {
        Self {
            began_at: now,
            authenticated: None,
            consented: false,
            ..self.clone()
        }
    }

    /// Where the request starts again.
    pub fn authorize_path(&self) -> String {
        match &self.pushed {
            // A pushed request is named by its reference; its parameters stay off the address.
            Some(reference) => {
                let client_id = self
                    .params()
                    .first("client_id")
                    .unwrap_or_default()
                    .to_owned();
                let query = Params::from_pairs(vec![
                    ("client_id".to_owned(), client_id),
                    ("request_uri".to_owned(), reference.clone()),
                ]);
                format!("/authorize?{}", query.to_query())
            }
            None => format!("/authorize?{}", self.query),
        }
    }
}

/// Where a form goes. The form carries the transaction; its address does as well if it is short
/// enough, for whoever opens or keeps the address alone.
pub fn form_address(path: &str, sealed: &str) -> String {
    if sealed.len() > MOST_IN_ADDRESS {
        return path.to_owned();
    }
    format!("{path}?request={sealed}")
}

/// The token that a form carries and the cookie it belongs to: together they prove that the form
/// was shown to this browser by us.
#[derive(Clone, Debug)]
pub struct FormGuard {
    pub cookie: String,
    pub token: String,
    /// Whether the cookie must be set with the page.
    pub is_new: bool,
}

impl FormGuard {
    pub fn for_page(app: &App, headers: &HeaderMap) -> Self {
        let existing = app.form_cookie(headers);
        let is_new = existing.is_none();
        let cookie = existing.unwrap_or_else(|| app.entropy.token(32));
        let token = token(app, &cookie);
        Self {
            cookie,
            token,
            is_new,
        }
    }
}

fn token(app: &App, cookie: &str) -> String {
    use base64::Engine as _;
    let mac = app.macs.csrf.mac(&[b"form", cookie.as_bytes()]);
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(mac)
}

/// Whether a posted form was shown to this browser by us: cookie and token fit, and the `Origin`, where sent, is ours.
pub fn form_is_ours(app: &App, headers: &HeaderMap, form: &Params) -> bool {
    let origin_fits =
        http::origin(headers).is_none_or(|origin| origin == app.config.base_url.as_str());
    let Some(cookie) = app.form_cookie(headers) else {
        return false;
    };
    let given = form.first("csrf").unwrap_or_default();
    origin_fits && crate::crypto::mac::equal(token(app, &cookie).as_bytes(), given.as_bytes())
}
