//! A refresh token's text (design 1.3, rule 1).

use crate::common::{family_id, sid};
use std::collections::HashSet;
use tenure_protocol::refresh::RefreshToken;
use tenure_protocol::{FamilyId, Sid};

fn token() -> RefreshToken {
    RefreshToken {
        key_id: 3,
        sid: sid(),
        family_id: family_id(),
        generation: 0x0102_0304,
        mac: [0xAB; 32],
    }
}

#[test]
fn what_is_encoded_is_decoded() {
    let extremes = RefreshToken {
        key_id: u32::MAX,
        generation: u32::MAX,
        mac: [0xFF; 32],
        ..token()
    };
    for token in [
        token(),
        extremes,
        RefreshToken {
            key_id: 0,
            generation: 0,
            mac: [0; 32],
            ..token()
        },
    ] {
        let text = token.encode();
        assert_eq!(text.len(), 98, "constant length");
        assert_eq!(RefreshToken::decode(&text), Some(token));
    }
}

/// Lesson CVE-2026-27840: a truncated or extended token is no token.
#[test]
fn cve_2026_27840_only_the_exact_length_is_read() {
    let text = token().encode();
    for length in 0..text.len() {
        assert_eq!(
            RefreshToken::decode(&text[..length]),
            None,
            "{length} characters"
        );
    }
    for extra in ["A", "AA", "AAAA", "=", "==", " ", "\n"] {
        assert_eq!(
            RefreshToken::decode(&format!("{text}{extra}")),
            None,
            "{extra:?} appended"
        );
        assert_eq!(
            RefreshToken::decode(&format!("{extra}{text}")),
            None,
            "{extra:?} prepended"
        );
    }
}

#[test]
fn only_the_url_safe_alphabet_is_read() {
    let text = token().encode();
    for bad in ["+", "/", "=", " ", "%", ".", "\0", "é"] {
        for place in [0, 40, text.len() - 1] {
            let mut changed = text.clone();
            changed.replace_range(place..=place, bad);
            assert_eq!(RefreshToken::decode(&changed), None, "{bad:?} at {place}");
        }
    }
}

#[test]
fn one_token_has_one_text() {
    // The last character has four bits to spare; a text that sets one is another text of the same bytes.
    let text = token().encode();
    let (head, last) = text.split_at(text.len() - 1);
    let spare = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let readable: Vec<char> = spare
        .chars()
        .filter(|c| {
            RefreshToken::decode(&format!("{head}{c}")).is_some_and(|found| found == token())
        })
        .collect();
    assert_eq!(readable, [last.chars().next().unwrap()]);
}

#[test]
fn another_version_is_not_read() {
    let text = token().encode();
    assert!(text.starts_with("AQ"));
    for version in ["AA", "Ag", "_w"] {
        assert_eq!(
            RefreshToken::decode(&format!("{version}{}", &text[2..])),
            None
        );
    }
}

/// Lesson CVE-2026-55672: the MAC covers everything that a token is bound to, the client and issuer too.
#[test]
fn cve_2026_55672_the_mac_covers_every_part() {
    let input = |token: RefreshToken, secret, issuer, client| {
        token.mac_input(&[secret; 32], issuer, client)
    };
    let base = token();
    let inputs = [
        input(base, 9, "https://a/", "app"),
        input(RefreshToken { key_id: 4, ..base }, 9, "https://a/", "app"),
        input(
            RefreshToken {
                sid: Sid::from_bytes([1; 16]),
                ..base
            },
            9,
            "https://a/",
            "app",
        ),
        input(
            RefreshToken {
                family_id: FamilyId::from_bytes([1; 16]),
                ..base
            },
            9,
            "https://a/",
            "app",
        ),
        input(
            RefreshToken {
                generation: 5,
                ..base
            },
            9,
            "https://a/",
            "app",
        ),
        input(base, 8, "https://a/", "app"),
        input(base, 9, "https://b/", "app"),
        input(base, 9, "https://a/", "apq"),
        // The same bytes, cut differently.
        input(base, 9, "https://a/a", "pp"),
        input(base, 9, "https://a", "/app"),
        input(base, 9, "https://a/app", ""),
    ];
    let distinct: HashSet<_> = inputs.iter().collect();
    assert_eq!(distinct.len(), inputs.len());
    let other_mac = RefreshToken {
        mac: [0; 32],
        ..base
    };
    assert_eq!(
        input(other_mac, 9, "https://a/", "app"),
        inputs[0],
        "and not itself"
    );
}

#[test]
fn ids_are_22_characters_of_base64url() {
    let text = sid().to_string();
    assert_eq!(text.len(), 22);
    assert_eq!(text.parse::<Sid>().unwrap(), sid());
    let with = |suffix: &str| format!("{text}{suffix}");
    for bad in [
        String::new(),
        text[..21].to_owned(),
        with("A"),
        with("=="),
        with(" "),
        "+".repeat(22),
    ] {
        assert!(bad.parse::<Sid>().is_err(), "{bad:?}");
    }
}
