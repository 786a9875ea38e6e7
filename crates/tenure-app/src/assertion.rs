//! Client authentication by signature instead of a secret: `private_key_jwt` (OpenID Connect Core 9, RFC 7523).

use crate::seal::random_text;
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPairComponents, PublicKeyComponents};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;
use serde_json::json;
use tenure_protocol::Timestamp;

pub const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Seconds for which an assertion is good, beside what clocks may differ.
const LIFETIME: i64 = 60;

/// The client's private key and how it signs.
#[derive(Clone)]
pub struct AssertionKey {
    key: EncodingKey,
    header: Header,
}

impl std::fmt::Debug for AssertionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AssertionKey(…)")
    }
}

/// What was read, and the algorithm that it signs with unless another is named.
struct Found {
    key: EncodingKey,
    usual: Algorithm,
}

/// A private key as a JWK (RFC 7517, RFC 7518 section 6, RFC 8037).
#[derive(Deserialize)]
#[serde(tag = "kty")]
enum Jwk {
    #[serde(rename = "RSA")]
    Rsa {
        n: String,
        e: String,
        d: String,
        p: String,
        q: String,
        dp: String,
        dq: String,
        qi: String,
    },
    #[serde(rename = "EC")]
    Ec {
        crv: String,
        x: String,
        y: String,
        d: String,
    },
    #[serde(rename = "OKP")]
    Okp { crv: String, x: String, d: String },
}

/// The members that every JWK may have.
#[derive(Deserialize)]
struct Named {
    kid: Option<String>,
    alg: Option<String>,
}

const WRONG: &str = "is no private key: write PEM (PKCS#8, PKCS#1 or SEC 1) or a JWK, of RSA, P-256, P-384 or Ed25519";

impl AssertionKey {
    /// Reads PEM or a JWK. `alg` says how to sign, else the JWK's `alg`, else what is usual for such a key.
    ///
    /// # Errors
    /// What is wrong with the key, or with the algorithm for it. Nothing of the key is repeated.
    pub fn read(text: &str, alg: Option<&str>) -> Result<Self, &'static str> {
        let is_jwk = text.trim_start().starts_with('{');
        let (found, named) = if is_jwk {
            let jwk: Jwk = serde_json::from_str(text).map_err(|_| WRONG)?;
            let named: Named = serde_json::from_str(text).map_err(|_| WRONG)?;
            (from_jwk(&jwk), named)
        } else {
            let none = Named {
                kid: None,
                alg: None,
            };
            (from_pem(text), none)
        };
        let found = found.ok_or(WRONG)?;
        let alg = match alg.or(named.alg.as_deref()) {
            Some(name) => name.parse().map_err(
                |_| "names no signature algorithm: write RS256, PS256, ES256, EdDSA or the like",
            )?,
            None => found.usual,
        };
        let key = Self {
            key: found.key,
            header: Header {
                kid: named.kid,
                ..Header::new(alg)
            },
        };
        // An algorithm of another kind of key or of another curve is found here, and not at the first login.
        key.sign("", "", 0, Timestamp::default())
            .map_err(|_| "has an algorithm that does not fit it")?;
        Ok(key)
    }

    /// RFC 7523 section 3: issuer and subject are the client, and the audience is the provider's issuer, which no
    /// other provider takes for its own name.
    pub fn sign(
        &self,
        client_id: &str,
        issuer: &str,
        tolerance: i64,
        now: Timestamp,
    ) -> Result<String, jsonwebtoken::errors::Error> {
        let expires_at = now.plus(LIFETIME + tolerance);
        let claims = json!({
            "iss": client_id,
            "sub": client_id,
            "aud": issuer,
            "jti": random_text::<16>(),
            "iat": now.seconds(),
            "exp": expires_at.seconds(),
        });
        jsonwebtoken::encode(&self.header, &claims, &self.key)
    }
}

fn from_pem(text: &str) -> Option<Found> {
    let der = PrivateKeyDer::from_pem_slice(text.as_bytes()).ok()?;
    match der {
        PrivateKeyDer::Pkcs1(der) => rsa(RsaKeyPair::from_der(der.secret_pkcs1_der()).ok()?),
        PrivateKeyDer::Sec1(der) => ec_der(der.secret_sec1_der()),
        PrivateKeyDer::Pkcs8(der) => {
            let der = der.secret_pkcs8_der();
            let as_rsa = RsaKeyPair::from_pkcs8(der).ok().and_then(rsa);
            let as_ed = || Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok();
            as_rsa
                .or_else(|| ec_der(der))
                .or_else(|| as_ed().and_then(|pair| ed(&pair)))
        }
        _ => None,
    }
}

