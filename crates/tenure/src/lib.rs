//! Tenure: a self-hosted sign-in server whose speciality is the life of a session.

pub mod clock;
pub mod config;
pub mod entropy;
pub mod metrics;
pub mod respond;
pub mod settings;
pub mod tenant_log;
