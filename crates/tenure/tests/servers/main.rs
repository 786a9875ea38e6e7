//! Several servers, as processes, on one PostgreSQL: what they agree on, and what happens when one of
//! them, or the database, goes away in the middle of the work.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

mod agreement;
mod balanced;
mod ends;
mod faults;
mod fleet;
mod hot_paths;
mod http;
#[path = "../it/key.rs"]
mod key;
mod load;
mod move_data;
mod nginx;
mod proxy;

/// The long loops and the slow faults are for `cargo xtask test --full`.
fn is_full() -> bool {
    std::env::var_os("TENURE_FULL").is_some_and(|value| value == "1")
}
