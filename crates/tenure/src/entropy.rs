//! The one place that makes randomness, with a seeded twin for tests.

use aws_lc_rs::{hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tenure_protocol::{FamilyId, Sid};

/// Cheap to clone; clones of a seeded source share its counter.
#[derive(Clone, Debug, Default)]
pub struct Entropy {
    seeded: Option<Arc<Seeded>>,
}

#[derive(Debug)]
struct Seeded {
    key: hmac::Key,
    counter: AtomicU64,
}

impl Entropy {
    pub const fn system() -> Self {
        Self { seeded: None }
    }

    /// The same bytes in the same order for the same seed: for tests only.
    pub fn seeded(seed: u64) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &seed.to_be_bytes());
        Self {
            seeded: Some(Arc::new(Seeded {
                key,
                counter: AtomicU64::new(0),
            })),
        }
    }

    pub fn fill(&self, bytes: &mut [u8]) {
        match &self.seeded {
            None => {
                // Without randomness nothing may go on: every id and secret would be guessable.
                if rand::fill(bytes).is_err() {
                    std::process::abort();
                }
            }
            Some(seeded) => {
                for chunk in bytes.chunks_mut(32) {
                    let count = seeded.counter.fetch_add(1, Ordering::Relaxed);
                    let block = hmac::sign(&seeded.key, &count.to_be_bytes());
                    for (to, from) in chunk.iter_mut().zip(block.as_ref()) {
                        *to = *from;
                    }
                }
            }
        }
    }

    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    pub fn sid(&self) -> Sid {
        Sid::from_bytes(self.bytes())
    }

    pub fn family_id(&self) -> FamilyId {
        FamilyId::from_bytes(self.bytes())
    }

    /// `length` random bytes as base64url.
    pub fn token(&self, length: usize) -> String {
        let mut bytes = vec![0; length];
        self.fill(&mut bytes);
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_none_twice() {
        let (a, b) = (Entropy::seeded(7), Entropy::seeded(7));
        assert_eq!(a.bytes::<80>(), b.bytes::<80>());
        assert_ne!(a.bytes::<32>(), a.bytes::<32>());
        assert_ne!(Entropy::seeded(8).bytes::<16>(), Entropy::seeded(7).bytes());
        // Clones draw from one stream: two workers of a test never get the same id.
        let clone = a.clone();
        assert_ne!(a.sid(), clone.sid());
    }

    #[test]
    fn the_system_never_repeats_itself() {
        let entropy = Entropy::system();
        assert_ne!(entropy.sid(), entropy.sid());
        assert_ne!(entropy.family_id(), entropy.family_id());
        assert_ne!(entropy.bytes::<32>(), [0; 32]);
        assert_eq!(entropy.token(32).len(), 43);
    }
}
