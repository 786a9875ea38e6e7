//! Tenure: a self-hosted sign-in server whose speciality is the life of a session.

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod crypto;
pub mod database;
pub mod demo;
pub mod entropy;
pub mod forwarded;
pub mod http;
pub mod import;
pub mod listen;
pub mod metrics;
pub mod oidc;
pub mod operations;
pub mod pages;
pub mod passwords;
pub mod readiness;
pub mod respond;
pub mod router;
pub mod settings;
pub mod tenant_log;
pub mod tenantfile;
pub mod throttle;
pub mod users;
pub mod work;
