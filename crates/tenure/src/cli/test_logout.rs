//! `tenure client test-logout`.

use super::installation::Installation;
use super::{say, wrong};
use crate::config::{BaseUrl, ConfigFile};
use crate::crypto::keys::KeyRing;
use crate::entropy::Entropy;
use crate::oidc::backchannel::{Matter, Sender};
use crate::outbound::{Here, Names, Outbound};
use crate::settings::Settings;
use anyhow::{Context, anyhow, bail};
use std::net::SocketAddr;
use std::path::PathBuf;
use tenure_protocol::delivery::{Answer, Outcome, Progress, judge};
use tenure_protocol::session::EndReason;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The client's id
    client: String,
    #[command(flatten)]
    installation: Installation,
    /// The server's configuration file: base_url and [outbound] count here too
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where browsers reach the server: the issuer that the token names
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let file = args.config.as_deref().map(ConfigFile::read).transpose();
    let file = wrong(file)?.unwrap_or_default();
    let base_url = args.base_url.as_deref().or(file.base_url.as_deref());
    let base_url = base_url.context(
        "which issuer does the token name? say --base-url https://… (or --config with base_url)",
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
    let opened = args.installation.open(false)?;
    let settings = opened.store.read_blocking(Settings::load)?;
    let registered = settings
        .client(&args.client)
        .ok_or_else(|| anyhow!("there is no client {}", args.client));
    let client = &wrong(registered)?.client;
    let url = client.oidc_logout.backchannel_logout_urls.first();
    let url = wrong(url.with_context(|| {
        format!(
            "client {} has no oidc_logout.backchannel_logout_urls",
            args.client
        )
    }))?;
    let ring = KeyRing::open(&opened.store.read_blocking(|tx| tx.keys())?, &opened.master)?;
    let (entropy, now) = (Entropy::system(), opened.now()?);
    let sid = entropy.sid();
    let sender = Sender {
        issuer: &base_url.issuer(),
        ring: &ring,
        outbound: &outbound,
        entropy: &entropy,
    };
    let matter = Matter {
        client,
        user_id: "test",
        sid: &sid,
        reason: EndReason::UserLogout,
    };
    say(format_args!("to {url}, sid {sid}"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let answer = runtime.block_on(sender.send(url, matter, now));
    report(&answer, judge(&answer, first(now), now, 0))
}

const fn first(now: tenure_protocol::Timestamp) -> Progress {
    Progress {
        attempts: 1,
        created_at: now,
    }
}

fn report(answer: &Answer, outcome: Outcome) -> anyhow::Result<()> {
    match outcome {
        Outcome::Delivered => {
            if let Answer::Status { status, .. } = answer {
                say(format_args!("delivered: answered {status}"));
            }
            Ok(())
        }
        Outcome::Rejected(why) => bail!("rejected for good: {why}"),
        Outcome::Retry { why, .. } | Outcome::Dead(why) => {
            bail!("not delivered; the server would try again: {why}")
        }
    }
}
