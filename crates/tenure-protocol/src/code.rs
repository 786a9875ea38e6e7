//! Authorization codes: single use, bound to client, redirect URI and verifier
//! (RFC 6749 section 4.1.3, RFC 7636).

use crate::dpop::ProofFault;
use crate::{FamilyId, RefusalReason, Sid, Timestamp, pkce};
use serde::{Deserialize, Serialize};

/// How long a code lives, in seconds (IPSIE SL1 and ASVS 10.4.3 level 3 ask for at most 60).
pub const CODE_LIFETIME: i64 = 60;

/// A code's row. The code itself is stored only as its hash.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Code {
    pub sid: Sid,
    pub hash: [u8; 32],
    pub client_id: String,
    pub user_id: String,
    pub redirect_uri: String,
    /// Whether the authorization request carried `redirect_uri`: then the exchange must repeat it.
    pub redirect_uri_sent: bool,
    pub code_challenge: Option<String>,
    /// The thumbprint of the DPoP key that alone may redeem it (RFC 9449 section 10).
    pub dpop_jkt: Option<String>,
    pub nonce: Option<String>,
    /// The scope granted, space-separated.
    pub scope: String,
    pub audience: Option<String>,
    pub auth_time: Timestamp,
    pub amr: Vec<String>,
    pub acr: Option<String>,
    pub claims: Option<String>,
    pub expires_at: Timestamp,
    pub consumed_at: Option<Timestamp>,
    /// What the exchange issued, so that a second exchange can revoke it.
    pub family_id: Option<FamilyId>,
    pub access_token_id: Option<String>,
}

/// What the exchange presents.
#[derive(Clone, Copy, Debug)]
pub struct Presented<'a> {
    pub client_id: &'a str,
    pub client_is_public: bool,
    pub redirect_uri: Option<&'a str>,
    pub code_verifier: Option<&'a str>,
    /// The thumbprint of the key that the request proves to hold.
    pub jkt: Option<&'a str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Consume the code and issue tokens.
    Redeem,
    /// Refused, nothing changes.
    Refused(RefusalReason),
    /// A second use by its own client: refuse, and revoke what the first use issued.
    Replayed,
}

/// Judges an exchange. A code that another client presents is not used up: else anybody who saw it
/// could spoil it (lesson CVE-2026-55672).
pub fn decide(code: &Code, presented: &Presented<'_>, now: Timestamp) -> Outcome {
    use RefusalReason as No;
    if presented.client_id != code.client_id {
        return Outcome::Refused(No::CodeForeignClient);
    }
    if code.consumed_at.is_some() {
        return Outcome::Replayed;
    }
    if now >= code.expires_at {
        return Outcome::Refused(No::CodeExpired);
    }
    let redirect_fits = match presented.redirect_uri {
        Some(uri) => uri == code.redirect_uri,
        None => !code.redirect_uri_sent,
    };
    if !redirect_fits {
        return Outcome::Refused(No::RedirectUriMismatch);
    }
    if code.dpop_jkt.is_some() && code.dpop_jkt.as_deref() != presented.jkt {
        return Outcome::Refused(No::DpopProof(ProofFault::OtherKey));
    }
    match (&code.code_challenge, presented.code_verifier) {
        (Some(challenge), Some(verifier)) if pkce::verify(verifier, challenge) => Outcome::Redeem,
        (Some(_), Some(_)) => Outcome::Refused(No::CodeVerifierWrong),
        (Some(_), None) => Outcome::Refused(No::CodeVerifierMissing),
        // A verifier without a challenge is a downgrade in progress (RFC 9700 section 2.1.1).
        (None, Some(_)) => Outcome::Refused(No::CodeVerifierUnexpected),
        (None, None) if presented.client_is_public => Outcome::Refused(No::PkceRequired),
        (None, None) => Outcome::Redeem,
    }
}
