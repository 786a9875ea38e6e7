//! Where a request comes from, as far as the browser says: what keeps other pages from logging people out
//! or keeping their sessions alive. Values in, values out.

use http::{HeaderMap, Method, header};

/// Whether a browser asks for a page to show, and not a script for data.
pub fn is_navigation(method: &Method, headers: &HeaderMap) -> bool {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return false;
    }
    match text(headers, "sec-fetch-mode") {
        Some(mode) => {
            mode == "navigate" && matches!(text(headers, "sec-fetch-dest"), None | Some("document"))
        }
        None => text(headers, header::ACCEPT.as_str())
            .is_some_and(|accept| accept.contains("text/html")),
    }
}

/// Whether the request was made by this application's own page, or by the person themselves. A client
/// that says nothing about it proves nothing.
///
/// `Sec-Fetch-Site` counts where it is there: no page can set it, and it is right also for pages whose
/// `Referrer-Policy: no-referrer` makes browsers write `Origin: null` (Fetch, "append a request Origin header").
pub fn is_from_here(headers: &HeaderMap, origin: &str) -> bool {
    match text(headers, "sec-fetch-site") {
        Some(site) => matches!(site, "same-origin" | "none"),
        None => text(headers, header::ORIGIN.as_str()) == Some(origin),
    }
}

/// Whether a browser opens this page for its person, as far as it says: not as an image or a frame of some page, whose
/// author may be anybody, and not ahead of time (Fetch Metadata; Fetch, `Sec-Purpose`).
pub fn is_meant(headers: &HeaderMap) -> bool {
    let page = matches!(text(headers, "sec-fetch-dest"), None | Some("document"));
    let early = ["sec-purpose", "purpose"]
        .iter()
        .filter_map(|name| text(headers, name))
        .any(|purpose| purpose.contains("prefetch"));
    page && !early
}

/// Whether the content type is JSON, which no form of a foreign page can send.
pub fn is_json(headers: &HeaderMap) -> bool {
    text(headers, header::CONTENT_TYPE.as_str()).is_some_and(|kind| {
        let essence = kind.split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case("application/json")
    })
}

/// Whether the request itself says that it is no activity. Anybody may say so: it only shortens a session.
pub fn says_passive(headers: &HeaderMap) -> bool {
    text(headers, "tenure-passive") == Some("1")
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Sent = &'static [(&'static str, &'static str)];

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn only_our_own_pages_and_the_person_are_from_here() {
        let table: [(Sent, bool); 11] = [
            (&[("origin", "https://shop.example")], true),
            (&[("origin", "https://evil.example")], false),
            (&[("origin", "null")], false),
            (&[("origin", "https://shop.example.evil")], false),
            (
                &[("origin", "null"), ("sec-fetch-site", "same-origin")],
                true,
            ),
            (
                &[("origin", "null"), ("sec-fetch-site", "cross-site")],
                false,
            ),
            (
                &[
                    ("origin", "https://shop.example"),
                    ("sec-fetch-site", "cross-site"),
                ],
                false,
            ),
            (&[("sec-fetch-site", "none")], true),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[], false),
        ];
        for (pairs, expected) in table {
            assert_eq!(
                is_from_here(&headers(pairs), "https://shop.example"),
                expected,
                "{pairs:?}"
            );
        }
    }

    #[test]
    fn a_navigation_shows_a_page() {
        let table: [(Method, Sent, bool); 8] = [
            (
                Method::GET,
                &[
                    ("sec-fetch-mode", "navigate"),
                    ("sec-fetch-dest", "document"),
                ],
                true,
            ),
            (
                Method::GET,
                &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")],
                false,
            ),
            (
                Method::GET,
                &[("sec-fetch-mode", "cors"), ("accept", "text/html")],
                false,
            ),
            (Method::GET, &[("accept", "text/html,*/*")], true),
            (Method::GET, &[("accept", "application/json")], false),
            (Method::GET, &[], false),
            (Method::POST, &[("sec-fetch-mode", "navigate")], false),
            (Method::HEAD, &[("accept", "text/html")], true),
        ];
        for (method, pairs, expected) in table {
            assert_eq!(
                is_navigation(&method, &headers(pairs)),
                expected,
                "{method} {pairs:?}"
            );
        }
    }

    #[test]
    fn what_a_page_embeds_or_a_browser_fetches_early_nobody_meant() {
        let table: [(Sent, bool); 8] = [
            (&[], true),
            (&[("sec-fetch-dest", "document")], true),
            (&[("sec-fetch-dest", "image")], false),
            (&[("sec-fetch-dest", "iframe")], false),
            (&[("sec-fetch-dest", "empty")], false),
            (&[("sec-purpose", "prefetch")], false),
            (&[("sec-purpose", "prefetch;prerender")], false),
            (&[("purpose", "prefetch")], false),
        ];
        for (pairs, expected) in table {
            assert_eq!(is_meant(&headers(pairs)), expected, "{pairs:?}");
        }
    }

    #[test]
    fn json_is_told_from_what_forms_send() {
        let table = [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("text/plain; application/json", false),
            ("application/x-www-form-urlencoded", false),
        ];
        for (kind, expected) in table {
            assert_eq!(
                is_json(&headers(&[("content-type", kind)])),
                expected,
                "{kind}"
            );
        }
    }
}
