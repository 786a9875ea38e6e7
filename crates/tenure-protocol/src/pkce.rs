//! PKCE (RFC 7636), S256 only.

/// Whether `verifier` is well-formed (43 to 128 unreserved characters) and hashes to `challenge`.
pub fn verify(verifier: &str, challenge: &str) -> bool {
    todo!("{verifier} {challenge}")
}

/// Whether `challenge` looks like an S256 challenge: 43 characters of base64url.
pub fn is_challenge(challenge: &str) -> bool {
    todo!("{challenge}")
}
