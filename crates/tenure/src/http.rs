//! Between HTTP and the protocol: who calls, which cookies came, how a body reads.

use crate::app::App;
use crate::forwarded;
use axum::extract::{FromRequestParts, Request};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tenure_protocol::params::Params;
use tenure_protocol::refresh::Origin;
use tenure_protocol::session::Device;
use tenure_protocol::{RefusalReason, Sid, Timestamp};
use tokio::sync::watch;

/// The largest body that any endpoint reads.
pub const BODY_LIMIT: usize = 64 * 1024;

/// The peer of the connection, put into the request by the listener.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// How long a body may take; put into the request by the listener.
#[derive(Clone, Debug)]
pub struct BodyPatience {
    pub timeout: Duration,
    /// What is left of the time once the server is asked to stop.
    pub stop_grace: Duration,
    pub stopped: watch::Receiver<bool>,
}

impl BodyPatience {
    async fn ends(mut self) {
        let stopped = async {
            if self.stopped.wait_for(|stopped| *stopped).await.is_err() {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(self.stop_grace).await;
        };
        tokio::select! {
            () = tokio::time::sleep(self.timeout) => {}
            () = stopped => {}
        }
    }
}

/// Who makes the request.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    pub address: String,
    pub user_agent: String,
}

impl Caller {
    pub fn origin(&self) -> Origin {
        Origin {
            address: self.address.clone(),
            user_agent: self.user_agent.clone(),
            jkt: None,
        }
    }

    pub fn device(&self) -> Device {
        Device {
            initial_ip: self.address.clone(),
            initial_user_agent: self.user_agent.clone(),
            last_ip: self.address.clone(),
            last_user_agent: self.user_agent.clone(),
        }
    }
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Infallible> {
        let peer = parts
            .extensions
            .get::<Peer>()
            .map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |p| p.0.ip());
        let address = forwarded::client_address(peer, &parts.headers, &app.config.trusted_proxies);
        Ok(Self {
            address: address.to_string(),
            user_agent: bounded_header(&parts.headers, &header::USER_AGENT),
        })
    }
}

/// A header for the record, cut to what a record may hold.
fn bounded_header(headers: &HeaderMap, name: &header::HeaderName) -> String {
    let text = headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    text.chars().take(256).collect()
}

/// The value of a cookie.
pub fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b';'))
        // Others' cookies may be anything; ours are ASCII.
        .filter_map(|pair| std::str::from_utf8(pair).ok())
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(n, _)| *n == name)
        .map(|(_, value)| value)
}

/// Reads a form or a JSON body of flat strings, as the token endpoint and its siblings accept.
///
/// # Errors
/// Another media type, or a body that does not parse.
pub fn body_params(headers: &HeaderMap, body: &[u8]) -> Result<Params, RefusalReason> {
    let media = headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim();
    if media.eq_ignore_ascii_case("application/x-www-form-urlencoded")
        || (media.is_empty() && body.is_empty())
    {
        return Params::parse(body);
    }
    if !media.eq_ignore_ascii_case("application/json") {
        return Err(RefusalReason::WrongMediaType);
    }
    let Members(members) =
        serde_json::from_slice(body).map_err(|_| RefusalReason::MalformedRequest)?;
    let mut pairs = Vec::new();
    for (name, value) in members {
        match value {
            serde_json::Value::String(text) => pairs.push((name, text)),
            serde_json::Value::Number(number) => pairs.push((name, number.to_string())),
            serde_json::Value::Bool(flag) => pairs.push((name, flag.to_string())),
            serde_json::Value::Array(_) | serde_json::Value::Object(_)
                if TEXTS.contains(&name.as_str()) =>
            {
                return Err(RefusalReason::MalformedRequest);
            }
            _ => {}
        }
    }
    Ok(Params::from_pairs(pairs))
}

/// The members that are texts; what others are does not matter.
const TEXTS: [&str; 14] = [
    "access_token",
    "audience",
    "client_assertion",
    "client_assertion_type",
    "client_id",
    "client_secret",
    "code",
    "code_verifier",
    "grant_type",
    "redirect_uri",
    "refresh_token",
    "scope",
    "token",
    "token_type_hint",
];

/// The members of an object, repeated ones included: which of two a reader takes must not be guessed.
struct Members(Vec<(String, serde_json::Value)>);

impl<'de> serde::Deserialize<'de> for Members {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> serde::de::Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// The session cookie: the public `sid` and a secret of which only the hash is stored.
#[derive(Clone, Copy, Debug)]
pub struct SessionCookie {
    pub sid: Sid,
    pub secret: [u8; 32],
}

impl SessionCookie {
    pub fn hash(&self) -> [u8; 32] {
        crate::crypto::mac::sha256(&self.secret)
    }

    /// The value that the browser keeps.
    pub fn text(&self) -> String {
        format!("{}.{}", self.sid, b64(&self.secret))
    }

    fn parse(text: &str) -> Option<Self> {
        use base64::Engine as _;
        let (sid, secret) = text.split_once('.')?;
        let secret = base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(secret)
            .ok()?;
        Some(Self {
            sid: sid.parse().ok()?,
            secret: secret.try_into().ok()?,
        })
    }
}

fn b64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

impl App {
    /// `__Host-` pins a cookie to this host (lesson CVE-2024-28197). On loopback http cookies ignore
    /// ports, so the name carries it.
    pub fn cookie_name(&self, suffix: &str) -> String {
        if self.config.base_url.is_https() {
            format!("__Host-tenure{suffix}")
        } else {
            format!("tenure{suffix}_{}", self.config.base_url.port())
        }
    }

    pub fn session_cookie(&self, headers: &HeaderMap) -> Option<SessionCookie> {
        cookie(headers, &self.cookie_name("")).and_then(SessionCookie::parse)
    }

