//! What a proof of possession says, and whether it fits (RFC 9449 sections 4.2 and 4.3).

use crate::common::{at, client, properties};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::{any, prop_assert, proptest};
use serde_json::{Value, json};
use tenure_protocol::RefusalReason as No;
use tenure_protocol::dpop::{
    Demand, FARTHEST_AHEAD, KeyKind, NONCE_LIFETIME, Proof, ProofFault, hash_of_token, is_required,
    is_thumbprint,
};
use tenure_protocol::model::{Api, AppType, Client, ProofOfPossession, RequiredFor};

const TOKEN_ENDPOINT: &str = "https://id.example.com/oauth/token";

/// The key of RFC 9449's examples.
fn p256() -> Value {
    json!({
        "kty": "EC", "crv": "P-256",
        "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
        "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
    })
}

/// The key of RFC 8037 appendix A.
fn ed25519() -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
}

fn header() -> Value {
    json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": p256()})
}

fn claims() -> Value {
    let iat = at(0).seconds();
    json!({"jti": "j", "htm": "POST", "htu": TOKEN_ENDPOINT, "iat": iat})
}

fn text(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.c2ln", part(header), part(claims))
}

fn with(object: &Value, name: &str, value: Value) -> Value {
    let mut changed = object.clone();
    changed[name] = value;
    changed
}

fn without(object: &Value, name: &str) -> Value {
    let mut changed = object.clone();
    changed.as_object_mut().unwrap().remove(name);
    changed
}

const DEMAND: Demand<'static> = Demand {
    method: "POST",
    address: TOKEN_ENDPOINT,
    access_token: None,
    has_fresh_nonce: false,
};

fn judge(claims: &Value, demand: &Demand<'_>, now: i64) -> Result<(), No> {
    let proof = Proof::parse(&text(&header(), claims)).unwrap();
    proof.judge(demand, at(now))
}

