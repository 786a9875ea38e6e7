//! Asks identity providers whether the people whom they vouch for are still welcome, by a refresh. What
//! a session may do meanwhile is decided by its own deadline: this worker only moves it (decision 107).

use super::expiry::judge;
use crate::app::App;
use crate::oidc::sessions;
use crate::tenant_log::{Entry, kind};
use crate::upstream::{Fault, Refreshed, Tokens, open_tokens, refresh, seal_tokens};
use std::sync::Arc;
use tenure_protocol::Timestamp;
use tenure_protocol::model::Connection;
use tenure_protocol::session::{End, EndReason};
use tenure_protocol::upstream::liveness::{Answer, CONFIRMATION, Liveness, Outcome};
use tenure_protocol::upstream::{expiry, id_token};
use tenure_store::{StoreError, Tx, UpstreamSession};
use tokio::task::JoinSet;

/// A provider is asked about so many sessions at once.
const BATCH: i64 = 32;

/// Seconds until a claim runs out: more than asking takes.
const CLAIM: i64 = 120;

/// Confirms some of what is due of a connection. `false`: there was nothing, another server has it.
pub(super) async fn some(app: &Arc<App>, connection: String) -> Result<bool, StoreError> {
    let now = app.clock.now();
    let times = (now, now.plus(CLAIM));
    let claimed = app
        .background
        .write(move |tx| tx.claim_confirmations(&connection, times, BATCH))
        .await?;
    let any = !claimed.is_empty();
    let mut asking = JoinSet::new();
    for row in claimed {
        asking.spawn(confirm(app.clone(), row));
    }
    while let Some(done) = asking.join_next().await {
        match done {
            // It stays claimed, and is asked again when the claim runs out.
            Ok(Err(error)) => tracing::warn!(%error, "a confirmation was not stored"),
            Err(error) => tracing::error!(%error, "a confirmation broke off"),
            Ok(Ok(())) => {}
        }
    }
    Ok(any)
}

/// What a provider answered.
struct Heard {
    answer: Answer,
    /// To be kept instead of the former ones.
    tokens: Option<Tokens>,
    /// The end of its session, where it told it anew.
    session_expiry: Option<Timestamp>,
}

impl Heard {
    fn only(answer: Answer) -> Self {
        Self {
            answer,
            tokens: None,
            session_expiry: None,
        }
    }
}

async fn confirm(app: Arc<App>, row: UpstreamSession) -> Result<(), StoreError> {
    let sid = row.sid;
    let session = app.background.read(move |tx| tx.session(&sid)).await?;
    let connection = app
        .settings
        .current()
        .connections
        .get(&row.connection)
        .cloned();
    let liveness = connection
        .as_ref()
        .and_then(|connection| Liveness::of(&connection.upstream));
    // A password that was typed in since vouches for the person now.
    let hangs_on_it =
        session.is_some_and(|session| session.end.is_none() && session.confirm_deadline.is_some());
    let (Some(connection), Some(liveness), true) = (connection, liveness, hangs_on_it) else {
        return app.background.write(move |tx| let_go(tx, &row)).await;
    };
    let asked_at = app.clock.now();
    let heard = ask(&app, &connection, &row).await;
    let settings = app.settings.current();
    let inner = app.clone();
    let outcome = app.background.write(move |tx| {
        let judge = judge(&inner, &settings, inner.clock.now());
        settle(tx, &inner, (&row, liveness, asked_at), heard, judge)
    });
    app.metrics.signal("confirmation", outcome.await?);
    Ok(())
}

/// Nobody asks any more: the session is over, or does not depend on it.
fn let_go(tx: &Tx<'_>, row: &UpstreamSession) -> Result<(), StoreError> {
    let session = tx.session(&row.sid)?;
    let settled = UpstreamSession {
        confirm_due_at: None,
        confirm_failures: 0,
        confirm_error: None,
        ..row.clone()
    };
    let ours = tx.settle_confirmation(row, &settled)?;
    let bound =
        session.filter(|session| session.end.is_none() && session.confirm_deadline.is_some());
    if let (true, Some(session)) = (ours, bound) {
        tx.update_session(&session.confirmed(None, None))?;
    }
    Ok(())
}

