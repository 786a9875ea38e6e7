//! Whose account an arrival leads to, and the session that it starts: one transaction.

use super::callback::USED;
use super::{ERRAND, signal};
use crate::oidc::authorize::Context;
use crate::oidc::sign_in;
use crate::upstream::{Fault, Tokens, seal_tokens};
use serde_json::{Map, Value};
use std::sync::Arc;
use tenure_protocol::model::{Connection, User};
use tenure_protocol::session::Session;
use tenure_protocol::upstream::authentication;
use tenure_protocol::upstream::id_token::Proven;
use tenure_protocol::upstream::linking::{self, Decision, Facts, decide};
use tenure_protocol::upstream::liveness::Liveness;
use tenure_protocol::{Sid, Timestamp};
use tenure_store::{Identity, StoreError, Tx, UpstreamSession, UserRow};

/// Somebody whom a provider vouches for.
#[derive(Debug)]
pub struct Arrival {
    pub connection: Arc<Connection>,
    pub errand_id: String,
    /// When the errand is of no use any more.
    pub errand_until: Timestamp,
    pub proven: Proven,
    pub upstream_deadline: Option<Timestamp>,
    pub tokens: Tokens,
}

/// Finds, links or makes the account, and starts the session with the upstream session behind it.
pub fn sign_in(
    tx: &Tx<'_>,
    context: &Context,
    arrival: &Arrival,
    (secret, fresh_sid): (&[u8; 32], Sid),
) -> Result<Result<Session, Fault>, StoreError> {
    let refused = |why: &str| Ok(Err(Fault::Refused(why.to_owned())));
    if !tx.put_once(ERRAND, &arrival.errand_id, "", arrival.errand_until)? {
        return refused(USED);
    }
    let (name, proven) = (&arrival.connection.name, &arrival.proven);
    if signal::is_over(tx, name, proven, context.now)? {
        return refused("the provider said meanwhile that this session of its is over");
    }
    let user = match account(tx, context, arrival)? {
        Ok(user) => user,
        Err(fault) => return refused(fault.name()),
    };
    if user.user.blocked {
        return refused("the user is blocked");
    }
    let user_id = user.user.user_id.as_str();
    let (connection, proven) = (&arrival.connection, &arrival.proven);
    let identity = Identity {
        connection: connection.name.clone(),
        issuer: proven.issuer.clone(),
        subject: proven.subject.clone(),
        user_id: user_id.to_owned(),
        body: Value::Object(profile(&proven.claims)).to_string(),
        linked_at: context.now,
        last_login_at: context.now,
    };
    if !tx.put_identity(&identity)? {
        return refused("the subject leads to another user already");
    }
    let factors = authentication::factors(connection, proven, context.now);
    let who = sign_in::Proven {
        user: &user,
        secret,
        factors: &factors,
        upstream_deadline: arrival.upstream_deadline,
    };
    let session = sign_in::start(tx, context, &who, fresh_sid)?;
    let liveness = Liveness::of(&connection.upstream);
    let session = match liveness {
        Some(liveness) => {
            let deadline = liveness.next(context.now).deadline;
            let session = session.confirmed(Some(deadline), None);
            tx.update_session(&session)?;
            session
        }
        None => session,
    };
    tx.put_upstream_session(&upstream_session(context, arrival, &session))?;
    Ok(Ok(session))
}

fn account(
    tx: &Tx<'_>,
    context: &Context,
    arrival: &Arrival,
) -> Result<Result<UserRow, linking::Fault>, StoreError> {
    let (connection, proven) = (&arrival.connection, &arrival.proven);
    let known = tx.identity(&connection.name, &proven.issuer, &proven.subject)?;
    let email = text(&proven.claims, "email").filter(|email| crate::users::is_email(email));
    let holder = match &email {
        Some(email) => tx.user_by_identifier("email", &email.trim().to_lowercase())?,
        None => None,
    };
    let owns_domain = email
        .as_deref()
        .is_some_and(|email| connection.owns_address(email));
    let facts = Facts {
        identity: known.as_ref().map(|identity| identity.user_id.as_str()),
        email: email.as_deref(),
        email_verified: proven.claims.get("email_verified") == Some(&Value::Bool(true)),
        owns_domain,
        foreign_domain: !owns_domain
            && email
                .as_deref()
                .is_some_and(|email| context.settings.is_assigned(email)),
        holder: holder.as_ref().map(|row| {
            let user = &row.user;
            let id = user.user_id.as_str();
            let verified = user.email_verified
                && linking::is_same_address(email.as_deref(), user.email.as_deref());
            (id, linking::is_verified_for(&connection.name, id, verified))
        }),
        linking: connection.upstream.linking,
        may_sign_up: !connection.options.disable_signup,
    };
    match decide(&facts) {
        Decision::Refuse(fault) => Ok(Err(fault)),
        Decision::Link(user_id) => Ok(tx.user(user_id)?.ok_or(linking::Fault::AddressTaken)),
        Decision::SignIn(user_id) => {
            let Some(row) = tx.user(user_id)? else {
                return Ok(Err(linking::Fault::SignUpDisabled));
            };
            refresh(tx, context, arrival, row).map(Ok)
        }
        Decision::Create => create(tx, context, arrival),
    }
}

