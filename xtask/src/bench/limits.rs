//! What the machine itself manages: signatures and durable commits.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// Signatures a second on all cores together.
    pub rsa: f64,
    pub ec: f64,
    /// Durable commits a second of one bare loop.
    pub commits: f64,
    /// Transactions a second of a bare loop on PostgreSQL, where that is the engine.
    pub transactions: Option<f64>,
    pub cores: f64,
}

impl Limits {
    /// Requests a second that the machine could answer if it did nothing but sign `signatures` for
    /// each, with a load generator beside it that costs `generator_seconds` of processor time for each.
    pub fn rsa_requests(&self, signatures: f64, generator_seconds: f64) -> f64 {
        1.0 / (signatures / self.rsa + generator_seconds / self.cores)
    }

    pub fn ec_requests(&self, signatures: f64, generator_seconds: f64) -> f64 {
        1.0 / (signatures / self.ec + generator_seconds / self.cores)
    }
}

pub fn measure(duration: Duration) -> anyhow::Result<Limits> {
    let failed = |_| anyhow::anyhow!("making a key failed");
    let rsa = RsaKeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
    let ec = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(failed)?;
    let random = SystemRandom::new();
    let message = [7_u8; 400];
    let cores = std::thread::available_parallelism()?.get();
    let rsa = on_all_cores(cores, duration, || {
        let mut signature = vec![0; rsa.public_modulus_len()];
        rsa.sign(&RSA_PKCS1_SHA256, &random, &message, &mut signature)
            .is_ok()
    });
    let ec = on_all_cores(cores, duration, || ec.sign(&random, &message).is_ok());
    #[expect(clippy::cast_precision_loss, reason = "a handful of cores")]
    let cores = cores as f64;
    Ok(Limits {
        rsa,
        ec,
        commits: commits(duration)?,
        transactions: None,
        cores,
    })
}

fn on_all_cores(cores: usize, duration: Duration, work: impl Fn() -> bool + Sync) -> f64 {
    let done = AtomicU64::new(0);
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                let mut count = 0;
                while began.elapsed() < duration {
                    count += u64::from(work());
                }
                done.fetch_add(count, Ordering::Relaxed);
            });
        }
    });
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let done = done.load(Ordering::Relaxed) as f64;
    done / began.elapsed().as_secs_f64()
}

/// One small durable transaction after the other, on the same file system as the server's database.
fn commits(duration: Duration) -> anyhow::Result<f64> {
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
    let rate = f64::from(count) / began.elapsed().as_secs_f64();
    drop(connection);
    std::fs::remove_dir_all(folder)?;
    Ok(rate)
}
