//! What browsers and stores keep for us is encrypted and authenticated, and bound to its purpose.

use aws_lc_rs::{aead, digest, hkdf, hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The secrets of an application: the first seals, all of them open, so that one can be rolled over.
#[derive(Clone)]
pub struct Seal {
    secrets: Vec<hkdf::Prk>,
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal(…)")
    }
}

impl Seal {
    pub fn new(secrets: &[String]) -> Self {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"tenure-app");
        Self {
            secrets: secrets
                .iter()
                .map(|secret| salt.extract(secret.as_bytes()))
                .collect(),
        }
    }

    /// Encrypts for one purpose. AES-256-GCM, with a key of its own for each message, derived from 12 of
    /// its 24 random bytes: random nonces under one key are safe for only 2^32 messages (NIST SP 800-38D
    /// section 8.3), and a busy application rolls more cookies than that.
    pub fn seal(&self, purpose: &str, plain: &[u8]) -> Vec<u8> {
        let (salt, nonce) = (random::<12>(), random::<12>());
        let mut sealed = plain.to_vec();
        let key = self.secrets.first().and_then(|prk| key(prk, &salt));
        let done = key.map(|key| {
            key.seal_in_place_append_tag(
                aead::Nonce::assume_unique_for_key(nonce),
                aead::Aad::from(purpose.as_bytes()),
                &mut sealed,
            )
        });
        // Nothing may leave unencrypted. There is always a secret, and GCM fails only at 64 GiB.
        if !matches!(done, Some(Ok(()))) {
            std::process::abort();
        }
        [&salt, &nonce, sealed.as_slice()].concat()
    }

    /// `None`: sealed under another secret, for another purpose, or changed.
    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (salt, rest) = sealed.split_first_chunk::<12>()?;
        let (nonce, rest) = rest.split_first_chunk::<12>()?;
        self.secrets.iter().find_map(|prk| {
            let mut text = rest.to_vec();
            let nonce = aead::Nonce::assume_unique_for_key(*nonce);
            let aad = aead::Aad::from(purpose.as_bytes());
            let plain = key(prk, salt)?.open_in_place(nonce, aad, &mut text).ok()?;
            Some(plain.to_vec())
        })
    }

    /// [`Seal::seal`] as text for a cookie.
    pub fn seal_text(&self, purpose: &str, plain: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(self.seal(purpose, plain))
    }

    pub fn open_text(&self, purpose: &str, text: &str) -> Option<Vec<u8>> {
        self.open(purpose, &URL_SAFE_NO_PAD.decode(text).ok()?)
    }
}

fn key(prk: &hkdf::Prk, salt: &[u8; 12]) -> Option<aead::LessSafeKey> {
    let mut bytes = [0; 32];
    prk.expand(&[b"seal", salt], hmac::HMAC_SHA256)
        .and_then(|okm| okm.fill(&mut bytes))
        .ok()?;
    let key = aead::UnboundKey::new(&aead::AES_256_GCM, &bytes).ok()?;
    Some(aead::LessSafeKey::new(key))
}

/// Bytes that nobody can guess.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // Without randomness there is no secret worth its name, and nothing can be answered.
    if rand::fill(&mut bytes).is_err() {
        std::process::abort();
    }
    bytes
}

/// Random bytes as text.
pub fn random_text<const N: usize>() -> String {
    URL_SAFE_NO_PAD.encode(random::<N>())
}

/// SHA-256 over parts that cannot run into each other.
pub fn hash(parts: &[&str]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    let mut bytes = [0; 32];
    for (to, from) in bytes.iter_mut().zip(context.finish().as_ref()) {
        *to = *from;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(secrets: &[&str]) -> Seal {
        Seal::new(&secrets.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn what_is_sealed_opens_only_with_its_secret_and_purpose() {
        let (a, b) = (seal(&["one"]), seal(&["two"]));
        let sealed = a.seal_text("session", b"secret");
        assert_eq!(a.open_text("session", &sealed).unwrap(), b"secret");
        assert!(b.open_text("session", &sealed).is_none());
        assert!(a.open_text("transaction", &sealed).is_none());
        for at in 0..sealed.len() - 1 {
            let mut changed = sealed.clone();
            let other = if &sealed[at..=at] == "A" { "B" } else { "A" };
            changed.replace_range(at..=at, other);
            assert!(a.open_text("session", &changed).is_none(), "{at}");
            assert!(a.open_text("session", &sealed[..at]).is_none(), "{at}");
        }
        assert_ne!(a.seal("session", b"x"), a.seal("session", b"x"));
        assert_eq!(format!("{a:?}"), "Seal(…)");
    }

    #[test]
    fn secrets_are_rolled_over_without_signing_anybody_out() {
        let (old, both, new) = (seal(&["old"]), seal(&["new", "old"]), seal(&["new"]));
        assert!(both.open("p", &old.seal("p", b"x")).is_some());
        assert!(new.open("p", &both.seal("p", b"x")).is_some());
        assert!(new.open("p", &old.seal("p", b"x")).is_none());
    }

    #[test]
    fn parts_of_a_hash_do_not_run_into_each_other() {
        assert_ne!(hash(&["ab", "c"]), hash(&["a", "bc"]));
        assert_eq!(hash(&["ab", "c"]), hash(&["ab", "c"]));
    }
}
