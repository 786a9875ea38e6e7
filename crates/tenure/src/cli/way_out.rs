//! For commands that ask other servers, as the server itself would.

use super::wrong;
use crate::config::{BaseUrl, ConfigFile};
use crate::outbound::{Here, Names, Outbound};
use anyhow::Context;
use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct WayOut {
    /// The server's configuration file: base_url and [outbound] count here too
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where browsers reach the server: the issuer of its tokens
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
}

impl WayOut {
    pub fn open(&self) -> anyhow::Result<(BaseUrl, Outbound)> {
        let file = self.config.as_deref().map(ConfigFile::read).transpose();
        let file = wrong(file)?.unwrap_or_default();
        let base_url = self.base_url.as_deref().or(file.base_url.as_deref());
        let base_url = base_url.context(
            "where do browsers reach the server? say --base-url https://… (or --config with base_url)",
        );
        let base_url = wrong(base_url.and_then(BaseUrl::parse))?;
        let here = Here {
            base_url: &base_url,
            listen: file
                .listen
                .unwrap_or(SocketAddr::from(([127, 0, 0, 1], 7100))),
            metrics_listen: file.metrics_listen,
        };
        let outbound = wrong(Outbound::new(&file.outbound, here, Names::System))?;
        Ok((base_url, outbound))
    }
}
