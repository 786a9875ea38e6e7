//! Throttling of failed logins: by account and by address. The first delay comes after 20 failures
//! in 10 minutes; it slows down and never locks anybody out for good, and it says the same for
//! accounts that do not exist.

use crate::app::App;
use tenure_protocol::Timestamp;
use tenure_store::{StoreError, ThrottleRow, Tx};

/// Seconds over which failures are counted.
const WINDOW: i64 = 600;

/// No attempt has to wait longer than this, in seconds.
pub const LONGEST_DELAY: &str = "60";

/// What is counted, and how many failures are free. An address may stand for many people
/// (a company, a mobile network), so it gets more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    name: String,
    free: i64,
}

/// Failures that are free for an account from one network, for an account from everywhere, and for an address.
///
/// The first two together keep an attacker from locking a person out: guesses from elsewhere fill
/// the bucket of elsewhere, and the account-wide one, which an attacker can fill, only ever delays by seconds.
const FREE_PAIR: i64 = 20;
const FREE_ADDRESS: i64 = 100;

/// The buckets of a login attempt.
pub fn buckets(app: &App, username: &str, address: &str) -> Vec<Bucket> {
    let account = account_name(app, &username.trim().to_lowercase());
    vec![
        Bucket {
            name: format!("account:{account}:{}", network(address)),
            free: FREE_PAIR,
        },
        Bucket {
            name: format!("address:{}", network(address)),
            free: FREE_ADDRESS,
        },
    ]
}

/// Account names are hashed: what a person mistypes into the field may be a password.
fn account_name(app: &App, folded: &str) -> String {
    use base64::Engine as _;
    let mac = app.macs.throttle.mac(&[folded.as_bytes()]);
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(mac.get(..16).unwrap_or_default())
}

/// An IPv6 customer has a /64 at least; counting single addresses would be no limit at all.
fn network(address: &str) -> String {
    match address.parse() {
        Ok(std::net::IpAddr::V6(v6)) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        _ => address.to_owned(),
    }
}

/// Whether the attempt comes too early.
pub fn is_delayed(tx: &Tx<'_>, buckets: &[Bucket], now: Timestamp) -> Result<bool, StoreError> {
    for bucket in buckets {
        if let Some(row) = tx.throttle(&bucket.name)?
            && now < row.expires_at
            && now < delayed_until(&row, bucket.free)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// When the next attempt may come: 1, 2, 4, … seconds after the last failure, a minute at most.
fn delayed_until(row: &ThrottleRow, free: i64) -> Timestamp {
    let over = row.failures - free;
    if over < 0 {
        return Timestamp::default();
    }
    let delay = 1_i64 << over.min(6);
    // `expires_at` is a window after the last failure.
    row.expires_at.plus(-WINDOW).plus(delay.min(60))
}

pub fn record_failure(tx: &Tx<'_>, buckets: &[Bucket], now: Timestamp) -> Result<(), StoreError> {
    for bucket in buckets {
        let old = tx.throttle(&bucket.name)?.filter(|row| {
            now < row.expires_at && (row.failures >= bucket.free || now < row.since.plus(WINDOW))
        });
        let (failures, since) = old.map_or((1, now), |row| (row.failures + 1, row.since));
        let expires_at = now.plus(WINDOW);
        tx.put_throttle(&ThrottleRow {
            bucket: bucket.name.clone(),
            failures,
            since,
            expires_at,
        })?;
    }
    Ok(())
}

/// A right password clears the account's counter for its network, but never the address's: an
/// attacker who owns one account must not be able to reset it.
pub fn forgive(tx: &Tx<'_>, buckets: &[Bucket]) -> Result<(), StoreError> {
    let mine = buckets
        .iter()
        .filter(|bucket| bucket.name.starts_with("account:"));
    mine.into_iter()
        .try_for_each(|bucket| tx.clear_throttle(&bucket.name))
}
