//! Where an authorization response may go (design 1.8; RFC 8252 section 7.3, RFC 9700 section 2.1).

use crate::common::{client, strings};
use tenure_protocol::RefusalReason as No;
use tenure_protocol::model::{AppType, Client};
use tenure_protocol::redirect::verify;

fn app(app_type: AppType, callbacks: &[&str]) -> Client {
    Client {
        callbacks: strings(callbacks),
        ..client(app_type)
    }
}

fn accepts(client: &Client, uri: &str) -> bool {
    match verify(client, Some(uri)) {
        Ok(target) => {
            assert_eq!((target.uri(), target.sent), (uri, true));
            true
        }
        Err(refusal) => {
            assert_eq!(refusal, No::RedirectUriNotRegistered);
            false
        }
    }
}

/// Lesson CVE-2024-52289: callbacks are compared exactly, never as a prefix or a pattern.
#[test]
fn cve_2024_52289_callbacks_are_compared_exactly() {
    let web = app(
        AppType::RegularWeb,
        &[
            "https://app.example.com/callback",
            "https://b.example/cb?x=1",
        ],
    );
    assert!(accepts(&web, "https://app.example.com/callback"));
    assert!(accepts(&web, "https://b.example/cb?x=1"));
    let others = [
        "https://app.example.com/callback/",
        "https://app.example.com/callback2",
        "https://app.example.com/callback?x=1",
        "https://app.example.com/callback#",
        "https://app.example.com/Callback",
        "https://app.example.com/",
        "https://app.example.com",
        "http://app.example.com/callback",
        "https://app.example.com:443/callback",
        "https://app.example.com:8443/callback",
        "https://app.example.com./callback",
        "HTTPS://app.example.com/callback",
        "https://APP.example.com/callback",
        "https://appXexample.com/callback",
        "https://app.example.com.evil.example/callback",
        "https://evil.example/https://app.example.com/callback",
        "https://app.example.com/x/../callback",
        "https://app.example.com/%63allback",
        "https://app.example.com//callback",
        "https://b.example/cb",
        "https://b.example/cb?x=12",
        "//app.example.com/callback",
        "/callback",
        "callback",
        "",
        "null",
        "javascript:alert(1)",
    ];
    for uri in others {
        assert!(!accepts(&web, uri), "{uri}");
    }
}

/// Lesson CVE-2024-39694: what parsers disagree about is refused before anything is compared.
#[test]
fn cve_2024_39694_odd_characters_and_user_information_are_refused() {
    let mut every_rule = app(
        AppType::Native,
        &["http://127.0.0.1/cb", "https://*.example.com/cb"],
    );
    every_rule.allow_wildcard_subdomains = true;
    let odd = [
        "https://a.example.com\\@evil.example/cb",
        "https://evil.example\\.example.com/cb",
        "https://evil.example/\\a.example.com/cb",
        "https://user@a.example.com/cb",
        "https://a.example.com@evil.example/cb",
        "https://user:password@a.example.com/cb",
        "http://127.0.0.1@evil.example/cb",
        "http://user@127.0.0.1:99/cb",
        "https://a.exam\tple.com/cb",
        "https://a.exam\nple.com/cb",
        "https://a.example.com/cb\r\nSet-Cookie: x",
        "\thttps://a.example.com/cb",
        "https://a.example.com/cb ",
        "https://a.example.com/cb\0",
        "https://a.example.com/cb\u{7f}",
        "https://\u{430}.example.com/cb",
        "https://a.example.com\u{3002}evil/cb",
        "https://a.example.com/cb#fragment",
        "https://a%00.example.com/cb",
    ];
    for uri in odd {
        assert!(!accepts(&every_rule, uri), "{uri:?}");
    }
    // Registering them does not help.
    let registered = app(AppType::RegularWeb, &odd);
    for uri in odd {
        assert!(verify(&registered, Some(uri)).is_err(), "{uri:?}");
    }
}

