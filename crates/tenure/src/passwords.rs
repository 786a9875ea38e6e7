//! Passwords: Argon2id on threads of its own behind a bounded queue, and the hashes that other
//! systems export.

use crate::entropy::Entropy;
use crate::password_cost::{self, Cost};
use crate::pbkdf2::Pbkdf2;
use anyhow::{anyhow, bail};
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use std::collections::HashMap;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Longer passwords are refused: hashing time must not be the sender's choice.
pub const MAX_PASSWORD: usize = 1024;

/// Checks that may wait; beyond, callers hear [`Busy`] at once.
const QUEUE: usize = 64;

/// An Argon2 hash may cost this much memory (in KiB) and this many passes times memory.
const MAX_ARGON2_MEMORY: u32 = 256 * 1024;
const MAX_ARGON2_WORK: u64 = 1024 * 1024;
const MAX_BCRYPT_COST: u32 = 13;
/// Rounds times blocks of output.
const MAX_PBKDF2_ROUNDS: u64 = 2_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    Right,
    /// Right, but the hash is another system's or weaker than today's: store a new one.
    RightButOutdated,
    Wrong,
}

/// Too many checks are waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy;

/// The threads that hash.
#[derive(Clone, Debug)]
pub struct Passwords {
    jobs: SyncSender<Job>,
    /// Of nobody's password: verifying against it costs an unknown user what a known one costs.
    dummy: Arc<str>,
    entropy: Entropy,
    /// How long each cost takes on this machine, once it was measured.
    measured: Arc<Mutex<HashMap<Cost, Duration>>>,
}

type Job = Box<dyn FnOnce(&Hasher) + Send>;

impl Passwords {
    /// Starts `threads` hashing threads; they end when the last clone is dropped.
    pub fn start(threads: usize, hasher: Hasher, entropy: &Entropy) -> anyhow::Result<Self> {
        let (jobs, queue) = sync_channel(QUEUE);
        let queue = Arc::new(Mutex::new(queue));
        let dummy = hasher.hash(&entropy.token(16), entropy)?;
        for _ in 0..threads.max(1) {
            let (queue, hasher) = (Arc::clone(&queue), hasher.clone());
            std::thread::Builder::new()
                .name("tenure-passwords".to_owned())
                .spawn(move || work(&queue, &hasher))?;
        }
        Ok(Self {
            jobs,
            dummy: dummy.into(),
            entropy: entropy.clone(),
            measured: Arc::default(),
        })
    }

    /// The floor of wrong outcomes where hashes of these costs are stored, besides today's own.
    ///
    /// # Errors
    /// [`Busy`] when too many checks wait for one of the costs to be measured.
    pub async fn floor(&self, present: Vec<Cost>) -> Result<Duration, Busy> {
        let mut slowest = Duration::ZERO;
        for cost in present.into_iter().chain(Cost::of(&self.dummy)) {
            slowest = slowest.max(self.measure(cost).await?);
        }
        Ok(password_cost::floor(slowest))
    }

    async fn measure(&self, cost: Cost) -> Result<Duration, Busy> {
        let lock = || self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock().get(&cost).copied();
        if let Some(known) = known {
            return Ok(known);
        }
        let spent = cost.clone();
        let took = self.run(move |_| {
            let began = Instant::now();
            spent.spend();
            began.elapsed()
        });
        let took = took.await?;
        // Whoever measured first stays: the floor must not move about.
        Ok(*lock().entry(cost).or_insert(took))
    }

    /// Checks a password against a stored hash; without one (unknown user) it works as long and is wrong.
    ///
    /// # Errors
    /// [`Busy`] when too many checks wait.
    pub async fn check(&self, password: String, hash: Option<String>) -> Result<Check, Busy> {
        let dummy = Arc::clone(&self.dummy);
        self.run(move |hasher| match hash {
            Some(hash) => hasher.check(&password, &hash),
            None => {
                hasher.check(&password, &dummy);
                Check::Wrong
            }
        })
        .await
    }

    /// Hashes a new password.
    ///
    /// # Errors
    /// [`Busy`] when too many checks wait.
    pub async fn hash(&self, password: String) -> Result<anyhow::Result<String>, Busy> {
        let entropy = self.entropy.clone();
        self.run(move |hasher| hasher.hash(&password, &entropy))
            .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Hasher) -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |hasher| drop(reply.send(work(hasher))));
        self.jobs.try_send(job).map_err(|_| Busy)?;
        answer.await.map_err(|_| Busy)
    }
}

fn work(queue: &Mutex<Receiver<Job>>, hasher: &Hasher) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        job(hasher);
    }
}

