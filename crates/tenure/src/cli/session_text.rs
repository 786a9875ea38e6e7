//! One session with all that hangs on it, in lines for people.

use crate::graph::{Activity, Application, Ending, Graph, Limit, UpstreamNode, code_in_words};
use crate::http::iso_date;
use std::fmt::Write as _;
use tenure_protocol::session::Session;

pub fn text(session: &Session, graph: &Graph) -> String {
    let mut out = String::new();
    // Writing to a String does not fail.
    write(&mut out, session, graph).unwrap_or_default();
    out
}

fn write(out: &mut String, session: &Session, graph: &Graph) -> std::fmt::Result {
    writeln!(out, "session {} of {}", session.sid, session.user_id)?;
    match (&graph.end, &graph.ends_first) {
        (Some(end), _) => writeln!(out, "  ended {}", described(end))?,
        (None, Some(first)) => writeln!(out, "  alive; ends first {}", described(first))?,
        (None, None) => {}
    }
    if let Some(end) = &graph.at_next_activity {
        writeln!(out, "  an activity now or later ends it {}", described(end))?;
    }
    write_upstream(out, &graph.upstream)?;
    writeln!(out, "\nsession")?;
    writeln!(
        out,
        "  began               {}",
        iso_date(session.created_at)
    )?;
    writeln!(
        out,
        "  authenticated       {}",
        iso_date(session.authenticated_at)
    )?;
    writeln!(
        out,
        "  last active         {}",
        iso_date(session.last_active_at)
    )?;
    let factors = session
        .factors
        .iter()
        .map(|factor| match &factor.connection {
            Some(connection) => format!("{} at {}", factor.name, plain(connection)),
            None => factor.name.clone(),
        });
    let factors: Vec<String> = factors.collect();
    writeln!(out, "  signed in by        {}", factors.join(", "))?;
    let device = &session.device;
    for (name, text) in [
        ("first seen from", &device.initial_ip),
        ("last seen from", &device.last_ip),
        ("browser", &device.last_user_agent),
    ] {
        if !text.is_empty() {
            writeln!(out, "  {name:19} {}", plain(text))?;
        }
    }
    for limit in &graph.limits {
        write_limit(out, "  ", limit)?;
    }
    writeln!(out, "\napplication sessions: {}", graph.applications.len())?;
    for application in &graph.applications {
        write_application(out, application)?;
    }
    writeln!(out, "\nwhat happened: {}", graph.activities.len())?;
    for activity in &graph.activities {
        write_activity(out, activity)?;
    }
    Ok(())
}

fn write_upstream(out: &mut String, sessions: &[UpstreamNode]) -> std::fmt::Result {
    if sessions.is_empty() {
        return writeln!(out, "\nupstream session: none");
    }
    for upstream in sessions {
        writeln!(
            out,
            "\nupstream session at {} ({})",
            plain(&upstream.connection),
            plain(&upstream.issuer)
        )?;
        let end = upstream.ended_at.as_ref().map(|at| {
            let by = upstream.ended_by.as_deref().unwrap_or_default();
            format!("{at}, by {}", by.replace('_', " "))
        });
        let confirm = upstream.confirm_error.as_ref().map(|error| {
            format!(
                "{} times without an answer: {error}",
                upstream.confirm_failures
            )
        });
        let unnamed = "without a name: no logout there can name it".to_owned();
        let policy = upstream.session_expiry.map(|policy| {
            let name = serde_json::to_value(policy).unwrap_or_default();
            format!(" ({})", name.as_str().unwrap_or_default())
        });
        let expires = upstream.idp_expires_at.as_ref();
        let expires = expires.map(|at| format!("{at}{}", policy.unwrap_or_default()));
        let alive = if upstream.may_be_alive {
            "may be alive"
        } else {
            "over"
        };
        let proven = (!upstream.amr.is_empty()).then(|| upstream.amr.join(" "));
        let lines = [
            ("state", Some(alive.to_owned())),
            ("subject", Some(upstream.subject.clone())),
            ("session", upstream.idp_sid.clone().or(Some(unnamed))),
            ("authenticated", upstream.auth_time.clone()),
            ("amr", proven),
            ("acr", upstream.acr.clone()),
            ("expires", expires),
            ("signed in here", Some(upstream.began_at.clone())),
            ("confirmed", Some(upstream.confirmed_at.clone())),
            ("to be confirmed", upstream.confirm_due_at.clone()),
            ("last confirmation", confirm),
            ("ended", end),
        ];
        for (name, text) in lines {
            if let Some(text) = text {
                writeln!(out, "  {name:19} {}", plain(&text))?;
            }
        }
    }
    Ok(())
}

fn described(end: &Ending) -> String {
    let mut text = format!("{}: {}, by rule {}", end.at, end.reason, end.rule);
    if !end.by.is_empty() {
        text.push_str(&format!(", by {}", plain(&end.by)));
    }
    if !end.from.is_empty() {
        text.push_str(&format!(", from {}", plain(&end.from)));
    }
    text
}

fn write_limit(out: &mut String, indent: &str, limit: &Limit) -> std::fmt::Result {
    let seconds = limit.seconds.map_or_else(String::new, |s| format!("{s} s"));
    let at = limit.at.as_deref().unwrap_or_default();
    let whole = format!("{:21} {seconds:>12}  {at}", limit.name);
    writeln!(
        out,
        "{indent}{}  ({}; {})",
        whole.trim_end(),
        limit.source,
        limit.ends
    )
}

fn write_application(out: &mut String, application: &Application) -> std::fmt::Result {
    writeln!(
        out,
        "  {} {}  first seen {}, last seen {}",
        application.client_id,
        plain(&application.name),
        application.first_seen_at,
        application.last_seen_at
    )?;
    for family in &application.refresh_tokens {
        let kind = serde_json::to_value(family.kind).unwrap_or_default();
        let kind = kind.as_str().unwrap_or_default();
        let state = family.end.as_ref().map_or_else(
            || format!("exchanged {}", family.last_exchanged_at),
            |end| format!("ended {}", described(end)),
        );
        writeln!(
            out,
            "    {kind} refresh tokens {}, generation {}, {state}",
            family.id, family.generation
        )?;
        if let Some(jkt) = &family.bound_to {
            writeln!(out, "      bound to the key {jkt} (DPoP)")?;
        }
        for limit in &family.limits {
            write_limit(out, "      ", limit)?;
        }
    }
    let Some(delivery) = &application.delivery else {
        return Ok(());
    };
    write!(out, "    told of the end: {}", delivery.state.name())?;
    write!(out, ", attempts {}", delivery.attempts)?;
    if let Some(at) = &delivery.last_at {
        write!(out, ", last {at}")?;
    }
    if let Some(status) = delivery.last_status {
        write!(out, ", answer {status}")?;
    }
    if let Some(error) = &delivery.last_error {
        write!(out, ", {}", plain(error))?;
    }
    if let Some(at) = &delivery.next_at {
        write!(out, ", next {at}")?;
    }
    writeln!(out)
}

fn write_activity(out: &mut String, activity: &Activity) -> std::fmt::Result {
    write!(out, "  {}  {}", activity.at, code_in_words(&activity.kind))?;
    for text in [&activity.client_id, &activity.ip, &activity.description] {
        if !text.is_empty() {
            write!(out, "  {}", plain(text))?;
        }
    }
    for (name, value) in &activity.details {
        write!(out, "  {name}={}", plain(&value.to_string()))?;
    }
    writeln!(out)
}

/// Others chose the text; it must not steer the terminal that shows it.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}
