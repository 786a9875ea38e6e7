//! Redirect targets: compared with registered ones by parsing, never by prefix or pattern
//! (RFC 9700 section 2.1, contract 3.6).

use crate::model::{AppType, Client};
use crate::refusal::RefusalReason;
use url::{Host, Url};

/// Where an authorization response may go: made only by [`verify`], so that an error can be
/// redirected only to a target that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedRedirect {
    uri: String,
    /// Whether the request named it, or it is the client's only one.
    pub sent: bool,
    /// Whether an application on the device takes it over from the browser.
    pub native: bool,
}

impl VerifiedRedirect {
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// The origin to which messages are posted and that `form-action` allows.
    pub fn origin(&self) -> String {
        source_of(&self.uri)
    }
}

/// What a content security policy calls the place that `uri` is at.
pub fn source_of(uri: &str) -> String {
    Url::parse(uri)
        .map(|url| match url.origin() {
            origin @ url::Origin::Tuple(..) => origin.ascii_serialization(),
            // A native application's own scheme has no origin; the scheme is what `form-action` can name.
            url::Origin::Opaque(_) => format!("{}:", url.scheme()),
        })
        .unwrap_or_default()
}

/// Checks the `redirect_uri` of an authorization request. Without one, a single registered
/// callback is meant (RFC 6749 section 3.1.2.3), but never with OpenID Connect semantics of several.
///
/// # Errors
/// The target is missing or not registered: an error that must not be redirected.
pub fn verify(client: &Client, requested: Option<&str>) -> Result<VerifiedRedirect, RefusalReason> {
    let Some(requested) = requested else {
        return match client.callbacks.as_slice() {
            [only] if !only.contains('*') => Ok(VerifiedRedirect {
                uri: only.clone(),
                sent: false,
                native: client.app_type == AppType::Native,
            }),
            _ => Err(RefusalReason::RedirectUriMissing),
        };
    };
    let registered = client
        .callbacks
        .iter()
        .any(|callback| callback_matches(callback, requested, client));
    if registered && is_clean(requested) {
        Ok(VerifiedRedirect {
            uri: requested.to_owned(),
            sent: true,
            native: client.app_type == AppType::Native,
        })
    } else {
        Err(RefusalReason::RedirectUriNotRegistered)
    }
}

/// Exact, except the port of a native client's loopback callback (RFC 8252 section 7.3), and an
/// imported wildcard where the client asked to keep it.
fn callback_matches(registered: &str, requested: &str, client: &Client) -> bool {
    if registered == requested {
        return true;
    }
    let (Ok(registered), Ok(requested)) = (Url::parse(registered), Url::parse(requested)) else {
        return false;
    };
    let same_rest = registered.path() == requested.path()
        && registered.query() == requested.query()
        && requested.fragment().is_none();
    if client.app_type == AppType::Native
        && registered.scheme() == "http"
        && requested.scheme() == "http"
    {
        return same_rest && is_loopback(&registered) && registered.host() == requested.host();
    }
    client.allow_wildcard_subdomains
        && same_rest
        && wildcard_origin_matches(&registered, &requested)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Whether `*.rest` (only as the left-most label) covers the host, one label deep.
fn wildcard_origin_matches(pattern: &Url, url: &Url) -> bool {
    let (Some(pattern_host), Some(host)) = (pattern.host_str(), url.host_str()) else {
        return false;
    };
    let Some(rest) = pattern_host.strip_prefix("*.") else {
        return false;
    };
    let Some(label) = host
        .strip_suffix(rest)
        .and_then(|head| head.strip_suffix('.'))
    else {
        return false;
    };
    !label.is_empty()
        && !label.contains('.')
        && rest.contains('.')
        && pattern.scheme() == url.scheme()
        && pattern.port_or_known_default() == url.port_or_known_default()
}

/// No control characters, back slashes, spaces or user information: what parsers disagree about
/// (lesson CVE-2024-39694).
fn is_clean(uri: &str) -> bool {
    let plain = uri.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    plain
        && Url::parse(uri).is_ok_and(|url| {
            url.username().is_empty() && url.password().is_none() && url.fragment().is_none()
        })
}

/// Whether `/v2/logout` may return to `url`: query and fragment do not count, scheme and host are
/// compared without case, the path with case, `*` stands for the left-most label.
pub fn return_to_matches(allowed: &[String], url: &str) -> bool {
    let Some(requested) = clean_logout_url(url) else {
        return false;
    };
    allowed
        .iter()
        .filter_map(|entry| Url::parse(entry).ok())
        .any(|entry| {
            let origin =
                same_origin(&entry, &requested) || wildcard_origin_matches(&entry, &requested);
            origin && entry.path() == requested.path()
        })
}

/// Whether `/oidc/logout` may return to `url`: exactly, query included; a trailing slash of an
/// origin alone does not count, since parsing adds it.
pub fn post_logout_matches(allowed: &[String], url: &str) -> bool {
    let Some(requested) = clean_logout_url(url) else {
        return false;
    };
    allowed.iter().any(|entry| {
        entry == url
            || Url::parse(entry).is_ok_and(|entry| {
                let origin =
                    same_origin(&entry, &requested) || wildcard_origin_matches(&entry, &requested);
                origin
                    && entry.path() == requested.path()
                    && entry.query() == requested.query()
                    && entry.fragment() == requested.fragment()
            })
    })
}

fn clean_logout_url(url: &str) -> Option<Url> {
    let plain = url.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    let parsed = Url::parse(url).ok().filter(|parsed| {
        parsed.username().is_empty()
            && parsed.password().is_none()
            // A script or a data URL is no place to return to, whatever somebody registered.
            && !matches!(parsed.scheme(), "javascript" | "data" | "blob" | "vbscript" | "file")
    })?;
    plain.then_some(parsed)
}

fn same_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme()
        && a.host() == b.host()
        && a.port_or_known_default() == b.port_or_known_default()
}

/// Whether an `Origin` header names one of the origins of `list` (web origins, allowed origins).
pub fn origin_matches(list: &[String], origin: &str) -> bool {
    let Ok(requested) = Url::parse(origin) else {
        return false;
    };
    let plain = origin.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    let bare = matches!(requested.path(), "" | "/")
        && requested.query().is_none()
        && requested.fragment().is_none()
        && requested.username().is_empty()
        && requested.password().is_none();
    if !plain || !bare {
        return false;
    }
    list.iter()
        .filter_map(|entry| Url::parse(entry).ok())
        .any(|entry| same_origin(&entry, &requested) || wildcard_origin_matches(&entry, &requested))
}