/// How new passwords are hashed.
#[derive(Clone, Debug)]
pub struct Hasher {
    argon2: Argon2<'static>,
}

impl Default for Hasher {
    /// Argon2id with 19 MiB and two passes: OWASP's recommendation.
    fn default() -> Self {
        Self::new(19 * 1024, 2).unwrap_or_else(|_| Self {
            argon2: Argon2::default(),
        })
    }
}

impl Hasher {
    /// # Errors
    /// The parameters are out of Argon2's bounds.
    pub fn new(memory_kib: u32, passes: u32) -> anyhow::Result<Self> {
        let params = Params::new(memory_kib, passes, 1, None).map_err(|e| anyhow!("{e}"))?;
        Ok(Self {
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
        })
    }

    pub fn hash(&self, password: &str, entropy: &Entropy) -> anyhow::Result<String> {
        check_length(password)?;
        let salt = entropy.bytes::<16>();
        let hash = self
            .argon2
            .hash_password_with_salt(password.as_bytes(), &salt)
            .map_err(|error| anyhow!("hashing a password failed: {error}"))?;
        Ok(hash.to_string())
    }

    pub fn check(&self, password: &str, hash: &str) -> Check {
        if check_length(password).is_err() {
            return Check::Wrong;
        }
        match kind(hash) {
            Some(Kind::Argon2) => {
                let right = self
                    .argon2
                    .verify_password(password.as_bytes(), hash)
                    .is_ok();
                let params = self.argon2.params();
                let today = format!("$argon2id$v=19$m={},t={}", params.m_cost(), params.t_cost());
                grade(right, hash.starts_with(&today))
            }
            Some(Kind::Bcrypt) => grade(bcrypt::verify(password, hash).unwrap_or(false), false),
            Some(Kind::Pbkdf2) => grade(Pbkdf2::check(password, hash).unwrap_or(false), false),
            None => Check::Wrong,
        }
    }
}

fn grade(right: bool, up_to_date: bool) -> Check {
    match (right, up_to_date) {
        (false, _) => Check::Wrong,
        (true, true) => Check::Right,
        (true, false) => Check::RightButOutdated,
    }
}

fn check_length(password: &str) -> anyhow::Result<()> {
    if password.is_empty() || password.len() > MAX_PASSWORD {
        bail!("a password must have 1 to {MAX_PASSWORD} bytes");
    }
    Ok(())
}

enum Kind {
    Argon2,
    Bcrypt,
    Pbkdf2,
}

fn kind(hash: &str) -> Option<Kind> {
    if hash.starts_with("$argon2") {
        Some(Kind::Argon2)
    } else if ["$2a$", "$2b$", "$2x$", "$2y$"]
        .iter()
        .any(|prefix| hash.starts_with(prefix))
    {
        Some(Kind::Bcrypt)
    } else if hash.starts_with("$pbkdf2") {
        Some(Kind::Pbkdf2)
    } else {
        None
    }
}

/// Whether a hash from elsewhere can be used: known, well-formed, and cheap enough that a login
/// does not take seconds.
///
/// # Errors
/// In words, what is wrong with it.
pub fn acceptable(hash: &str) -> anyhow::Result<()> {
    match kind(hash) {
        Some(Kind::Argon2) => acceptable_argon2(hash),
        Some(Kind::Bcrypt) => {
            let parts: bcrypt::HashParts = hash
                .parse()
                .map_err(|error| anyhow!("the bcrypt hash is malformed: {error}"))?;
            if parts.get_cost() > MAX_BCRYPT_COST {
                bail!(
                    "bcrypt with cost {} would take a login seconds; the limit is {MAX_BCRYPT_COST}",
                    parts.get_cost()
                );
            }
            Ok(())
        }
        Some(Kind::Pbkdf2) => {
            let parsed = Pbkdf2::parse(hash)?;
            if parsed.work() > MAX_PBKDF2_ROUNDS {
                bail!(
                    "pbkdf2 with {} rounds would take a login seconds; the limit is {MAX_PBKDF2_ROUNDS}",
                    parsed.work()
                );
            }
            Ok(())
        }
        None => bail!(
            "the hash is of an unknown kind: bcrypt ($2a$, $2b$, $2y$), argon2 ($argon2id$…) and pbkdf2 ($pbkdf2-sha256$…) are understood"
        ),
    }
}