fn from_jwk(jwk: &Jwk) -> Option<Found> {
    let bytes = |text: &String| URL_SAFE_NO_PAD.decode(text).ok();
    match jwk {
        Jwk::Rsa {
            n,
            e,
            d,
            p,
            q,
            dp,
            dq,
            qi,
        } => {
            let components = KeyPairComponents {
                public_key: PublicKeyComponents {
                    n: bytes(n)?,
                    e: bytes(e)?,
                },
                d: bytes(d)?,
                p: bytes(p)?,
                q: bytes(q)?,
                dP: bytes(dp)?,
                dQ: bytes(dq)?,
                qInv: bytes(qi)?,
            };
            rsa(RsaKeyPair::from_components(&components).ok()?)
        }
        Jwk::Ec { crv, x, y, d } => {
            let (_, alg, usual) = CURVES.iter().find(|(name, _, _)| name == crv)?;
            let point = [vec![4], bytes(x)?, bytes(y)?].concat();
            let pair = EcdsaKeyPair::from_private_key_and_public_key(alg, &bytes(d)?, &point);
            ec(&pair.ok()?, *usual)
        }
        Jwk::Okp { crv, x, d } if crv == "Ed25519" => {
            ed(&Ed25519KeyPair::from_seed_and_public_key(&bytes(d)?, &bytes(x)?).ok()?)
        }
        Jwk::Okp { .. } => None,
    }
}

type Curve = (
    &'static str,
    &'static aws_lc_rs::signature::EcdsaSigningAlgorithm,
    Algorithm,
);

const CURVES: [Curve; 2] = [
    ("P-256", &ECDSA_P256_SHA256_FIXED_SIGNING, Algorithm::ES256),
    ("P-384", &ECDSA_P384_SHA384_FIXED_SIGNING, Algorithm::ES384),
];

fn ec_der(der: &[u8]) -> Option<Found> {
    CURVES.iter().find_map(|(_, alg, usual)| {
        let pair = EcdsaKeyPair::from_private_key_der(alg, der).ok()?;
        ec(&pair, *usual)
    })
}

