#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod app;
mod assertion;
mod clock;
mod config;
mod cookies;
mod extract;
mod fetch;
mod flow;
mod gate;
mod keeping;
mod layer;
mod life;
mod login;
mod logout_token;
mod machine;
mod origin;
mod pages;
mod provider;
mod recent;
mod record;
mod renew;
mod return_to;
mod routes;
mod seal;
mod session;
pub mod store;

pub use app::{AppSession, Builder, Keep};
pub use clock::Clock;
pub use config::{Config, ConfigError, Routes, SessionConfig};
pub use gate::Gated;
pub use keeping::Over;
pub use machine::{MachineToken, MachineTokens};
pub use provider::ProviderError;
pub use recent::{RequireRecentLogin, require_recent_login};
pub use session::{Session, SessionError, User};
pub use tenure_protocol::Timestamp;
