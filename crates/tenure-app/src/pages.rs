//! The few pages of the layer's own.

use crate::cookies;
use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use serde_json::Value;

/// A page with one thing to say and one thing to do.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    pub status: StatusCode,
    pub heading: &'a str,
    pub text: &'a str,
    /// A link's target and its words.
    pub link: Option<(&'a str, &'a str)>,
    /// A form's action and its button.
    pub button: Option<(&'a str, &'a str)>,
}

impl Page<'_> {
    pub fn respond(self) -> Response {
        let link = self.link.map_or_else(String::new, |(target, words)| {
            format!(
                "<p><a href=\"{}\">{}</a></p>",
                escape(target),
                escape(words)
            )
        });
        let button = self.button.map_or_else(String::new, |(action, words)| {
            format!(
                "<form method=\"post\" action=\"{}\"><button>{}</button></form>",
                escape(action),
                escape(words)
            )
        });
        let html = format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <title>{heading}</title><style>{STYLE}</style></head>\
             <body><main><h1>{heading}</h1><p>{text}</p>{button}{link}</main></body></html>",
            heading = escape(self.heading),
            text = escape(self.text),
        );
        let mut response = Response::new(Body::from(html));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        let mut put = |name, value| headers.insert(name, HeaderValue::from_static(value));
        put(header::CONTENT_TYPE, "text/html; charset=utf-8");
        put(header::CACHE_CONTROL, "no-store");
        put(header::REFERRER_POLICY, "no-referrer");
        put(header::CONTENT_SECURITY_POLICY, POLICY);
        response
    }
}

const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";

const STYLE: &str = "\
:root{color-scheme:light dark;--page:#f3f4f8;--card:#fff;--ink:#1a1d29;--accent:#3a4fd8;--on:#fff}\
@media (prefers-color-scheme:dark){:root{--page:#11131a;--card:#1b1e29;--ink:#eef0f7;--accent:#8c9bff;--on:#10131f}}\
body{margin:0;min-height:100vh;display:grid;place-items:center;background:var(--page);color:var(--ink);\
font-family:system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;line-height:1.5}\
main{box-sizing:border-box;width:min(25rem,100%);background:var(--card);padding:2rem;border-radius:1rem}\
h1{font-size:1.5rem;line-height:1.25;margin:0 0 .4rem}p{overflow-wrap:anywhere}a{color:var(--accent)}\
button{font:inherit;font-weight:600;width:100%;min-height:2.9rem;border:0;border-radius:.6rem;\
background:var(--accent);color:var(--on);cursor:pointer}\
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}";

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A redirect that a browser follows with GET, and the cookies that come with it.
pub fn redirect(target: &str, lines: &[String]) -> Response {
    let Ok(location) = HeaderValue::from_str(target) else {
        return json(
            StatusCode::BAD_REQUEST,
            &serde_json::json!({"error": "invalid_request"}),
        );
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, location);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    cookies::add(headers, lines);
    response
}

/// Another method than a route has; `allow` names those (RFC 9110 section 15.5.6).
pub fn not_allowed(allow: &'static str) -> Response {
    let body = serde_json::json!({"error": "method_not_allowed"});
    let mut response = json(StatusCode::METHOD_NOT_ALLOWED, &body);
    response
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}

/// An answer for scripts, which no cache keeps.
pub fn json(status: StatusCode, body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_is_reflected_unescaped() {
        let page = Page {
            status: StatusCode::BAD_REQUEST,
            heading: "<script>",
            text: "a & b",
            link: Some(("/x\"><img src=x>", "it's")),
            button: Some(("/y'", "<b>")),
        };
        let body = axum::body::to_bytes(page.respond().into_body(), 10_000)
            .await
            .unwrap();
        let html = String::from_utf8(body.to_vec()).unwrap();
        assert!(!html.contains("<script>") && !html.contains("<img") && !html.contains("<b>"));
        assert!(
            html.contains("a &amp; b") && html.contains("it&#39;s"),
            "{html}"
        );
    }
}
