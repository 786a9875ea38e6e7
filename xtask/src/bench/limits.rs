//! What the machine itself manages: signatures, durable commits, transactions of PostgreSQL.
//!
//! Machines are noisy, so what a load is compared with is measured in the same seconds as the load, a
//! fraction of a second of the one and a fraction of the other in turn (`load::measure`).

use super::engine::Bare;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What one operation needs of the machine at the least.
#[derive(Clone, Copy, Debug, Default)]
pub struct Needs {
    pub rsa_signatures: f64,
    pub ec_signatures: f64,
    /// Transactions of a shared database, which works on the same cores.
    pub transactions: f64,
    /// What it is called in the table.
    pub name: &'static str,
}

impl Needs {
    pub const NOTHING: Self = Self {
        rsa_signatures: 0.0,
        ec_signatures: 0.0,
        transactions: 0.0,
        name: "",
    };

    pub const fn rsa(signatures: f64) -> Self {
        Self {
            rsa_signatures: signatures,
            name: "RSA signatures",
            ..Self::NOTHING
        }
    }

    pub const fn ec(signatures: f64) -> Self {
        Self {
            ec_signatures: signatures,
            name: "P-256 signatures",
            ..Self::NOTHING
        }
    }

    pub const fn and_a_transaction(mut self) -> Self {
        self.transactions = 1.0;
        self.name = "signatures and a bare transaction";
        self
    }

    pub fn is_nothing(&self) -> bool {
        self.name.is_empty()
    }
}

/// Work that was done, and the time that it took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Work {
    pub count: f64,
    pub seconds: f64,
}

impl Work {
    pub fn rate(&self) -> f64 {
        self.count / self.seconds
    }

    pub fn add(&mut self, other: Self) {
        self.count += other.count;
        self.seconds += other.seconds;
    }
}

/// The machine's rates while a load was measured.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rates {
    pub rsa: Work,
    pub ec: Work,
    pub transactions: Work,
}

impl Rates {
    /// Operations a second if the machine did nothing but what each of them needs, with a load
    /// generator beside it that costs `generator_seconds` of processor time for each.
    pub fn bound(&self, needs: &Needs, generator_seconds: f64, cores: f64) -> f64 {
        let part = |count: f64, work: &Work| {
            if count > 0.0 {
                count / work.rate()
            } else {
                0.0
            }
        };
        1.0 / (part(needs.rsa_signatures, &self.rsa)
            + part(needs.ec_signatures, &self.ec)
            + part(needs.transactions, &self.transactions)
            + generator_seconds / cores)
    }
}

/// What rates are measured with.
pub struct Machine {
    rsa: RsaKeyPair,
    ec: EcdsaKeyPair,
    random: SystemRandom,
    bare: Option<Bare>,
    pub cores: f64,
}

impl Machine {
    pub fn new(bare: Option<Bare>) -> anyhow::Result<Self> {
        let failed = |_| anyhow::anyhow!("making a key failed");
        #[expect(clippy::cast_precision_loss, reason = "a handful of cores")]
        let cores = std::thread::available_parallelism()?.get() as f64;
        Ok(Self {
            rsa: RsaKeyPair::generate(KeySize::Rsa2048).map_err(failed)?,
            ec: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(failed)?,
            random: SystemRandom::new(),
            bare,
            cores,
        })
    }

    /// Measures what `needs` names for `slice` each, and adds it to what was measured before.
    pub fn sample(&self, needs: &Needs, slice: Duration, rates: &mut Rates) -> anyhow::Result<()> {
        if needs.rsa_signatures > 0.0 {
            rates.rsa.add(self.sign_rsa(slice)?);
        }
        if needs.ec_signatures > 0.0 {
            rates.ec.add(self.sign_ec(slice)?);
        }
        if needs.transactions > 0.0
            && let Some(bare) = &self.bare
        {
            rates.transactions.add(bare.run(slice)?);
        }
        Ok(())
    }

    fn sign_rsa(&self, slice: Duration) -> anyhow::Result<Work> {
        on_all_cores(slice, || {
            let mut signature = vec![0; self.rsa.public_modulus_len()];
            let (padding, message) = (&RSA_PKCS1_SHA256, &MESSAGE);
            self.rsa
                .sign(padding, &self.random, message, &mut signature)
                .is_ok()
        })
    }

    fn sign_ec(&self, slice: Duration) -> anyhow::Result<Work> {
        on_all_cores(slice, || self.ec.sign(&self.random, &MESSAGE).is_ok())
    }

    /// The machine's own figures, for the head of the table.
    pub fn alone(&self, duration: Duration) -> anyhow::Result<Alone> {
        let transactions = match &self.bare {
            Some(bare) => Some(bare.run(duration)?.rate()),
            None => None,
        };
        Ok(Alone {
            rsa: self.sign_rsa(duration)?.rate(),
            ec: self.sign_ec(duration)?.rate(),
            commits: commits(duration)?.rate(),
            transactions,
            cores: self.cores,
        })
    }
}

const MESSAGE: [u8; 400] = [7; 400];

/// What the machine manages with nothing beside it.
#[derive(Clone, Debug, Default)]
pub struct Alone {
    /// Signatures a second on all cores together.
    pub rsa: f64,
    pub ec: f64,
    /// Durable commits a second of one bare loop.
    pub commits: f64,
    /// Transactions a second of a bare loop on PostgreSQL, where that is the engine.
    pub transactions: Option<f64>,
    pub cores: f64,
}

fn on_all_cores(slice: Duration, work: impl Fn() -> bool + Sync) -> anyhow::Result<Work> {
    let done = AtomicU64::new(0);
    let cores = std::thread::available_parallelism()?.get();
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                let mut count = 0;
                while began.elapsed() < slice {
                    count += u64::from(work());
                }
                done.fetch_add(count, Ordering::Relaxed);
            });
        }
    });
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let count = done.load(Ordering::Relaxed) as f64;
    Ok(Work {
        count,
        seconds: began.elapsed().as_secs_f64(),
    })
}

/// One small durable transaction after the other, on the same file system as the server's database.
fn commits(duration: Duration) -> anyhow::Result<Work> {
    let folder = super::server::folder("commits")?;
    let connection = rusqlite::Connection::open(folder.join("commits.db"))?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.execute_batch("CREATE TABLE t (k INTEGER PRIMARY KEY, v BLOB)")?;
    let began = Instant::now();
    let mut count = 0_u32;
    while began.elapsed() < duration {
        connection.execute("INSERT INTO t (v) VALUES (randomblob(300))", [])?;
        count += 1;
    }
    let seconds = began.elapsed().as_secs_f64();
    drop(connection);
    std::fs::remove_dir_all(folder)?;
    Ok(Work {
        count: f64::from(count),
        seconds,
    })
}
