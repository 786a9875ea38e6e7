//! Where a logout may return to, and which origins are a client's (contract 3.6).

use crate::common::strings;
use tenure_protocol::redirect::{origin_matches, post_logout_matches, return_to_matches};

/// URLs that no list allows, whatever it holds (lesson CVE-2024-39694).
const NEVER: [&str; 14] = [
    "https://app.example.com\\@evil.example/bye",
    "https://app.example.com@evil.example/bye",
    "https://user@app.example.com/bye",
    "https://:secret@app.example.com/bye",
    "https://app.exam\tple.com/bye",
    " https://app.example.com/bye",
    "https://app.example.com/bye\r\n",
    "https://app.example.com/\u{e9}",
    "javascript:alert(1)",
    "data:text/html,x",
    "vbscript:x",
    "file:///etc/passwd",
    "/bye",
    "",
];

#[test]
fn cve_2024_39694_a_logout_never_returns_to_an_odd_url() {
    let mut allowed = strings(&["https://app.example.com/bye", "https://*.example.com/bye"]);
    allowed.extend(strings(&NEVER));
    for url in NEVER {
        assert!(!return_to_matches(&allowed, url), "/v2/logout: {url:?}");
        assert!(!post_logout_matches(&allowed, url), "/oidc/logout: {url:?}");
    }
}

/// URL; whether `/v2/logout`, then `/oidc/logout`, may return to it. Lesson CVE-2026-41569: never by a prefix.
#[test]
fn logout_urls_are_compared_as_the_contract_says() {
    let allowed = strings(&[
        "https://app.example.com/bye",
        "https://app.example.com/done?from=here",
        "https://root.example.com",
        "https://*.tenant.example.com/bye",
        "http://localhost:3000",
        "com.example.app://logout",
    ]);
    let rows = [
        ("https://app.example.com/bye", true, true),
        ("https://APP.Example.com/bye", true, true),
        ("https://app.example.com:443/bye", true, true),
        ("https://app.example.com/bye?x=1", true, false),
        ("https://app.example.com/bye#x", true, false),
        ("https://app.example.com/Bye", false, false),
        ("https://app.example.com/bye/", false, false),
        ("https://app.example.com/bye2", false, false),
        ("https://app.example.com/", false, false),
        ("https://app.example.com:8443/bye", false, false),
        ("http://app.example.com/bye", false, false),
        ("https://app.example.com.evil.example/bye", false, false),
        (
            "https://evil.example/bye?https://app.example.com/bye",
            false,
            false,
        ),
        ("https://app.example.com/done?from=here", true, true),
        ("https://app.example.com/done", true, false),
        ("https://app.example.com/done?from=there", true, false),
        ("https://root.example.com", true, true),
        ("https://root.example.com/", true, true),
        ("https://root.example.com/x", false, false),
        ("https://a.tenant.example.com/bye", true, true),
        ("https://a.b.tenant.example.com/bye", false, false),
        ("https://tenant.example.com/bye", false, false),
        ("https://.tenant.example.com/bye", false, false),
        ("https://eviltenant.example.com/bye", false, false),
        ("http://localhost:3000/", true, true),
        ("http://localhost:3001", false, false),
        ("com.example.app://logout", true, true),
        ("com.example.app://other", false, false),
    ];
    for (url, v2, oidc) in rows {
        assert_eq!(return_to_matches(&allowed, url), v2, "/v2/logout: {url}");
        assert_eq!(
            post_logout_matches(&allowed, url),
            oidc,
            "/oidc/logout: {url}"
        );
    }
    assert!(!return_to_matches(&[], "https://app.example.com/bye"));
    assert!(!post_logout_matches(&[], "https://app.example.com/bye"));
}

/// Lesson CVE-2024-1249: an origin is compared whole.
#[test]
fn cve_2024_1249_origins_are_compared_whole() {
    let list = strings(&[
        "https://app.example.com/callback",
        "http://localhost:3000",
        "https://*.tenant.example.com",
    ]);
    let rows = [
        ("https://app.example.com", true),
        ("https://APP.example.com", true),
        ("https://app.example.com:443", true),
        ("http://localhost:3000", true),
        ("https://a.tenant.example.com", true),
        ("http://app.example.com", false),
        ("https://app.example.com:8443", false),
        ("https://app.example.com.evil.example", false),
        ("https://evil.example", false),
        ("https://example.com", false),
        ("http://localhost", false),
        ("http://localhost:30000", false),
        ("https://a.b.tenant.example.com", false),
        ("https://tenant.example.com", false),
        ("https://app.example.com/callback", false),
        ("https://app.example.com\\", false),
        ("https://evil.example\\@app.example.com", false),
        ("null", false),
        ("", false),
    ];
    for (origin, expected) in rows {
        assert_eq!(origin_matches(&list, origin), expected, "{origin}");
    }
}

/// Lesson CVE-2024-39694: an `Origin` header is an origin and nothing besides.
#[test]
fn cve_2024_39694_what_is_more_than_an_origin_is_none() {
    let list = strings(&["https://app.example.com"]);
    let odd = [
        "https://user@app.example.com",
        "https://:secret@app.example.com",
        "https://app.example.com?x",
        "https://app.example.com#x",
        "https://app.exam\tple.com",
        "https://app.example.com\n",
        " https://app.example.com",
        "https://app.example.com ",
        "https://app.example.com https://evil.example",
    ];
    for origin in odd {
        assert!(!origin_matches(&list, origin), "{origin:?}");
    }
}