async fn ask(app: &App, connection: &Connection, row: &UpstreamSession) -> Heard {
    let tokens = open_tokens(app, row);
    let Some(kept) = tokens
        .as_ref()
        .and_then(|tokens| tokens.refresh_token.as_deref())
    else {
        let why = "the provider gave no refresh token to ask with";
        return Heard::only(Answer::None(why.to_owned()));
    };
    let asked = async {
        let provider = app.providers.provider(&app.outbound, connection).await?;
        refresh(app, connection, &provider, kept).await
    };
    let fresh = match asked.await {
        Err(fault) => return Heard::only(Answer::None(fault.to_string())),
        Ok(Refreshed::Gone(why)) => return Heard::only(Answer::Gone(why)),
        Ok(Refreshed::Tokens(fresh)) => fresh,
    };
    let judged = match &fresh.id_token {
        None => Ok(None),
        Some(id_token) => believe(app, connection, row, id_token).await,
    };
    // Also where the ID token is not believed: the provider may have used up the former refresh token.
    let before = tokens.as_ref().and_then(|tokens| tokens.id_token.clone());
    let keep = Tokens {
        id_token: fresh.id_token.filter(|_| judged.is_ok()).or(before),
        access_token: None,
        refresh_token: fresh.refresh_token.or_else(|| Some(kept.to_owned())),
    };
    let (answer, session_expiry) = match judged {
        Ok(session_expiry) => (Answer::Welcome, session_expiry),
        Err(expired @ Fault::Refused(_)) if expired == past() => {
            (Answer::Gone(expired.to_string()), None)
        }
        Err(fault) => (Answer::None(fault.to_string()), None),
    };
    Heard {
        answer,
        tokens: Some(keep),
        session_expiry,
    }
}

/// The provider says that its session ended a while ago.
fn past() -> Fault {
    Fault::Refused(expiry::Fault::Past.name().to_owned())
}

/// The `session_expiry` of an ID token that came with a refresh.
async fn believe(
    app: &App,
    connection: &Connection,
    row: &UpstreamSession,
    token: &str,
) -> Result<Option<Timestamp>, Fault> {
    let refused = |why: &str| Fault::Refused(why.to_owned());
    let claims = app
        .providers
        .verify(&app.outbound, connection, token)
        .await?;
    let now = app.clock.now();
    let whose = (
        row.issuer.as_str(),
        connection.options.client_id.as_str(),
        row.subject.as_str(),
    );
    id_token::check_refreshed(&claims, whose, now).map_err(|fault| refused(fault.name()))?;
    // One that is absent here was there at the login, if the policy asks for it.
    let Some(claim) = claims.get("session_expiry") else {
        return Ok(None);
    };
    expiry::cap(Some(claim), connection.expiry_policy(), now).map_err(|fault| refused(fault.name()))
}

/// Stores what came of asking, and what it does to the session.
fn settle(
    tx: &Tx<'_>,
    app: &App,
    (row, liveness, asked_at): (&UpstreamSession, Liveness, Timestamp),
    heard: Heard,
    judge: sessions::Judge<'_>,
) -> Result<&'static str, StoreError> {
    let session = tx
        .session(&row.sid)?
        .filter(|session| session.end.is_none());
    let failures = row.confirm_failures.saturating_add(1);
    let sealed = match &heard.tokens {
        Some(tokens) => Some(seal_tokens(app, (row.sid, &row.connection), tokens)),
        None => row.sealed.clone(),
    };
    let outcome = liveness.judge(heard.answer, failures, asked_at);
    let settled = match &outcome {
        Outcome::Confirmed(next) => UpstreamSession {
            confirmed_at: asked_at,
            confirm_due_at: Some(next.due_at),
            confirm_failures: 0,
            confirm_error: None,
            session_expiry: heard.session_expiry.or(row.session_expiry),
            sealed,
            ..row.clone()
        },
        Outcome::Again { at, why } => UpstreamSession {
            confirm_due_at: Some(*at),
            confirm_failures: failures,
            confirm_error: Some(why.clone()),
            sealed,
            ..row.clone()
        },
        Outcome::Over(why) => UpstreamSession {
            confirm_due_at: None,
            confirm_failures: failures,
            confirm_error: Some(why.clone()),
            sealed: None,
            ended_at: Some(judge.now),
            ended_by: Some(CONFIRMATION.to_owned()),
            ..row.clone()
        },
    };
    if !tx.settle_confirmation(row, &settled)? {
        return Ok("repeated");
    }
    let Some(session) = session else {
        return Ok("nobody");
    };
    match outcome {
        Outcome::Confirmed(next) => {
            let session = session.confirmed(Some(next.deadline), heard.session_expiry);
            tx.update_session(&session)?;
            tx.notify(tenure_store::Notice::Session(session.sid))?;
            Ok("accepted")
        }
        Outcome::Again { why, .. } => {
            if failures == 1 {
                log_silence(tx, row, &why, judge)?;
            }
            Ok("unanswered")
        }
        Outcome::Over(_) => {
            let end = End {
                at: judge.now,
                reason: EndReason::UpstreamExpired,
                by: format!("connection:{}", row.connection),
                from: String::new(),
                rule: CONFIRMATION.to_owned(),
            };
            sessions::end_session(tx, &session, end, judge)?;
            Ok("refused")
        }
    }
}

/// The first of a row of failures stands in the log; each is in the upstream session.
fn log_silence(
    tx: &Tx<'_>,
    row: &UpstreamSession,
    why: &str,
    judge: sessions::Judge<'_>,
) -> Result<(), StoreError> {
    let entry = Entry::new(kind::WARNING)
        .user(&row.user_id)
        .session(&row.sid)
        .detail("connection", row.connection.as_str())
        .describe(&format!(
            "the upstream session could not be confirmed: {why}"
        ));
    entry.write(tx, judge.now, &judge.entropy.token(9))
}
