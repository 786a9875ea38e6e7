//! What callers have left of the requests that each may make. In memory: it is no matter of security,
//! and each server protects itself.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use tenure_protocol::Timestamp;
use tenure_protocol::rate::{Allowance, Told};

/// Callers that are remembered.
const MOST: usize = 20_000;

#[derive(Debug, Default)]
pub struct Allowances(Mutex<HashMap<String, Allowance>>);

impl Allowances {
    pub fn take(&self, caller: &str, now: Timestamp) -> Told {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = all.get(caller).copied();
        if before.is_none() && all.len() >= MOST {
            // Who has everything again need not be remembered. If all are at it at once, all begin
            // anew: the memory is bounded first.
            all.retain(|_, allowance| !allowance.is_full(now));
            if all.len() >= MOST {
                all.clear();
            }
        }
        let (after, told) = before.unwrap_or_else(|| Allowance::full(now)).take(now);
        all.insert(caller.to_owned(), after);
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenure_protocol::rate::BURST;

    #[test]
    fn callers_are_apart_and_remembered_only_while_it_matters() {
        let (all, now) = (Allowances::default(), Timestamp::from_seconds(1_000));
        let used_up = || (0..=BURST).map(|_| all.take("a", now).allowed).last();
        assert_eq!(used_up(), Some(false));
        assert!(all.take("b", now).allowed);
        for n in 0..MOST {
            all.take(&n.to_string(), now);
        }
        assert!(all.0.lock().unwrap().len() <= MOST);
        // "a" has its burst again, and so has everybody else: one more leaves only itself.
        let later = now.plus(60);
        for n in MOST..2 * MOST {
            all.take(&n.to_string(), later);
        }
        assert!(all.0.lock().unwrap().len() <= MOST);
        assert!(all.take("a", later).allowed);
    }
}