fn acceptable_argon2(hash: &str) -> anyhow::Result<()> {
    let parsed = argon2::password_hash::phc::PasswordHash::new(hash)
        .map_err(|error| anyhow!("the argon2 hash is malformed: {error}"))?;
    let params = Params::try_from(&parsed)
        .map_err(|error| anyhow!("the argon2 hash has unusable parameters: {error}"))?;
    let work = u64::from(params.m_cost()) * u64::from(params.t_cost());
    if params.m_cost() > MAX_ARGON2_MEMORY || work > MAX_ARGON2_WORK {
        bail!(
            "argon2 with m={} and t={} would take a login seconds; the limits are m={MAX_ARGON2_MEMORY} \
             and m·t={MAX_ARGON2_WORK}",
            params.m_cost(),
            params.t_cost()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use std::num::NonZeroU32;

    fn quick() -> Hasher {
        Hasher::new(64, 1).unwrap()
    }

    #[test]
    fn a_password_is_right_or_wrong_and_an_old_hash_is_told_apart() {
        let hasher = quick();
        let hash = hasher.hash("correct horse", &Entropy::system()).unwrap();
        let stronger = Hasher::new(128, 1).unwrap();
        let table = [
            (&hasher, "correct horse", hash.as_str(), Check::Right),
            (&hasher, "correct horsf", hash.as_str(), Check::Wrong),
            (
                &stronger,
                "correct horse",
                hash.as_str(),
                Check::RightButOutdated,
            ),
            (&hasher, "", hash.as_str(), Check::Wrong),
            (&hasher, "correct horse", "", Check::Wrong),
            (
                &hasher,
                "password",
                "$2b$04$EGdrhbKUv8Oc9vGiXX0HQOxSg445d458Muh7DAHskb6QbtCvdxcie",
                Check::Wrong,
            ),
        ];
        for (hasher, password, hash, expected) in table {
            assert_eq!(hasher.check(password, hash), expected, "{password} {hash}");
        }
        let bcrypt = bcrypt::hash("import me", 4).unwrap();
        assert_eq!(hasher.check("import me", &bcrypt), Check::RightButOutdated);
        assert_eq!(hasher.check("import you", &bcrypt), Check::Wrong);
    }

    #[test]
    fn pbkdf2_in_both_spellings() {
        let salt = b"0123456789abcdef";
        let mut out = [0; 32];
        let rounds = NonZeroU32::new(1000).unwrap();
        aws_lc_rs::pbkdf2::derive(
            aws_lc_rs::pbkdf2::PBKDF2_HMAC_SHA256,
            rounds,
            salt,
            b"pw",
            &mut out,
        );
        let engine = base64::engine::general_purpose::STANDARD_NO_PAD;
        let (salt, out) = (engine.encode(salt), engine.encode(out));
        for hash in [
            format!("$pbkdf2-sha256$i=1000,l=32${salt}${out}"),
            format!(
                "$pbkdf2-sha256$1000${}${}",
                salt.replace('+', "."),
                out.replace('+', ".")
            ),
        ] {
            acceptable(&hash).unwrap();
            assert_eq!(quick().check("pw", &hash), Check::RightButOutdated);
            assert_eq!(quick().check("pv", &hash), Check::Wrong);
        }
    }

    #[test]
    fn hashes_that_would_cost_seconds_are_refused_by_name() {
        let table = [
            (
                "$2b$16$EGdrhbKUv8Oc9vGiXX0HQOxSg445d458Muh7DAHskb6QbtCvdxcie",
                "bcrypt with cost 16",
            ),
            (
                "$pbkdf2-sha256$i=90000000,l=32$MDEyMzQ1Njc4OWFiY2RlZg$MDEyMzQ1Njc4OWFiY2RlZg",
                "pbkdf2 with 90000000",
            ),
            (
                "$argon2id$v=19$m=4194304,t=3,p=1$MDEyMzQ1Njc4OWFiY2RlZg$MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY",
                "argon2 with m=4194304",
            ),
            ("$md5$abc", "unknown kind"),
            ("plain", "unknown kind"),
            ("$2b$10$tooshort", "malformed"),
        ];
        for (hash, expected) in table {
            let refused = acceptable(hash).unwrap_err().to_string();
            assert!(refused.contains(expected), "{hash}: {refused}");
        }
        acceptable("$2b$10$EGdrhbKUv8Oc9vGiXX0HQOxSg445d458Muh7DAHskb6QbtCvdxcie").unwrap();
    }

    #[tokio::test]
    async fn an_unknown_user_is_checked_as_a_known_one() {
        let passwords = Passwords::start(1, quick(), &Entropy::seeded(1)).unwrap();
        let hash = passwords.hash("pw".to_owned()).await.unwrap().unwrap();
        assert_eq!(
            passwords.check("pw".to_owned(), Some(hash)).await,
            Ok(Check::Right)
        );
        assert_eq!(
            passwords.check("pw".to_owned(), None).await,
            Ok(Check::Wrong)
        );
    }
}
