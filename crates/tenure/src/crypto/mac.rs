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