    /// `Expires` is the absolute deadline, never the idle one; without it the cookie goes with the browser.
    pub fn set_session_cookie(
        &self,
        cookie: &SessionCookie,
        expires: Option<Timestamp>,
    ) -> HeaderValue {
        let expires = expires
            .map(|at| format!("; Expires={}", http_date(at)))
            .unwrap_or_default();
        let attributes = self.cookie_attributes("None");
        header_value(format!(
            "{}={}{expires}{attributes}",
            self.cookie_name(""),
            cookie.text()
        ))
    }

    pub fn clear_session_cookie(&self) -> HeaderValue {
        let attributes = self.cookie_attributes("None");
        header_value(format!("{}=; Max-Age=0{attributes}", self.cookie_name("")))
    }

    /// The cookie that binds login and logout forms to this browser.
    pub fn form_cookie(&self, headers: &HeaderMap) -> Option<String> {
        cookie(headers, &self.cookie_name("-form"))
            .filter(|v| v.len() == 43)
            .map(str::to_owned)
    }

    pub fn set_form_cookie(&self, value: &str) -> HeaderValue {
        let attributes = self.cookie_attributes("Lax");
        header_value(format!("{}={value}{attributes}", self.cookie_name("-form")))
    }

    pub fn cookie_attributes(&self, same_site: &str) -> String {
        if self.config.base_url.is_https() {
            format!("; Path=/; HttpOnly; Secure; SameSite={same_site}")
        } else {
            // Browsers refuse SameSite=None without Secure; on loopback all ports are one site anyway.
            "; Path=/; HttpOnly; SameSite=Lax".to_owned()
        }
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 section 5.6.7).
pub fn http_date(at: Timestamp) -> String {
    let seconds = u64::try_from(at.seconds()).unwrap_or(0);
    httpdate::fmt_http_date(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds))
}

/// RFC 3339, as the Management API writes instants.
pub fn iso_date(at: Timestamp) -> String {
    let millis = u64::try_from(at.millis()).unwrap_or(0);
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_millis(millis);
    humantime::format_rfc3339_millis(time).to_string()
}

/// A header whose text is made of characters we chose or checked.
pub fn header_value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

/// The `Origin` header, unless it is `null`.
pub fn origin(headers: &HeaderMap) -> Option<&str> {
    headers
        .get(header::ORIGIN)
        .and_then(|value| value.to_str().ok())
        .filter(|origin| *origin != "null")
}

/// Whether a request is a top-level navigation, as far as the browser tells
/// (`Sec-Fetch-Dest: document`, or an old browser that says nothing).
pub fn is_navigation(headers: &HeaderMap) -> bool {
    headers
        .get("sec-fetch-dest")
        .is_none_or(|dest| dest == "document")
}

/// Whether a browser says that a page of ours leads here: a program that follows redirects says nothing, and
/// another site's form is that site's affair.
pub fn is_from_our_page(headers: &HeaderMap) -> bool {
    let says = |name: &str, word: &str| headers.get(name).is_some_and(|value| value == word);
    says("sec-fetch-mode", "navigate") && says("sec-fetch-site", "same-origin")
}

/// Whether the browser makes a request in advance, in case the person goes there.
pub fn is_speculative(headers: &HeaderMap) -> bool {
    let says = |name: &str, words: &[&str]| {
        let values = headers.get_all(name).iter().filter_map(|v| v.to_str().ok());
        values
            .flat_map(|value| value.split([';', ',', ' ']))
            .any(|word| words.iter().any(|w| word.eq_ignore_ascii_case(w)))
    };
    says("sec-purpose", &["prefetch", "prerender"])
        || says("purpose", &["prefetch", "prerender"])
        || says("x-purpose", &["preview", "prefetch"])
        || says("x-moz", &["prefetch"])
}

/// The body of a request, up to [`BODY_LIMIT`], within the listener's patience.
///
/// # Errors
/// 413 when it is larger, 408 when it does not come in time.
pub async fn read_body(
    request: Request,
) -> Result<(Parts, bytes::Bytes), axum::response::Response> {
    let (parts, body) = request.into_parts();
    let patience = parts.extensions.get::<BodyPatience>().cloned();
    let expired = async {
        match patience {
            Some(patience) => patience.ends().await,
            None => std::future::pending().await,
        }
    };
    let read = tokio::select! {
        read = axum::body::to_bytes(body, BODY_LIMIT) => read,
        () = expired => return Err(refuse_body(StatusCode::REQUEST_TIMEOUT, "the request body did not come in time\n")),
    };
    match read {
        Ok(bytes) => Ok((parts, bytes)),
        Err(_) => Err(refuse_body(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the request body is too large\n",
        )),
    }
}

/// The rest of the body would be taken for the next request: the connection ends with this answer.
fn refuse_body(status: StatusCode, text: &'static str) -> axum::response::Response {
    use axum::response::IntoResponse as _;
    (status, [(header::CONNECTION, "close")], text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Any page of the host may set a cookie, also with text of other alphabets, and browsers send it as it is.
    #[test]
    fn a_cookie_that_is_not_ours_hides_none_that_is() {
        let others = [
            &b"city=M\xc3\xbcnchen"[..],
            b"raw=\xff\xfe",
            b"no-value",
            b"",
        ];
        for other in others {
            let line = [other, b"; __Host-tenure=value; x=y"].concat();
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, HeaderValue::from_bytes(&line).unwrap());
            let found = cookie(&headers, "__Host-tenure");
            assert_eq!(found, Some("value"), "{other:?}");
            assert_eq!(cookie(&headers, "host-tenure"), None);
        }
    }
}
