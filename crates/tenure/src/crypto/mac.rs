//! MACs and hashes of secrets. Secrets are random, so they are stored as a MAC or a hash and
//! compared in constant time.

use super::master::Master;
use aws_lc_rs::{constant_time, digest, hmac};

/// A key for MACs, made once at start.
#[derive(Clone)]
pub struct MacKey(hmac::Key);

impl std::fmt::Debug for MacKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MacKey(…)")
    }
}

impl MacKey {
    pub fn derive(master: &Master, label: &str) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &master.derive(label)))
    }

    pub fn from_bytes(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// HMAC-SHA-256 over the parts, each with its length before it, so that no two lists of parts collide.
    pub fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        into_array(context.sign().as_ref())
    }

    /// HMAC-SHA-256 over exactly these bytes.
    pub fn mac_bytes(&self, bytes: &[u8]) -> [u8; 32] {
        into_array(hmac::sign(&self.0, bytes).as_ref())
    }
}

pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    into_array(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// Compares without telling by its duration where the difference is.
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}

fn into_array(bytes: &[u8]) -> [u8; 32] {
    let mut array = [0; 32];
    for (to, from) in array.iter_mut().zip(bytes) {
        *to = *from;
    }
    array
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn the_vectors_of_the_standards() {
        // RFC 4231 section 4.3 and FIPS 180-4's "abc".
        let mac = MacKey::from_bytes(b"Jefe").mac_bytes(b"what do ya want for nothing?");
        assert_eq!(
            hex(&mac),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            hex(&sha256(b"abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn parts_keep_their_borders_and_keys_their_purpose() {
        let master = Master::from_bytes([3; 32]);
        let key = MacKey::derive(&master, "client secret");
        assert_ne!(key.mac(&[b"ab", b"c"]), key.mac(&[b"a", b"bc"]));
        assert_ne!(key.mac(&[b"abc"]), key.mac(&[b"abc", b""]));
        let other = MacKey::derive(&master, "csrf");
        assert_ne!(key.mac(&[b"abc"]), other.mac(&[b"abc"]));
        assert_eq!(key.mac(&[b"abc"]), key.mac(&[b"abc"]));
    }

    #[test]
    fn only_equal_bytes_are_equal() {
        let table: [(&[u8], &[u8], bool); 4] = [
            (b"abc", b"abc", true),
            (b"abc", b"abd", false),
            (b"abc", b"ab", false),
            (b"", b"", true),
        ];
        for (a, b, expected) in table {
            assert_eq!(equal(a, b), expected, "{a:?} {b:?}");
        }
    }

    #[test]
    fn a_key_is_never_printed() {
        let key = MacKey::from_bytes(b"very secret");
        assert_eq!(format!("{key:?}"), "MacKey(…)");
    }
}
