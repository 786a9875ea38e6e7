//! PBKDF2 hashes of other systems.

use anyhow::{Context, anyhow, bail};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use std::num::NonZeroU32;

/// `$pbkdf2-sha256$i=600000,l=32$salt$hash`, or passlib's `$pbkdf2-sha256$600000$salt$hash`.
pub struct Pbkdf2 {
    pub name: &'static str,
    algorithm: aws_lc_rs::pbkdf2::Algorithm,
    block: usize,
    rounds: NonZeroU32,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl Pbkdf2 {
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let malformed = || {
            anyhow!(
                "the pbkdf2 hash is malformed: expected $pbkdf2-sha256$i=ROUNDS,l=LENGTH$SALT$HASH"
            )
        };
        let mut parts = text.split('$').skip(1);
        let mut part = || parts.next().ok_or_else(malformed);
        let name = match part()? {
            "pbkdf2" => "pbkdf2-sha1",
            name => name,
        };
        let Some((name, algorithm, block)) = PBKDF2.into_iter().find(|known| known.0 == name)
        else {
            bail!("the pbkdf2 variant {name:?} is not understood");
        };
        let parameters = part()?;
        let rounds = parameters
            .split(',')
            .find_map(|p| p.strip_prefix("i="))
            .unwrap_or(parameters)
            .parse()
            .map_err(|_| malformed())?;
        let (salt, hash) = (decode(part()?)?, decode(part()?)?);
        if hash.len() < 16 || salt.is_empty() {
            return Err(malformed());
        }
        Ok(Self {
            name,
            algorithm,
            block,
            rounds,
            salt,
            hash,
        })
    }

    /// Rounds times blocks of output: each block is made anew.
    pub fn work(&self) -> u64 {
        let blocks = u64::try_from(self.hash.len().div_ceil(self.block)).unwrap_or(u64::MAX);
        u64::from(self.rounds.get()).saturating_mul(blocks)
    }

    pub fn check(password: &str, hash: &str) -> anyhow::Result<bool> {
        let parsed = Self::parse(hash)?;
        let (salt, bytes) = (&parsed.salt, password.as_bytes());
        let (algorithm, rounds) = (parsed.algorithm, parsed.rounds);
        Ok(aws_lc_rs::pbkdf2::verify(algorithm, rounds, salt, bytes, &parsed.hash).is_ok())
    }

    pub fn algorithm(name: &str) -> Option<aws_lc_rs::pbkdf2::Algorithm> {
        let known = PBKDF2.into_iter().find(|known| known.0 == name)?;
        Some(known.1)
    }
}

/// Name, algorithm, and the bytes of a block.
const PBKDF2: [(&str, aws_lc_rs::pbkdf2::Algorithm, usize); 4] = [
    ("pbkdf2-sha1", aws_lc_rs::pbkdf2::PBKDF2_HMAC_SHA1, 20),
    ("pbkdf2-sha256", aws_lc_rs::pbkdf2::PBKDF2_HMAC_SHA256, 32),
    ("pbkdf2-sha384", aws_lc_rs::pbkdf2::PBKDF2_HMAC_SHA384, 48),
    ("pbkdf2-sha512", aws_lc_rs::pbkdf2::PBKDF2_HMAC_SHA512, 64),
];

/// Base64 as PHC strings have it, and passlib's variant with `.` for `+`; padded or not.
fn decode(text: &str) -> anyhow::Result<Vec<u8>> {
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let engine = GeneralPurpose::new(&alphabet::STANDARD, config);
    engine
        .decode(text.replace('.', "+"))
        .context("the hash is not base64")
}
