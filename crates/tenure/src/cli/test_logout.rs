//! `tenure client test-logout`.

use super::installation::Installation;
use super::way_out::WayOut;
use super::{say, wrong};
use crate::crypto::keys::KeyRing;
use crate::entropy::Entropy;
use crate::oidc::backchannel::{Matter, Sender};
use crate::settings::Settings;
use anyhow::{Context, anyhow, bail};
use tenure_protocol::delivery::{Answer, Outcome, Progress, judge};
use tenure_protocol::session::EndReason;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The client's id
    client: String,
    #[command(flatten)]
    installation: Installation,
    #[command(flatten)]
    way_out: WayOut,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let (base_url, outbound) = args.way_out.open()?;
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