/// The library takes RSA keys in PKCS#8 as PEM only.
#[expect(clippy::needless_pass_by_value, reason = "made for this and used up")]
fn rsa(pair: RsaKeyPair) -> Option<Found> {
    let der: Pkcs8V1Der<'_> = pair.as_der().ok()?;
    let text = STANDARD.encode(der.as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
    Some(Found {
        key: EncodingKey::from_rsa_pem(pem.as_bytes()).ok()?,
        usual: Algorithm::RS256,
    })
}

fn ec(pair: &EcdsaKeyPair, usual: Algorithm) -> Option<Found> {
    let der = pair.to_pkcs8v1().ok()?;
    Some(Found {
        key: EncodingKey::from_ec_der(der.as_ref()),
        usual,
    })
}

fn ed(pair: &Ed25519KeyPair) -> Option<Found> {
    let der = pair.to_pkcs8().ok()?;
    Some(Found {
        key: EncodingKey::from_ed_der(der.as_ref()),
        usual: Algorithm::EdDSA,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::encoding::{AsBigEndian as _, EcPrivateKeyBin, EcPrivateKeyRfc5915Der};
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::KeyPair as _;
    use serde_json::Value;

    fn pem(kind: &str, der: &[u8]) -> String {
        let text = STANDARD.encode(der);
        format!("-----BEGIN {kind}-----\n{text}\n-----END {kind}-----\n")
    }

    fn text(bytes: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The header and the claims of what a key signs.
    fn signed(key: &AssertionKey) -> (Value, Value) {
        let now = Timestamp::from_seconds(1000);
        let token = key.sign("shop", "https://op.example/", 60, now).unwrap();
        let part = |n: usize| {
            let part = token.split('.').nth(n).unwrap();
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
        };
        (part(0), part(1))
    }

    /// `RSAPrivateKey` of RFC 8017: the numbers, without the sign's zero, and the DER itself.
    fn rsa_numbers() -> (Vec<Vec<u8>>, Vec<u8>) {
        fn element(der: &[u8]) -> (&[u8], &[u8]) {
            let (header, length) = match der[1] {
                0x81 => (3, usize::from(der[2])),
                0x82 => (4, usize::from(der[2]) << 8 | usize::from(der[3])),
                short => (2, usize::from(short)),
            };
            der[header..].split_at(length)
        }
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        // PrivateKeyInfo: version, algorithm, and an octet string with the key.
        let (info, _) = element(der.as_ref());
        let (_, rest) = element(info);
        let (_, rest) = element(rest);
        let (pkcs1, _) = element(rest);
        let (mut rest, _) = element(pkcs1);
        let mut numbers = Vec::new();
        while !rest.is_empty() {
            let (number, more) = element(rest);
            let sign = usize::from(number.len() > 1 && number[0] == 0);
            numbers.push(number[sign..].to_vec());
            rest = more;
        }
        (numbers, pkcs1.to_vec())
    }

    #[test]
    fn a_key_is_read_however_it_is_written() {
        let (numbers, pkcs1) = rsa_numbers();
        let names = ["n", "e", "d", "p", "q", "dp", "dq", "qi"];
        let mut rsa = json!({"kty": "RSA", "kid": "k1"});
        for (name, number) in names.iter().zip(&numbers[1..]) {
            rsa[*name] = text(number).into();
        }
        let p384 = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
        let sec1: EcPrivateKeyRfc5915Der<'_> = p384.private_key().as_der().unwrap();
        let p256 = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let point = p256.public_key().as_ref();
        let d: EcPrivateKeyBin<'_> = p256.private_key().as_be_bytes().unwrap();
        let ec = json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256",
            "x": text(&point[1..33]), "y": text(&point[33..]), "d": text(d.as_ref()),
        });
        let ed = Ed25519KeyPair::generate().unwrap();
        let pkcs8 = |der: &[u8]| pem("PRIVATE KEY", der);
        let table = [
            (rsa.to_string(), None, "RS256", Some("k1")),
            (rsa.to_string(), Some("PS384"), "PS384", Some("k1")),
            (pem("RSA PRIVATE KEY", &pkcs1), None, "RS256", None),
            (pem("EC PRIVATE KEY", sec1.as_ref()), None, "ES384", None),
            (
                pkcs8(p384.to_pkcs8v1().unwrap().as_ref()),
                None,
                "ES384",
                None,
            ),
            (
                pkcs8(p256.to_pkcs8v1().unwrap().as_ref()),
                None,
                "ES256",
                None,
            ),
            (ec.to_string(), None, "ES256", None),
            (
                pkcs8(ed.to_pkcs8v1().unwrap().as_ref()),
                None,
                "EdDSA",
                None,
            ),
            (pkcs8(ed.to_pkcs8().unwrap().as_ref()), None, "EdDSA", None),
        ];
        for (written, alg, expected, kid) in table {
            let key = AssertionKey::read(&written, alg).unwrap();
            let (header, claims) = signed(&key);
            assert_eq!(header["alg"], expected);
            assert_eq!(header.get("kid").and_then(Value::as_str), kid);
            assert_eq!(
                (&claims["iss"], &claims["sub"]),
                (&json!("shop"), &json!("shop"))
            );
            assert_eq!(claims["aud"], "https://op.example/");
            assert_eq!(
                (&claims["iat"], &claims["exp"]),
                (&json!(1000), &json!(1120))
            );
            assert_ne!(claims["jti"], signed(&key).1["jti"]);
            assert_eq!(format!("{key:?}"), "AssertionKey(…)");
        }
        for (written, alg, word) in [
            (pem("PRIVATE KEY", b"x"), None, "no private key"),
            (pem("PUBLIC KEY", &pkcs1), None, "no private key"),
            ("secret".to_owned(), None, "no private key"),
            ("{".to_owned(), None, "no private key"),
            (
                r#"{"kty":"oct","k":"c2VjcmV0"}"#.to_owned(),
                None,
                "no private key",
            ),
            (
                ec.to_string().replace("\"d\"", "\"x5t\""),
                None,
                "no private key",
            ),
            (
                ec.to_string().replace("P-256", "P-521"),
                None,
                "no private key",
            ),
            (ec.to_string(), Some("ES384"), "does not fit"),
            (ec.to_string(), Some("RS256"), "does not fit"),
            (rsa.to_string(), Some("HS256"), "does not fit"),
            (rsa.to_string(), Some("none"), "no signature algorithm"),
        ] {
            let refused = AssertionKey::read(&written, alg).unwrap_err();
            assert!(refused.contains(word), "{word}: {refused}");
        }
    }
}