#[test]
fn thumbprints_of_the_standards() {
    // RFC 9449 section 6.1, RFC 8037 appendix A.3, RFC 7638 section 3.1.
    let rsa = json!({
        "kty": "RSA", "e": "AQAB", "alg": "RS256", "kid": "2011-04-29",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
    });
    let table = [
        (
            "ES256",
            p256(),
            "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I",
        ),
        (
            "EdDSA",
            ed25519(),
            "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
        ),
        (
            "Ed25519",
            ed25519(),
            "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
        ),
        ("RS256", rsa, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"),
    ];
    for (alg, jwk, jkt) in table {
        let header = json!({"typ": "dpop+jwt", "alg": alg, "jwk": jwk});
        let proof = Proof::parse(&text(&header, &claims())).unwrap();
        assert_eq!(proof.jkt, jkt, "{alg}");
        assert!(is_thumbprint(jkt));
        // Nothing else of the key goes on.
        assert!(proof.key.len() <= 4 && !proof.key.contains_key("kid"));
    }
    for text in ["", "abc", "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I="] {
        assert!(!is_thumbprint(text), "{text}");
    }
}

#[test]
fn headers_that_are_none() {
    use ProofFault::{Algorithm, Key, Malformed};
    let h = header();
    let jwk = |name: &str, value: Value| with(&h, "jwk", with(&p256(), name, value));
    let table = [
        ("no type", without(&h, "typ"), Malformed),
        ("a JWT", with(&h, "typ", "JWT".into()), Malformed),
        (
            "an access token",
            with(&h, "typ", "at+jwt".into()),
            Malformed,
        ),
        ("critical", with(&h, "crit", json!(["b64"])), Malformed),
        ("no algorithm", without(&h, "alg"), Malformed),
        ("none", with(&h, "alg", "none".into()), Algorithm),
        ("symmetric", with(&h, "alg", "HS256".into()), Algorithm),
        ("unknown", with(&h, "alg", "es256".into()), Algorithm),
        ("no key", without(&h, "jwk"), Key),
        ("no object", with(&h, "jwk", "x".into()), Key),
        ("a private key", jwk("d", "AA".into()), Key),
        (
            "a symmetric key",
            with(&h, "jwk", json!({"kty": "oct", "k": "AA"})),
            Key,
        ),
        ("another curve", jwk("crv", "P-384".into()), Key),
        ("another kind", with(&h, "alg", "EdDSA".into()), Key),
        ("no coordinate", with(&h, "jwk", without(&p256(), "y")), Key),
        ("an empty one", jwk("y", "".into()), Key),
        ("a number", jwk("y", 7.into()), Key),
        ("no base64url", jwk("y", "a\",\"z\":\"b".into()), Key),
    ];
    for (name, header, fault) in table {
        assert_eq!(
            Proof::parse(&text(&header, &claims())),
            Err(fault),
            "{name}"
        );
    }
}

#[test]
fn claims_that_are_none() {
    let c = claims();
    let long = "x".repeat(257);
    let table = [
        without(&c, "jti"),
        with(&c, "jti", "".into()),
        with(&c, "jti", long.into()),
        with(&c, "jti", 7.into()),
        without(&c, "htm"),
        without(&c, "htu"),
        with(&c, "htu", json!(["x"])),
        without(&c, "iat"),
        with(&c, "iat", "1767225600".into()),
        with(&c, "ath", 7.into()),
        with(&c, "nonce", Value::Null),
        json!([]),
    ];
    for claims in table {
        assert_eq!(
            Proof::parse(&text(&header(), &claims)),
            Err(ProofFault::Malformed),
            "{claims}"
        );
    }
    let whole = text(&header(), &c);
    for text in ["", "a.b", "..", &whole[1..], &format!("{whole}.x")] {
        assert_eq!(Proof::parse(text), Err(ProofFault::Malformed), "{text}");
    }
}

#[test]
fn the_address_is_compared_after_normalization() {
    let table = [
        (TOKEN_ENDPOINT, true),
        ("https://id.example.com:443/oauth/token", true),
        ("HTTPS://ID.Example.COM/oauth/token", true),
        ("https://id.example.com/oauth/./token", true),
        ("https://id.example.com/x/../oauth/token", true),
        ("https://id.example.com/oauth/token?a=b#c", true),
        ("https://id.example.com/oauth/token/", false),
        ("https://id.example.com/OAuth/token", false),
        ("https://id.example.com/userinfo", false),
        ("https://id.example.com:8443/oauth/token", false),
        ("http://id.example.com/oauth/token", false),
        ("https://id.example.com.evil.example/oauth/token", false),
        ("https://id.example.com@evil.example/oauth/token", false),
        ("https://ada@id.example.com/oauth/token", false),
        ("/oauth/token", false),
        ("", false),
    ];
    for (htu, fits) in table {
        let expected = if fits {
            Ok(())
        } else {
            Err(No::DpopProof(ProofFault::Address))
        };
        assert_eq!(
            judge(&with(&claims(), "htu", htu.into()), &DEMAND, 0),
            expected,
            "{htu}"
        );
    }
}

#[test]
fn the_method_and_the_access_token() {
    let c = claims();
    let method = Err(No::DpopProof(ProofFault::Method));
    assert_eq!(judge(&with(&c, "htm", "GET".into()), &DEMAND, 0), method);
    assert_eq!(judge(&with(&c, "htm", "post".into()), &DEMAND, 0), method);
    let resource = Demand {
        access_token: Some("t"),
        ..DEMAND
    };
    let token = Err(No::DpopProof(ProofFault::Token));
    assert_eq!(judge(&c, &resource, 0), token);
    assert_eq!(
        judge(&with(&c, "ath", hash_of_token("u").into()), &resource, 0),
        token
    );
    let ath = with(&c, "ath", hash_of_token("t").into());
    assert_eq!(judge(&ath, &resource, 0), Ok(()));
    // At the token endpoint there is none to compare with.
    assert_eq!(judge(&ath, &DEMAND, 0), Ok(()));
}

#[test]
fn a_clock_that_is_off_is_asked_for_a_nonce() {
    let table = [
        (0, false, true),
        (60, false, true),
        (-60, false, true),
        (61, false, false),
        (-61, false, false),
        (1_000_000, false, false),
        (0, true, true),
        (61, true, true),
        (-1_000_000, true, true),
    ];
    for (late, has_fresh_nonce, fits) in table {
        let demand = Demand {
            has_fresh_nonce,
            ..DEMAND
        };
        let expected = if fits {
            Ok(())
        } else {
            Err(No::DpopNonceNeeded)
        };
        assert_eq!(
            judge(&claims(), &demand, late),
            expected,
            "{late} {has_fresh_nonce}"
        );
    }
    // Fractions are allowed by RFC 7519; nonsense is far away from now.
    for (iat, fits) in [
        (json!(at(0).seconds() as f64 + 0.5), true),
        (json!(1e300), false),
    ] {
        assert_eq!(
            judge(&with(&claims(), "iat", iat.clone()), &DEMAND, 0).is_ok(),
            fits,
            "{iat}"
        );
    }
}

/// A proof must be remembered for as long as it could be accepted again.
#[test]
fn a_proof_is_remembered_until_it_is_worthless() {
    // Beside a nonce the clock may be off, and an hour later the nonce is old: what was made ahead must not
    // be taken for one that is made then.
    let rows = [
        (60, None),
        (-60, None),
        (0, None),
        (0, Some("n")),
        (7_200, Some("n")),
        (-7_200, Some("n")),
        (FARTHEST_AHEAD, Some("n")),
    ];
    for (ahead, nonce) in rows {
        let iat = at(ahead).seconds();
        let mut claims = with(&claims(), "iat", iat.into());
        if let Some(nonce) = nonce {
            claims["nonce"] = nonce.into();
        }
        let proof = Proof::parse(&text(&header(), &claims)).unwrap();
        let fresh = Demand {
            has_fresh_nonce: nonce.is_some(),
            ..DEMAND
        };
        assert_eq!(proof.judge(&fresh, at(0)), Ok(()));
        let forgotten = proof.accepted_until(at(0));
        for later in [
            0,
            60,
            3_600,
            7_200,
            7_260,
            FARTHEST_AHEAD,
            2 * FARTHEST_AHEAD,
        ] {
            let then = forgotten.plus(later);
            let judged = proof.judge(&DEMAND, then);
            assert_eq!(judged, Err(No::DpopNonceNeeded), "{ahead} {later}");
        }
        assert!(nonce.is_none() || forgotten > at(NONCE_LIFETIME));
    }
}

/// It would have to be remembered until then.
#[test]
fn a_proof_from_the_far_future_is_refused_whatever_its_nonce() {
    let fresh = Demand {
        has_fresh_nonce: true,
        ..DEMAND
    };
    let of = |iat: serde_json::Value| {
        let claims = with(&claims(), "iat", iat);
        Proof::parse(&text(&header(), &claims)).unwrap()
    };
    let ahead = Err(No::DpopProof(ProofFault::Ahead));
    let far = at(FARTHEST_AHEAD + 1).seconds();
    for iat in [far.into(), 1e18.into(), 1e300.into()] {
        assert_eq!(of(iat).judge(&fresh, at(0)), ahead);
    }
    assert_eq!(of((far - 1).into()).judge(&fresh, at(0)), Ok(()));
    assert_eq!(of(0.into()).judge(&fresh, at(0)), Ok(()));
}

#[test]
fn who_must_prove_possession() {
    let api = |mechanism: &str, required, required_for| Api {
        proof_of_possession: Some(ProofOfPossession {
            mechanism: mechanism.to_owned(),
            required,
            required_for,
            ..ProofOfPossession::default()
        }),
        ..Api::default()
    };
    let strict = Client {
        require_proof_of_possession: true,
        ..client(AppType::Spa)
    };
    let (spa, web) = (client(AppType::Spa), client(AppType::RegularWeb));
    let public = Some(RequiredFor::PublicClients);
    let everybody = Some(RequiredFor::AllClients);
    let table = [
        (&spa, None, false),
        (&spa, Some(Api::default()), false),
        (&strict, None, true),
        (&strict, Some(Api::default()), true),
        (&spa, Some(api("dpop", true, None)), true),
        (&web, Some(api("dpop", true, None)), true),
        (&web, Some(api("dpop", true, everybody)), true),
        (&spa, Some(api("dpop", true, public)), true),
        (&web, Some(api("dpop", true, public)), false),
        (&spa, Some(api("dpop", false, everybody)), false),
        (&spa, Some(api("mtls", true, everybody)), false),
    ];
    for (client, api, required) in table {
        assert_eq!(
            is_required(client, api.as_ref()),
            required,
            "{client:?} {api:?}"
        );
    }
}

proptest! {
    #![proptest_config(properties())]

    /// Whatever comes in the header: an answer, and only well-formed keys get through.
    #[test]
    fn nothing_breaks_the_parser(header in any::<Vec<u8>>(), claims in any::<Vec<u8>>(), raw in ".*") {
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        prop_assert!(Proof::parse(&raw).is_err());
        let text = [part(&header), part(&claims), "x".to_owned()].join(".");
        prop_assert!(Proof::parse(&text).is_err());
    }

    /// One key has one thumbprint, whatever stands beside it and in whatever order.
    #[test]
    fn a_thumbprint_is_of_the_key_alone(kid in "[a-z]{1,9}", jti in "[a-z]{1,9}") {
        let jwk = with(&with(&p256(), "kid", kid.into()), "use", "sig".into());
        let proof = Proof::parse(&text(&with(&header(), "jwk", jwk), &with(&claims(), "jti", jti.into())));
        let plain = Proof::parse(&text(&header(), &claims()));
        prop_assert!(matches!((proof, plain), (Ok(a), Ok(b)) if a.jkt == b.jkt && a.kind == KeyKind::P256));
    }
}
