//! Keys: the master key outside the database, what is sealed under it, MACs and JWTs.

pub mod jwt;
pub mod keys;
pub mod mac;
pub mod master;
pub mod pem;
pub mod refresh;
pub mod rollover;
