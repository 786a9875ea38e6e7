//! `tenure session`.

use super::installation::{Installation, Opened};
use super::{say, session_text, wrong};
use crate::entropy::Entropy;
use crate::facts;
use crate::graph::whole::{describe, whole};
use crate::graph::{Graph, Rows};
use crate::http::iso_date;
use crate::oidc::sessions::{Judge, end_session, expire};
use crate::settings::Settings;
use anyhow::{Context, anyhow};
use serde_json::{Value, json};
use tenure_protocol::Sid;
use tenure_protocol::session::{End, EndReason, Session};
use tenure_store::{Delivery, DeliveryState, Notice, SessionFilter};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List sessions: those alive, unless --all
    List {
        #[command(flatten)]
        installation: Installation,
        /// Only of this user
        #[arg(long, value_name = "USER_ID")]
        user: Option<String>,
        /// Ended and expired ones too
        #[arg(long)]
        all: bool,
        /// List at most so many
        #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..))]
        limit: i64,
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Everything about one session: its limits, who took part, what hangs on it, how it ended
    Show {
        /// The session id, as `tenure session list` prints it
        #[arg(allow_hyphen_values = true)]
        sid: String,
        #[command(flatten)]
        installation: Installation,
        /// Print it on one line
        #[arg(long)]
        json: bool,
    },
    /// Which relying parties were told of a session's end, or, without one, whom nobody could tell
    Deliveries {
        /// The session id; without it, what was given up (the dead-letter list)
        #[arg(allow_hyphen_values = true)]
        sid: Option<String>,
        #[command(flatten)]
        installation: Installation,
        /// List at most so many
        #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..))]
        limit: i64,
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Tell the relying parties again that have not accepted a session's end
    Retry {
        /// The session id, as `tenure session list` prints it
        #[arg(allow_hyphen_values = true)]
        sid: String,
        #[command(flatten)]
        installation: Installation,
    },
    /// End a session, and with it what hangs on it
    End {
        /// The session id, as `tenure session list` prints it
        #[arg(allow_hyphen_values = true)]
        sid: String,
        #[command(flatten)]
        installation: Installation,
    },
}

pub fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::List {
            installation,
            user,
            all,
            limit,
            json,
        } => {
            let opened = installation.open(false)?;
            let alive_at = if all { None } else { Some(opened.now()?) };
            let filter = SessionFilter {
                user_id: user,
                alive_at,
                after: None,
                limit,
            };
            let sessions = opened.store.read_blocking(move |tx| tx.sessions(&filter))?;
            list(&sessions, json);
            Ok(())
        }
        Command::Show {
            sid,
            installation,
            json,
        } => show(&installation.open(false)?, &sid, json),
        Command::Deliveries {
            sid,
            installation,
            limit,
            json,
        } => deliveries(&installation.open(false)?, sid.as_deref(), limit, json),
        Command::Retry { sid, installation } => retry(&installation.open(false)?, &sid),
        Command::End { sid, installation } => end(&installation.open(false)?, &sid),
    }
}

fn list(sessions: &[Session], as_json: bool) {
    if as_json {
        say(Value::Array(sessions.iter().map(describe).collect()));
        return;
    }
    for session in sessions {
        let (expires_at, rule) = session.expires_at();
        let state = session.end.as_ref().map_or_else(
            || format!("until {} ({})", iso_date(expires_at), rule.name()),
            |end| {
                let by = if end.by.is_empty() {
                    &end.rule
                } else {
                    &end.by
                };
                let reason = end.reason.name();
                format!("ended {} ({reason}, {by})", iso_date(end.at))
            },
        );
        say(format_args!(
            "{}  {}  {state}",
            session.sid, session.user_id
        ));
    }
}

fn parse(sid: &str) -> anyhow::Result<Sid> {
    wrong(
        sid.parse().with_context(|| {
            format!("{sid:?} is not a session id: `tenure session list` shows them")
        }),
    )
}

