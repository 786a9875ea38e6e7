//! The decisions of an OpenID Provider whose speciality is the life of a session.
//!
//! Everything here is a value or a pure function of values: no I/O, no clock, no
//! randomness, no async. `now` is always a parameter ([`Timestamp`], read once per
//! request by the caller), and a refusal is an ordinary value ([`RefusalReason`]),
//! so that a caller can commit what a refusal changes (a family that ends, a log row).

pub mod authorize;
pub mod code;
pub mod delivery;
pub mod dpop;
pub mod ids;
pub mod limits;
pub mod logout;
pub mod management;
pub mod model;
pub mod params;
pub mod pkce;
pub mod preview;
pub mod profiles;
pub mod rate;
pub mod redirect;
pub mod refresh;
pub mod refusal;
pub mod scope;
pub mod session;
pub mod simulate;
pub mod status;
pub mod time;
pub mod tokens;
pub mod upstream;
pub mod user_end;

pub use ids::{FamilyId, Sid};
pub use refusal::{OAuthError, RefusalReason};
pub use time::Timestamp;
