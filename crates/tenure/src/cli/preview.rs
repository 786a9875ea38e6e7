//! `tenure preview`.

use super::installation::Installation;
use super::{say, wrong};
use crate::config::Plan;
use crate::preview::{Counts, Preview, Settling, run as look};
use crate::settings::Settings;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::sync::Arc;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  tenure preview --set idle_session_lifetime_in_minutes=30 \
    --set client:shop.refresh_token.idle_token_lifetime=3600\n\nNothing is changed: `tenure apply` does that."
)]
pub struct Args {
    /// A setting of the tenant (NAME=VALUE) or of a client (client:ID.NAME=VALUE), by the names of the
    /// tenant file; may be given several times
    #[arg(long = "set", value_name = "NAME=VALUE", required = true)]
    set: Vec<String>,
    #[command(flatten)]
    installation: Installation,
    /// The system caps that session lifetimes must keep to, as `serve` has them
    #[arg(long, default_value = "enterprise")]
    plan: Plan,
    /// Print the counts as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let opened = args.installation.open(false)?;
    let now = opened.now()?;
    let settings = opened.store.read_blocking(Settings::load)?;
    let settling = Arc::new(wrong(Settling::new(settings, &args.set, args.plan.caps()))?);
    let bar = ProgressBar::new(1000);
    bar.set_style(
        ProgressStyle::with_template("{bar:40} {percent}% {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    bar.set_message("looking at what lives");
    let preview = look(&opened.store, &settling, now, |share| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share lies between 0 and 1"
        )]
        bar.set_position((share * 1000.0) as u64);
    })?;
    bar.finish_and_clear();
    opened.store.close();
    if args.json {
        say(json!(preview));
    } else {
        report(&preview);
    }
    Ok(())
}

fn report(preview: &Preview) {
    say("                        live        now  next activity    earlier      never");
    let rows = [
        ("sessions", preview.sessions),
        ("offline families", preview.offline_families),
        ("session-bound families", preview.session_bound_families),
    ];
    for (name, counts) in rows {
        let Counts {
            live,
            now,
            at_next_activity,
            earlier,
            never,
        } = counts;
        say(format_args!(
            "{name:22} {live:>5} {now:>10} {at_next_activity:>14} {earlier:>10} {never:>10}"
        ));
    }
    say(
        "now: ended by the change alone. next activity: over at the next activity or refresh, whenever that is.",
    );
    say(
        "earlier: goes on if it is active now, and ends earlier than it would. never: ends as it would.",
    );
}
