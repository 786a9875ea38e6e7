//! `POST /session/extend`: an explicit activity.

use super::{Question, Seen, today, told};
use crate::app::App;
use crate::http::Caller;
use crate::oidc::cors;
use crate::oidc::sessions::{self, Judge};
use crate::respond;
use crate::tenant_log::{Entry, kind};
use axum::extract::{Request, State};
use axum::response::Response;
use std::sync::Arc;
use tenure_protocol::RefusalReason;
use tenure_protocol::dpop::ProofFault;
use tenure_protocol::session::Session;
use tenure_protocol::status::{Extension, Proof, Status, extend, over};
use tenure_store::{StoreError, Tx, UserRow};

pub async fn handle(State(app): State<Arc<App>>, caller: Caller, request: Request) -> Response {
    if cors::is_preflight(request.method()) {
        return super::preflight(&app, &caller, request.headers());
    }
    let question = Question::read(app.clone(), caller, request).await;
    let question = Arc::new(question);
    let asked = question.clone();
    match app.store.write(move |tx| decide(tx, &asked)).await {
        Ok(Ok(Some(status))) => question.expose(told(&status)),
        Ok(Ok(None)) => question.unknown(),
        Ok(Err(reason)) => question.refused(reason),
        Err(error) => respond::broken(&error.into()),
    }
}

/// `None`: there is no such session for the asker.
type Decided = Result<Option<Status>, RefusalReason>;

fn decide(tx: &Tx<'_>, question: &Question) -> Result<Decided, StoreError> {
    let Some(found) = question.find(tx)? else {
        return Ok(Ok(None));
    };
    if let Some(proof) = &question.proof
        && !proof.count(tx, "")?
    {
        return Ok(Err(RefusalReason::DpopProof(ProofFault::Replayed)));
    }
    let (app, now, session) = (&question.app, question.now, &found.session);
    let limits = today(&question.settings, app, session.persistent).limits;
    let standing = UserRow::standing_of(found.user.as_ref());
    match extend(session, &found.asking, &limits, standing, now) {
        Err(reason) => Ok(Err(reason)),
        Ok(Extension::Over(verdict)) => {
            let judge = Judge {
                settings: &question.settings,
                caps: &app.config.caps,
                entropy: &app.entropy,
                metrics: Some(&app.metrics),
                now,
            };
            sessions::expire(tx, session, verdict, judge)?;
            Ok(Ok(Some(Status::Over(over(session, verdict, now)))))
        }
        Ok(Extension::Extended(extended)) => {
            let entry = entry(question, &found.client_id, found.asking.proof, &extended);
            let row = entry.row(now, &app.entropy.token(9));
            tx.record_extension(&extended, &found.client_id, &row)?;
            let seen = Seen::new(app, *extended, found.user.as_ref(), now);
            Ok(Ok(Some(seen.status)))
        }
    }
}

/// The history names who.
fn entry(question: &Question, client_id: &str, proof: Proof, extended: &Session) -> Entry {
    let proof = match proof {
        Proof::Cookie => "cookie",
        Proof::AccessToken { .. } => "access_token",
    };
    let origin = crate::http::origin(&question.headers).unwrap_or_default();
    Entry::new(kind::SESSION_EXTENDED)
        .user(&extended.user_id)
        .session(&extended.sid)
        .client(client_id)
        .from(&question.caller.address, &question.caller.user_agent)
        .detail("by", client_id)
        .detail("proof", proof)
        .detail("origin", origin)
        .detail("idle_expires_at", extended.idle_deadline.seconds())
        .detail("absolute_expires_at", extended.absolute_deadline.seconds())
}