/// A user whom the provider made here follows it in name and picture; a linked one keeps its own.
fn refresh(
    tx: &Tx<'_>,
    context: &Context,
    arrival: &Arrival,
    row: UserRow,
) -> Result<UserRow, StoreError> {
    let own = linking::user_id(&arrival.connection.name, &arrival.proven.subject);
    if row.user.user_id != own {
        return Ok(row);
    }
    let mut user = row.user.clone();
    fill(&mut user, &arrival.proven.claims);
    if user == row.user {
        return Ok(row);
    }
    user.updated_at = context.now;
    let fresh = UserRow {
        user,
        ..row.clone()
    };
    Ok(if tx.put_user(&fresh)? { fresh } else { row })
}

fn create(
    tx: &Tx<'_>,
    context: &Context,
    arrival: &Arrival,
) -> Result<Result<UserRow, linking::Fault>, StoreError> {
    let claims = &arrival.proven.claims;
    let email = text(claims, "email").filter(|email| crate::users::is_email(email));
    let mut user = User {
        user_id: linking::user_id(&arrival.connection.name, &arrival.proven.subject),
        email_verified: email.is_some() && claims.get("email_verified") == Some(&Value::Bool(true)),
        email,
        // Whatever somebody of the same id had before, is over.
        valid_after: context.now,
        created_at: context.now,
        updated_at: context.now,
        ..User::default()
    };
    fill(&mut user, claims);
    if tx.user(&user.user_id)?.is_some() {
        // A subject that another issuer of this connection had before.
        return Ok(Err(linking::Fault::AddressTaken));
    }
    let row = UserRow {
        user,
        password_hash: None,
    };
    let stored = tx.put_user(&row)?;
    Ok(if stored {
        Ok(row)
    } else {
        Err(linking::Fault::AddressTaken)
    })
}

fn fill(user: &mut User, claims: &Map<String, Value>) {
    for (name, member) in [
        ("name", &mut user.name),
        ("given_name", &mut user.given_name),
        ("family_name", &mut user.family_name),
        ("nickname", &mut user.nickname),
        ("picture", &mut user.picture),
    ] {
        if let Some(value) = text(claims, name) {
            *member = Some(value);
        }
    }
}

/// Characters that are kept of a claim: a row's size must not be the provider's choice.
const MOST: usize = 1_024;

fn text(claims: &Map<String, Value>, name: &str) -> Option<String> {
    let text = claims.get(name)?.as_str().filter(|text| !text.is_empty())?;
    Some(text.chars().take(MOST).collect())
}

/// What of the claims is about the person.
fn profile(claims: &Map<String, Value>) -> Map<String, Value> {
    const ABOUT: [&str; 10] = [
        "email",
        "email_verified",
        "family_name",
        "given_name",
        "locale",
        "name",
        "nickname",
        "phone_number",
        "picture",
        "preferred_username",
    ];
    let kept = ABOUT.iter().filter_map(|name| {
        let value = match claims.get(*name)? {
            Value::String(_) => text(claims, name)?.into(),
            Value::Bool(flag) => Value::Bool(*flag),
            _ => return None,
        };
        Some(((*name).to_owned(), value))
    });
    kept.collect()
}

fn upstream_session(context: &Context, arrival: &Arrival, session: &Session) -> UpstreamSession {
    let (connection, proven) = (&arrival.connection, &arrival.proven);
    let app = &context.app;
    let confirm = Liveness::of(&connection.upstream);
    let kept = (session.sid, connection.name.as_str());
    let sealed = seal_tokens(app, kept, &arrival.tokens);
    UpstreamSession {
        sid: session.sid,
        connection: connection.name.clone(),
        user_id: session.user_id.clone(),
        issuer: proven.issuer.clone(),
        subject: proven.subject.clone(),
        upstream_sid: proven.sid.clone(),
        auth_time: proven.auth_time,
        session_expiry: arrival.upstream_deadline,
        began_at: context.now,
        confirmed_at: context.now,
        confirm_due_at: confirm.map(|liveness| liveness.next(context.now).due_at),
        confirm_failures: 0,
        confirm_error: None,
        acr: proven.acr.clone(),
        amr: proven.amr.clone(),
        sealed: Some(sealed),
        ended_at: None,
        ended_by: None,
    }
}
