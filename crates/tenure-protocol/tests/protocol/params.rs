//! Request parameters as they arrive, and PKCE.

use tenure_protocol::RefusalReason as No;
use tenure_protocol::params::Params;
use tenure_protocol::pkce::{is_challenge, verify};

fn parse(text: &str) -> Params {
    Params::parse(text.as_bytes()).unwrap()
}

#[test]
fn values_are_decoded() {
    let params = parse("scope=openid+profile&state=a%3D%26b%2Bc&name=%C3%A9&bare&=nameless");
    assert_eq!(params.get("scope"), Ok(Some("openid profile")));
    assert_eq!(params.get("state"), Ok(Some("a=&b+c")));
    assert_eq!(params.get("name"), Ok(Some("é")));
    assert_eq!(params.get("absent"), Ok(None));
    assert!(params.has("bare") && !params.has("absent"));
    assert_eq!(parse(&params.to_query()), params);
}

/// RFC 6749 section 3.1: an empty value counts as absent, a parameter is sent once.
#[test]
fn empty_is_absent_and_doubled_is_refused() {
    assert_eq!(parse("a=").get("a"), Ok(None));
    assert_eq!(parse("a").get("a"), Ok(None));
    for doubled in ["a=1&a=2", "a=1&a=1", "a=&a=1", "a=1&b=2&a", "a=1&%61=2"] {
        assert_eq!(
            parse(doubled).get("a"),
            Err(No::RepeatedParameter),
            "{doubled}"
        );
    }
    assert_eq!(
        parse("a=1&A=2").get("a"),
        Ok(Some("1")),
        "names are compared with case"
    );
    assert_eq!(parse("a=&a=1&a=2").first("a"), Some("1"));
}

#[test]
fn bad_utf_8_and_nul_are_refused() {
    let bad: [&[u8]; 9] = [
        b"a=%FF",
        b"a=\xff",
        b"%FF=a",
        b"a=%C3",
        b"a=%C0%AF",
        b"a=%ED%A0%80",
        b"ok=1&a=%80",
        b"a=%00",
        b"a%00=1",
    ];
    for text in bad {
        assert_eq!(
            Params::parse(text),
            Err(No::MalformedRequest),
            "{}",
            String::from_utf8_lossy(text)
        );
    }
    // A replacement character that was really sent is a character like any other.
    assert_eq!(parse("a=%EF%BF%BD").get("a"), Ok(Some("\u{fffd}")));
    assert_eq!(parse("a=\u{fffd}").get("a"), Ok(Some("\u{fffd}")));
}

#[test]
fn what_can_be_read_of_a_malformed_request_is_read() {
    let (params, whole) = Params::read(b"client_id=spa&state=%FF&%00=x&nonce=n");
    assert!(!whole);
    let read: Vec<_> = params.iter().collect();
    assert_eq!(read, [("client_id", "spa"), ("nonce", "n")]);
    assert!(Params::read(b"a=1&&b").1);
}

#[test]
fn a_broken_percent_escape_stays_as_it_is() {
    assert_eq!(parse("a=100%&b=%zz").get("a"), Ok(Some("100%")));
    assert_eq!(parse("a=100%&b=%zz").get("b"), Ok(Some("%zz")));
}

#[test]
fn pkce_rfc_7636_appendix_b() {
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    assert!(verify(verifier, challenge));
    assert!(is_challenge(challenge));
    assert!(!verify(verifier, &challenge[..42]));
    assert!(!verify(verifier, &format!("{challenge}=")));
    assert!(!verify(verifier, verifier), "plain is not supported");
    assert!(!verify(&verifier[..42], challenge));
}

/// A verifier is 43 to 128 unreserved characters; a right hash does not help another.
#[test]
fn a_verifier_is_well_formed() {
    use base64::Engine as _;
    use sha2::Digest as _;
    let hash = |text: &str| {
        base64::engine::general_purpose::URL_SAFE_NO_PAD
            .encode(sha2::Sha256::digest(text.as_bytes()))
    };
    let rows = [
        ("a".repeat(42), false),
        ("a".repeat(43), true),
        ("a".repeat(128), true),
        ("a".repeat(129), false),
        (format!("{}-._~", "Z9".repeat(20)), true),
        (format!("{} ", "a".repeat(43)), false),
        (format!("{}+", "a".repeat(43)), false),
        (format!("{}é", "a".repeat(43)), false),
        (String::new(), false),
    ];
    for (verifier, expected) in rows {
        assert_eq!(verify(&verifier, &hash(&verifier)), expected, "{verifier}");
    }
}

#[test]
fn a_challenge_is_43_characters_of_base64url() {
    for bad in [
        "",
        &"A".repeat(42),
        &"A".repeat(44),
        &"+".repeat(43),
        &format!("{}B", "A".repeat(42)),
    ] {
        assert!(!is_challenge(bad), "{bad}");
    }
}
