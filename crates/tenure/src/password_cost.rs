//! How long a wrong login takes. Hashes that came from elsewhere cost more or less than today's
//! Argon2id, and a stranger with a clock could tell whose account exists by that. So a wrong outcome
//! is answered at a multiple of a floor, and the floor follows from what the installation holds,
//! never from the user who was asked for (decision 40).

use crate::pbkdf2::Pbkdf2;
use argon2::{Algorithm, Argon2, Params, Version};
use std::hint::black_box;
use std::num::NonZeroU32;
use std::time::Duration;
use tenure_store::{StoreError, Tx};

/// Under this name and the kind of hash, `meta` holds the highest cost that was ever stored.
const META: &str = "password_cost_";

/// One pass of today's memory: how the work of another system's Argon2 is shaped to measure it.
const ARGON2_MEMORY: u32 = 19 * 1024;

/// What checking a hash costs: the kind of work, and how much of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cost {
    /// `argon2`, `bcrypt`, or `pbkdf2-` and the hash function.
    pub kind: String,
    /// Argon2: KiB times passes. bcrypt: the exponent. PBKDF2: rounds times blocks.
    pub work: u64,
}

impl Cost {
    /// `None`: the hash is not understood, so that checking it costs nothing.
    pub fn of(hash: &str) -> Option<Self> {
        let (kind, work) = if hash.starts_with("$argon2") {
            let parsed = argon2::password_hash::phc::PasswordHash::new(hash).ok()?;
            let params = Params::try_from(&parsed).ok()?;
            let work = u64::from(params.m_cost()) * u64::from(params.t_cost());
            ("argon2".to_owned(), work)
        } else if hash.starts_with("$pbkdf2") {
            let parsed = Pbkdf2::parse(hash).ok()?;
            (parsed.name.to_owned(), parsed.work())
        } else {
            let parts: bcrypt::HashParts = hash.parse().ok()?;
            ("bcrypt".to_owned(), u64::from(parts.get_cost()))
        };
        Some(Self { kind, work })
    }

    /// Does the work once, for nobody's password.
    pub fn spend(&self) {
        let salt = [0; 16];
        let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        match self.kind.as_str() {
            "argon2" => {
                let memory = small(self.work).clamp(8, ARGON2_MEMORY);
                let passes = small(self.work.div_ceil(u64::from(memory))).max(1);
                if let Ok(params) = Params::new(memory, passes, 1, None) {
                    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
                    black_box(argon2.hash_password_into(b"nobody", &salt, &mut [0; 32])).ok();
                }
            }
            "bcrypt" => {
                black_box(bcrypt::hash_with_salt("nobody", small(self.work), salt)).ok();
            }
            name => {
                if let Some(algorithm) = Pbkdf2::algorithm(name) {
                    let rounds = NonZeroU32::new(small(self.work)).unwrap_or(NonZeroU32::MIN);
                    aws_lc_rs::pbkdf2::derive(algorithm, rounds, &salt, b"nobody", &mut [0; 16]);
                }
            }
        }
    }

    /// Remembers that a hash of this cost is stored: whoever stores a hash from elsewhere calls it,
    /// in the same transaction.
    pub fn record(tx: &Tx<'_>, hash: &str) -> Result<(), StoreError> {
        let Some(cost) = Self::of(hash) else {
            return Ok(());
        };
        let work = i64::try_from(cost.work).unwrap_or(i64::MAX);
        tx.raise_meta(&format!("{META}{}", cost.kind), work)
    }

    /// The highest cost of each kind that the installation holds.
    pub fn present(tx: &Tx<'_>) -> Result<Vec<Self>, StoreError> {
        let rows = tx.meta_with_prefix(META)?;
        let read = rows.into_iter().filter_map(|(kind, work)| {
            let work = work.parse().ok()?;
            Some(Self { kind, work })
        });
        Ok(read.collect())
    }
}

/// The floor, from how long the slowest kind present takes on this machine. Twice of it, so that
/// waiting for a thread under ordinary load stays below.
pub fn floor(slowest: Duration) -> Duration {
    (slowest * 2).max(Duration::from_millis(1))
}

/// How long an answer that is ready after `elapsed` still waits: to the next multiple of the floor.
/// Under heavy load all are late, and what a clock can tell are whole floors.
pub fn wait(floor: Duration, elapsed: Duration) -> Duration {
    let floor_nanos = floor.as_nanos().max(1);
    let rest = elapsed.as_nanos() % floor_nanos;
    let wait = (floor_nanos - rest) % floor_nanos;
    Duration::from_nanos(u64::try_from(wait).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// The schedule knows the installation and how long the check took, never whose it was: for every
    /// kind of user the answer leaves at one instant.
    #[test]
    fn wrong_outcomes_leave_at_one_instant_whoever_was_asked_for() {
        // Unknown user, today's Argon2id, imported bcrypt, imported PBKDF2.
        for took in [ms(68), ms(81), ms(579), ms(4)] {
            let floor = floor(ms(579));
            assert_eq!(took + wait(floor, took), ms(1158), "{took:?}");
        }
        // Late, since many waited: whole floors.
        let table = [(0, 0), (1, 99), (99, 1), (100, 0), (101, 99), (250, 50)];
        for (took, expected) in table {
            assert_eq!(wait(ms(100), ms(took)), ms(expected), "{took}");
        }
    }

    #[test]
    fn the_cost_of_each_kind_is_read_from_the_hash() {
        let pbkdf2 = "MDEyMzQ1Njc4OWFiY2RlZg$MDEyMzQ1Njc4OWFiY2RlZg";
        let table = [
            (
                "$2b$10$EGdrhbKUv8Oc9vGiXX0HQOxSg445d458Muh7DAHskb6QbtCvdxcie".to_owned(),
                Some(("bcrypt", 10)),
            ),
            (
                "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY".to_owned(),
                Some(("argon2", 38912)),
            ),
            (
                format!("$pbkdf2-sha256$i=1000,l=16${pbkdf2}"),
                Some(("pbkdf2-sha256", 1000)),
            ),
            // 32 bytes are two blocks of SHA-1, and so twice the work.
            (
                "$pbkdf2$1000$MDEyMzQ1Njc4OWFiY2RlZg$MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"
                    .to_owned(),
                Some(("pbkdf2-sha1", 2000)),
            ),
            ("$md5$abc".to_owned(), None),
            (String::new(), None),
        ];
        for (hash, expected) in table {
            let expected = expected.map(|(kind, work)| Cost {
                kind: kind.to_owned(),
                work,
            });
            assert_eq!(Cost::of(&hash), expected, "{hash}");
        }
    }

    #[test]
    fn every_kind_can_be_spent() {
        for (kind, work) in [
            ("argon2", 1),
            ("argon2", 40_000),
            ("bcrypt", 4),
            ("pbkdf2-sha1", 1),
            ("pbkdf2-sha512", 2),
            ("unknown", 1),
        ] {
            let kind = kind.to_owned();
            Cost { kind, work }.spend();
        }
    }
}
