//! Throttling of failed logins: by account seen from one network, and by address. The first delay
//! comes after 20 failures in 10 minutes; it slows down and never locks anybody out for good, and it
//! says the same for accounts that do not exist.
//!
//! An attempt is counted before its password is checked, in the transaction that asks whether it
//! comes too early, and taken back when it turns out right: guesses sent at once see each other.

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

/// Failures that are free for an account from one network, and for an address. There is no counter
/// for an account from everywhere: whoever fills it would keep its owner out (decision 11).
const FREE_PAIR: i64 = 20;
const FREE_ADDRESS: i64 = 100;

/// The buckets of a login attempt.
pub fn buckets(app: &App, username: &str, address: &str) -> Vec<Bucket> {
    let account = account_tag(app, username);
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

/// What stands for a name that may be nobody's: people type passwords into that field.
pub fn account_tag(app: &App, username: &str) -> String {
    use base64::Engine as _;
    let folded = username.trim().to_lowercase();
    let mac = app.macs.throttle.mac(&[folded.as_bytes()]);
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(mac.get(..16).unwrap_or_default())
}

/// An IPv6 customer has a /64 at least; counting single addresses would be no limit at all.
pub fn network(address: &str) -> String {
    match address.parse() {
        Ok(std::net::IpAddr::V6(v6)) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        _ => address.to_owned(),
    }
}

/// An attempt that was counted: each counter as it was before, and as it is with the attempt.
#[derive(Clone, Debug)]
pub struct Counted(Vec<(ThrottleRow, ThrottleRow)>);

/// Counts an attempt as a failure, in the transaction that finds out whether it may be made.
/// `None`: it comes too early, and is not counted.
pub fn count(
    tx: &Tx<'_>,
    buckets: &[Bucket],
    now: Timestamp,
) -> Result<Option<Counted>, StoreError> {
    let mut counted = Vec::with_capacity(buckets.len());
    for bucket in buckets {
        let held = tx.hold_throttle(&bucket.name, now)?;
        let Some(next) = counted_once_more(&held, bucket.free, now) else {
            return Ok(None);
        };
        counted.push((held, next));
    }
    for (_, next) in &counted {
        tx.put_throttle(next)?;
    }
    Ok(Some(Counted(counted)))
}

/// The counter with one more failure; `None` while the delay after the last one runs.
fn counted_once_more(held: &ThrottleRow, free: i64, now: Timestamp) -> Option<ThrottleRow> {
    let is_over = now >= held.expires_at;
    let begins_anew = is_over || (held.failures < free && now >= held.since.plus(WINDOW));
    let (failures, since) = if begins_anew {
        (0, now)
    } else {
        (held.failures, held.since)
    };
    if failures >= free && now < delayed_until(held, free) {
        return None;
    }
    Some(ThrottleRow {
        bucket: held.bucket.clone(),
        failures: failures + 1,
        since,
        expires_at: now.plus(WINDOW),
    })
}

/// When the next attempt may come: 1, 2, 4, … seconds after the last one counted, a minute at most.
fn delayed_until(held: &ThrottleRow, free: i64) -> Timestamp {
    let delay = 1_i64 << (held.failures - free).clamp(0, 6);
    // `expires_at` is a window after the last one.
    held.expires_at.plus(-WINDOW).plus(delay.min(60))
}

/// The attempt was none: nobody checked a password.
pub fn take_back(tx: &Tx<'_>, counted: &Counted, now: Timestamp) -> Result<(), StoreError> {
    counted
        .0
        .iter()
        .try_for_each(|(before, with)| take_back_one(tx, before, with, now))
}

/// A right password clears the account's counter for its network. From the address's only this
/// attempt is taken: an attacker who owns one account must not be able to reset it.
pub fn forgive(tx: &Tx<'_>, counted: &Counted, now: Timestamp) -> Result<(), StoreError> {
    for (before, with) in &counted.0 {
        if with.bucket.starts_with("account:") {
            tx.clear_throttle(&with.bucket)?;
        } else {
            take_back_one(tx, before, with, now)?;
        }
    }
    Ok(())
}

fn take_back_one(
    tx: &Tx<'_>,
    before: &ThrottleRow,
    with: &ThrottleRow,
    now: Timestamp,
) -> Result<(), StoreError> {
    let held = tx.hold_throttle(&with.bucket, now)?;
    // Where nobody came between, the last failure is again the one before; else others were counted
    // since, and the delay runs from theirs.
    let expires_at = if held == *with && before.failures > 0 {
        before.expires_at
    } else {
        held.expires_at
    };
    tx.put_throttle(&ThrottleRow {
        failures: (held.failures - 1).max(0),
        expires_at,
        ..held
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_is_counted_or_comes_too_early() {
        let now = Timestamp::from_seconds(1_000_000);
        // failures so far, the first and the last of them so many seconds ago → failures with this one
        let table = [
            ((0, 0, 0), Some(1)),
            ((19, 0, 0), Some(20)),
            ((20, 0, 0), None),
            ((20, 5, 1), Some(21)),
            ((21, 5, 1), None),
            ((21, 5, 2), Some(22)),
            ((26, 500, 59), None),
            ((26, 500, 60), Some(27)),
            ((1_000, 5_000, 59), None),
            ((1_000, 5_000, 60), Some(1_001)),
            // Below the free ones, failures of an earlier window do not count.
            ((19, 599, 1), Some(20)),
            ((19, 600, 1), Some(1)),
            // Beyond, only a whole window without any attempt begins anew.
            ((25, 5_000, 599), Some(26)),
            ((25, 5_000, 600), Some(1)),
        ];
        for ((failures, first, last), expected) in table {
            let held = ThrottleRow {
                bucket: "account:x".to_owned(),
                failures,
                since: now.plus(-first),
                expires_at: now.plus(-last).plus(WINDOW),
            };
            let next = counted_once_more(&held, 20, now).map(|next| next.failures);
            assert_eq!(next, expected, "{failures} {first} {last}");
        }
    }
}
