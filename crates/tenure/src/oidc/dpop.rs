//! Proofs of possession (RFC 9449) as they come with requests: the header, the signature, nonces, and
//! what counts once. What a proof says is judged in [`tenure_protocol::dpop`].

use crate::app::App;
use crate::crypto::mac::{self, MacKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderName, HeaderValue};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;
use tenure_protocol::dpop::{Demand, KeyKind, NONCE_LIFETIME, Proof, ProofFault};
use tenure_protocol::{RefusalReason, Timestamp};
use tenure_store::{StoreError, Tx};

pub const HEADER: HeaderName = HeaderName::from_static("dpop");
pub const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// Which request a proof must be for.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint<'a> {
    pub method: &'a str,
    /// Below the base URL.
    pub path: &'a str,
    /// The access token that the request presents, at a resource.
    pub access_token: Option<&'a str>,
}

/// A key that a request proved to hold.
#[derive(Clone, Debug)]
pub struct Proven {
    pub jkt: String,
    /// Names the proof among all proofs by all keys.
    id: String,
    /// When it can be forgotten.
    until: Timestamp,
}

/// Verifies the proof of a request; `None`: it carries none.
///
/// # Errors
/// It carries something else, or a proof for another request or another time.
pub fn verify(
    app: &App,
    headers: &HeaderMap,
    endpoint: &Endpoint<'_>,
    now: Timestamp,
) -> Result<Option<Proven>, RefusalReason> {
    let Some(text) = header(headers)? else {
        return Ok(None);
    };
    let proof = Proof::parse(text).map_err(RefusalReason::DpopProof)?;
    if !signature_is_valid(&proof, text) {
        return Err(RefusalReason::DpopProof(ProofFault::Signature));
    }
    let nonce = proof.nonce.as_deref();
    let has_fresh_nonce = nonce.is_some_and(|nonce| is_fresh(&app.macs.nonce, nonce, now));
    let address = app.config.base_url.join(endpoint.path);
    let demand = Demand {
        method: endpoint.method,
        address: &address,
        access_token: endpoint.access_token,
        has_fresh_nonce,
    };
    proof.judge(&demand, now)?;
    let id = mac::sha256(format!("{} {}", proof.jkt, proof.jti).as_bytes());
    Ok(Some(Proven {
        until: proof.accepted_until(now),
        jkt: proof.jkt,
        id: URL_SAFE_NO_PAD.encode(id),
    }))
}

/// Exactly one, of one line.
fn header(headers: &HeaderMap) -> Result<Option<&str>, RefusalReason> {
    let mut values = headers.get_all(HEADER).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(RefusalReason::DpopProof(ProofFault::Twice));
    }
    let text = value.to_str();
    text.map(Some)
        .map_err(|_| RefusalReason::DpopProof(ProofFault::Malformed))
}

fn signature_is_valid(proof: &Proof, text: &str) -> bool {
    let algorithm = match proof.kind {
        KeyKind::P256 => Algorithm::ES256,
        KeyKind::Rsa => Algorithm::RS256,
        KeyKind::Ed25519 => Algorithm::EdDSA,
    };
    let Some((message, signature)) = text.rsplit_once('.') else {
        return false;
    };
    let jwk = serde_json::from_value(Value::Object(proof.key.clone())).ok();
    jwk.and_then(|jwk| DecodingKey::from_jwk(&jwk).ok())
        .is_some_and(|key| {
            jsonwebtoken::crypto::verify(signature, message.as_bytes(), &key, algorithm)
                .unwrap_or(false)
        })
}

impl Proven {
    /// Takes note of the proof, in the transaction of what it serves. A proof counts once, but for the
    /// very same `purpose` it may come again: an application whose answer was lost on the network sends
    /// the same bytes once more, and what that is worth is the grant's own question.
    ///
    /// `false`: it served something else before.
    pub fn count(&self, tx: &Tx<'_>, purpose: &str) -> Result<bool, StoreError> {
        if tx.put_once(KIND, &self.id, purpose, self.until)? {
            return Ok(true);
        }
        let before = tx.peek_once(KIND, &self.id)?;
        Ok(!purpose.is_empty() && before.is_some_and(|(earlier, _)| earlier == purpose))
    }
}

const KIND: &str = "dpop";

/// What a code or a refresh token is called in [`Proven::count`].
pub fn purpose(credential: &str) -> String {
    URL_SAFE_NO_PAD.encode(mac::sha256(credential.as_bytes()))
}

/// A nonce: the second in which it was made, and a MAC. Nothing is stored, and every server of the
/// installation knows it.
fn nonce(key: &MacKey, made_at: i64) -> String {
    let mac = key.mac(&[&made_at.to_be_bytes()]);
    let mut bytes = made_at.to_be_bytes().to_vec();
    bytes.extend(mac.iter().take(16));
    URL_SAFE_NO_PAD.encode(bytes)
}

fn is_fresh(key: &MacKey, text: &str, now: Timestamp) -> bool {
    let bytes = URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
    let Some(made_at) = bytes.first_chunk::<8>().map(|b| i64::from_be_bytes(*b)) else {
        return false;
    };
    let ours = mac::equal(nonce(key, made_at).as_bytes(), text.as_bytes());
    let age = now.seconds().checked_sub(made_at);
    ours && age.is_some_and(|age| (0..=NONCE_LIFETIME).contains(&age))
}

/// A nonce for the caller's next proof (RFC 9449 section 8.1).
pub fn offer_nonce(app: &App, answer: &mut HeaderMap, now: Timestamp) {
    if let Ok(value) = HeaderValue::from_str(&nonce(&app.macs.nonce, now.seconds())) {
        answer.insert(NONCE, value);
    }
}

/// Whether a request's proof carries a nonce: who was once asked for one gets a new one with each
/// answer, and need not be asked again (RFC 9449 section 8.2).
pub fn uses_nonces(headers: &HeaderMap) -> bool {
    let proof = header(headers).ok().flatten().map(Proof::parse);
    matches!(proof, Some(Ok(proof)) if proof.nonce.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::master::Master;

    #[test]
    fn a_nonce_is_good_for_an_hour_and_only_under_its_key() {
        let key = MacKey::derive(&Master::from_bytes([3; 32]), "dpop nonce");
        let at = Timestamp::from_seconds;
        let text = nonce(&key, 1_000);
        let table = [(999, false), (1_000, true), (4_600, true), (4_601, false)];
        for (now, fresh) in table {
            assert_eq!(is_fresh(&key, &text, at(now)), fresh, "{now}");
        }
        let other = MacKey::derive(&Master::from_bytes([4; 32]), "dpop nonce");
        assert!(!is_fresh(&other, &text, at(1_000)));
        for text in ["", "AAAA", &text[1..], &format!("{text}A")] {
            assert!(!is_fresh(&key, text, at(1_000)), "{text}");
        }
        // The farthest instants that 64 bits can name overflow nothing.
        for made_at in [i64::MIN, i64::MAX] {
            assert!(!is_fresh(&key, &nonce(&key, made_at), at(1_000)));
        }
    }

    /// The example of RFC 9449 section 4.1.
    #[test]
    fn the_proof_of_the_specification_is_valid() {
        let text = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4\
                    dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282\
                    NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndD\
                    M0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29t\
                    L3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4\
                    PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";
        let proof = Proof::parse(text).unwrap();
        assert!(signature_is_valid(&proof, text));
        assert_eq!(proof.jkt, "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
        assert!(!signature_is_valid(&proof, &text.replace(".2-", ".3-")));
    }
}