#[test]
fn a_native_clients_loopback_callback_may_use_any_port() {
    let native = app(
        AppType::Native,
        &[
            "http://127.0.0.1/cb",
            "http://[::1]:4711/cb",
            "http://localhost/",
            "http://192.0.2.7/cb",
            "app.example:/cb",
        ],
    );
    for good in [
        "http://127.0.0.1/cb",
        "http://127.0.0.1:51004/cb",
        "http://[::1]:9/cb",
        "http://localhost:3000/",
        "app.example:/cb",
    ] {
        assert!(accepts(&native, good), "{good}");
    }
    let bad = [
        "http://127.0.0.1:51004/other",
        "http://127.0.0.1:51004/cb?x",
        "http://127.0.0.1:51004/cb/",
        "https://127.0.0.1:51004/cb",
        "http://127.0.0.2:51004/cb",
        "http://localhost:51004/cb",
        "http://localhost.evil.example:80/",
        "http://127.0.0.1.evil.example:51004/cb",
        "http://192.0.2.7:8080/cb",
        "http://127.0.0.1:99999/cb",
        "http://127.0.0.1:51004/cb#",
    ];
    for uri in bad {
        assert!(!accepts(&native, uri), "{uri}");
    }
    for app_type in [AppType::Spa, AppType::RegularWeb] {
        assert!(!accepts(
            &app(app_type, &["http://127.0.0.1/cb"]),
            "http://127.0.0.1:51004/cb"
        ));
    }
}

#[test]
fn a_wildcard_counts_only_where_the_client_asks_for_it() {
    let mut web = app(AppType::RegularWeb, &["https://*.preview.example.com/cb"]);
    assert!(!accepts(&web, "https://a.preview.example.com/cb"));
    web.allow_wildcard_subdomains = true;
    assert!(accepts(&web, "https://a.preview.example.com/cb"));
    let bad = [
        "https://preview.example.com/cb",
        "https://.preview.example.com/cb",
        "https://a.b.preview.example.com/cb",
        "https://apreview.example.com/cb",
        "https://a.preview.example.com.evil.example/cb",
        "http://a.preview.example.com/cb",
        "https://a.preview.example.com:444/cb",
        "https://a.preview.example.com/cb2",
        "https://a.preview.example.com/cb?x",
        "https://evil.example/.preview.example.com/cb",
        "https://evil.example?.preview.example.com/cb",
    ];
    for uri in bad {
        assert!(!accepts(&web, uri), "{uri}");
    }
}

#[test]
fn a_wildcard_stands_for_a_whole_left_most_label_below_a_domain() {
    let rows = [
        ("https://*.com/cb", "https://evil.com/cb"),
        ("https://a*.example.com/cb", "https://ab.example.com/cb"),
        ("https://a.*.example.com/cb", "https://a.b.example.com/cb"),
        ("https://*/cb", "https://evil.example/cb"),
        ("https://*example.com/cb", "https://evilexample.com/cb"),
    ];
    for (pattern, uri) in rows {
        let mut web = app(AppType::RegularWeb, &[pattern]);
        web.allow_wildcard_subdomains = true;
        assert!(!accepts(&web, uri), "{pattern}");
    }
}

#[test]
fn without_a_redirect_uri_a_single_callback_is_meant() {
    let one = app(AppType::RegularWeb, &["https://a.example/cb"]);
    let target = verify(&one, None).unwrap();
    assert_eq!((target.uri(), target.sent), ("https://a.example/cb", false));
    for callbacks in [
        &[][..],
        &["https://a.example/cb", "https://b.example/cb"],
        &["https://*.example.com/cb"],
    ] {
        let mut other = app(AppType::RegularWeb, callbacks);
        other.allow_wildcard_subdomains = true;
        assert_eq!(
            verify(&other, None),
            Err(No::RedirectUriMissing),
            "{callbacks:?}"
        );
    }
}

#[test]
fn the_origin_of_a_target() {
    let rows = [
        ("https://a.example/cb", "https://a.example"),
        ("https://a.example:8443/cb", "https://a.example:8443"),
        ("http://[::1]:80/cb", "http://[::1]"),
        ("com.example.app:/cb", "com.example.app:"),
    ];
    for (uri, origin) in rows {
        let target = verify(&app(AppType::Native, &[uri]), Some(uri)).unwrap();
        assert_eq!(target.origin(), origin);
    }
}
