//! Where a person may be sent after login and logout: to the application itself, and nowhere else.

use url::{Position, Url};

/// Characters that a target may have.
const MOST: usize = 2000;

/// The path, query and fragment of a target within the application; `None` if it leads elsewhere or reads
/// one way to us and another way to a browser (lesson CVE-2024-39694).
pub fn within(base: &Url, target: &str) -> Option<String> {
    let odd = |c: char| c.is_control() || c.is_whitespace() || c == '\\' || !c.is_ascii();
    if target.is_empty() || target.len() > MOST || target.chars().any(odd) {
        return None;
    }
    let is_path = target.starts_with('/') && !target.starts_with("//");
    let url = if is_path {
        base.join(target).ok()?
    } else {
        Url::parse(target).ok()?
    };
    let plain = url.username().is_empty() && url.password().is_none();
    let here = plain && url.origin() == base.origin();
    let rest = &url[Position::BeforePath..];
    // `/.//elsewhere` and the like parse into a path that a browser would take for a host.
    (here && rest.starts_with('/') && !rest.starts_with("//")).then(|| rest.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_targets_within_the_application_are_taken() {
        let base = Url::parse("https://shop.example").unwrap();
        let table = [
            ("/", Some("/")),
            ("/orders?id=1&x=%2F#top", Some("/orders?id=1&x=%2F#top")),
            ("https://shop.example/a", Some("/a")),
            ("https://shop.example", Some("/")),
            ("https://SHOP.example:443/a", Some("/a")),
            ("/a/../b", Some("/b")),
            (
                "/orders?next=https://evil.example",
                Some("/orders?next=https://evil.example"),
            ),
            ("", None),
            ("orders", None),
            ("//evil.example", None),
            ("/\\evil.example", None),
            ("\\\\evil.example", None),
            ("/.//evil.example", None),
            ("/a/..//evil.example", None),
            ("/\t/evil.example", None),
            ("/\n/evil.example", None),
            (" /a", None),
            ("http://shop.example/a", None),
            ("https://shop.example.evil.example/", None),
            ("https://shop.example@evil.example/", None),
            ("https://me@shop.example/", None),
            ("https://shop.example:8443/", None),
            ("https:evil.example", None),
            ("https:/evil.example", None),
            ("https:///evil.example", None),
            ("HTTPS:\\\\evil.example", None),
            ("/%09/evil.example", Some("/%09/evil.example")),
            ("/%5cevil.example", Some("/%5cevil.example")),
            ("javascript:alert(1)", None),
            ("data:text/html,x", None),
            ("/caf\u{e9}", None),
        ];
        for (target, expected) in table {
            let found = within(&base, target);
            assert_eq!(found.as_deref(), expected, "{target:?}");
        }
        assert_eq!(within(&base, &format!("/{}", "a".repeat(MOST))), None);
    }
}