fn show(opened: &Opened, sid: &str, as_json: bool) -> anyhow::Result<()> {
    let sid = parse(sid)?;
    let now = opened.now()?;
    let found = opened.store.read_blocking(move |tx| {
        let (settings, caps) = (Settings::load(tx)?, facts::caps(tx)?);
        Ok(Rows::load(tx, &sid)?.map(|rows| {
            let graph = Graph::of(&rows, &settings, &caps, now);
            (rows, graph)
        }))
    })?;
    let Some((rows, graph)) = found else {
        return wrong(Err(anyhow!("there is no session {sid}")));
    };
    if !as_json {
        say(session_text::text(&rows.session, &graph).trim_end());
        return Ok(());
    }
    say(whole(&rows, &graph)?);
    Ok(())
}

fn describe_delivery(row: &Delivery) -> Value {
    json!({
        "session_id": row.sid.to_string(),
        "client_id": row.client_id,
        "user_id": row.user_id,
        "reason": row.reason.name(),
        "state": row.state.name(),
        "attempts": row.attempts,
        "created_at": iso_date(row.created_at),
        "next_attempt_at":
            (row.state == DeliveryState::Pending).then(|| iso_date(row.due_at)),
        "last_attempt_at": row.last_at.map(iso_date),
        "last_status": row.last_status,
        "last_error": row.last_error,
    })
}

fn deliveries(opened: &Opened, sid: Option<&str>, limit: i64, as_json: bool) -> anyhow::Result<()> {
    let sid = sid.map(|sid| wrong(parse(sid))).transpose()?;
    let rows = opened.store.read_blocking(move |tx| match sid {
        Some(sid) => tx.deliveries_of_session(&sid),
        None => tx.dead_deliveries(limit),
    })?;
    if as_json {
        say(Value::Array(rows.iter().map(describe_delivery).collect()));
        return Ok(());
    }
    for row in rows {
        say(format_args!(
            "{}  {}  {}  {} after {} attempts  {}",
            row.sid,
            row.client_id,
            row.reason.name(),
            row.state.name(),
            row.attempts,
            row.last_error.as_deref().unwrap_or_default()
        ));
    }
    Ok(())
}

fn retry(opened: &Opened, sid: &str) -> anyhow::Result<()> {
    let sid = wrong(parse(sid))?;
    let now = opened.now()?;
    let count = opened.store.write_blocking(move |tx| {
        tx.notify(Notice::Session(sid))?;
        tx.retry_deliveries(&sid, now)
    })?;
    say(format_args!("{count} to be told again"));
    Ok(())
}

fn end(opened: &Opened, sid: &str) -> anyhow::Result<()> {
    let sid = parse(sid)?;
    let now = opened.now()?;
    let ended = opened.store.write_blocking(move |tx| {
        let Some(session) = tx.session(&sid)? else {
            return Ok(None);
        };
        if session.end.is_some() {
            return Ok(Some(false));
        }
        let (settings, caps) = (Settings::load(tx)?, facts::caps(tx)?);
        let entropy = Entropy::system();
        let judge = Judge {
            settings: &settings,
            caps: &caps,
            entropy: &entropy,
            metrics: None,
            now,
        };
        // What time or a change of the user brought before keeps its reason and its instant.
        let standing = tx.user_standing(&session.user_id)?;
        if let Some(verdict) = session.verdict(None, standing, now) {
            expire(tx, &session, verdict, judge)?;
            return Ok(Some(false));
        }
        let end = End {
            at: now,
            reason: EndReason::AdminRevoked,
            by: "cli".to_owned(),
            from: String::new(),
            rule: "command line".to_owned(),
        };
        end_session(tx, &session, end, judge)?;
        Ok(Some(true))
    })?;
    match ended {
        None => return wrong(Err(anyhow!("there is no session {sid}"))),
        Some(true) => say(format_args!("ended {sid}")),
        Some(false) => say(format_args!("{sid} had ended already")),
    }
    Ok(())
}
