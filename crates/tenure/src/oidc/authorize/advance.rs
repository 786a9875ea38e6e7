//! How far a transaction gets: decided and committed in one transaction of the database.

use super::Context;
use crate::oidc::issue::{self, Grant};
use crate::oidc::par;
use crate::oidc::sessions::{self, Found};
use crate::tenant_log::{Entry, kind};
use tenure_protocol::RefusalReason;
use tenure_protocol::authorize::{Facts, Step, next_step};
use tenure_protocol::code::{CODE_LIFETIME, Code};
use tenure_protocol::scope::{self, Ground};
use tenure_protocol::session::{EndReason, Session};
use tenure_store::{ReadAhead, StoreError, Tx, UserRow};

/// How far a transaction got.
pub enum Advance {
    Issued(Box<Issued>),
    /// With why the earlier session is over, if there was one.
    Login(Option<EndReason>),
    Consent(Vec<String>),
    Refused(RefusalReason, Option<EndReason>),
}

/// What the commit made: everything that signing needs.
pub struct Issued {
    pub session: Session,
    pub user: UserRow,
    pub grant: Grant,
    pub code: Option<String>,
    /// Warnings for the log.
    missing: Vec<String>,
}

pub async fn advance(context: &Context) -> Result<Advance, StoreError> {
    let Some(cookie) = &context.cookie else {
        // Nothing to load and nothing to change: a silent request of a stranger stays cheap.
        return Ok(without_session(context));
    };
    let ahead = ReadAhead::session_and_user(&cookie.sid);
    // What was pushed is used up, and a consent is looked up: more than one look.
    let foresees = context.client.client.is_first_party && context.transaction.pushed.is_none();
    let context = context.clone();
    let store = context.app.store.clone();
    let again = context.clone();
    let work = move |tx: &Tx<'_>| advance_in(tx, &again);
    let advance = if foresees {
        store.write_optimistically(ahead, work).await?
    } else {
        store.write(work).await?
    };
    if let Advance::Issued(issued) = &advance {
        warn_of_missing(&context, issued);
    }
    Ok(advance)
}

fn warn_of_missing(context: &Context, issued: &Issued) {
    for words in &issued.missing {
        let entry = Entry::new(kind::WARNING)
            .client(&context.client.client.client_id)
            .session(&issued.session.sid)
            .user(&issued.session.user_id)
            .describe(words);
        context.app.log.success(&entry, context.now);
    }
}

fn without_session(context: &Context) -> Advance {
    let facts = Facts {
        session: None,
        hinted_subject: None,
        just_authenticated: false,
        acr_reachable: false,
        consent_missing: false,
        just_consented: false,
    };
    match (
        hinted_subject(context),
        next_step(&context.request, &facts, context.now),
    ) {
        (Err(reason), _) | (Ok(_), Step::Refuse(reason)) => Advance::Refused(reason, None),
        (Ok(_), Step::Issue | Step::Login | Step::Consent) => Advance::Login(None),
    }
}

/// Decides and commits the next step, in one transaction.
fn advance_in(tx: &Tx<'_>, context: &Context) -> Result<Advance, StoreError> {
    let judge = context.judge();
    let found = sessions::find(tx, context.cookie.as_ref(), judge)?;
    let over = match found {
        Found::Over(reason) => Some(reason),
        Found::None | Found::Alive(..) => None,
    };
    let hinted = match hinted_subject(context) {
        Ok(hinted) => hinted,
        Err(reason) => return Ok(Advance::Refused(reason, over)),
    };
    let given = match found.alive() {
        Some(session) => consented_scopes(tx, context, &session.user_id)?,
        None => Vec::new(),
    };
    let missing = match found.alive() {
        Some(_) => missing_consent(context, &given),
        None => Vec::new(),
    };
    let facts = Facts {
        session: found.alive(),
        hinted_subject: hinted.as_deref(),
        just_authenticated: found
            .alive()
            .is_some_and(|s| context.transaction.authenticated_by(s)),
        acr_reachable: context.can_reach(&context.request.essential_acr()),
        consent_missing: !missing.is_empty(),
        just_consented: context.transaction.consented,
    };
    match (next_step(&context.request, &facts, context.now), &found) {
        (Step::Issue, Found::Alive(session, user)) => {
            let today = context
                .settings
                .limits(session.persistent, &context.app.config.caps);
            match session.touch(&today, user.standing(), context.now) {
                Ok(touched) => issue_in(tx, context, touched, user, &given),
                Err(reason) => Ok(Advance::Login(Some(reason))),
            }
        }
        (Step::Issue | Step::Login, _) => Ok(Advance::Login(over)),
        (Step::Consent, _) => Ok(Advance::Consent(asked_about(context, missing))),
        (Step::Refuse(reason), _) => Ok(Advance::Refused(reason, over)),
    }
}

/// Records the activity and makes the code.
fn issue_in(
    tx: &Tx<'_>,
    context: &Context,
    session: Session,
    user: &UserRow,
    given: &[String],
) -> Result<Advance, StoreError> {
    if !par::use_up(tx, &context.transaction, context.now)? {
        // Another answer to the same pushed request was faster (RFC 9126 section 7.3).
        return Ok(Advance::Refused(RefusalReason::RequestUriInvalid, None));
    }
    let session = Session {
        device: context.seen(&session),
        ..session
    };
    let client_id = &context.client.client.client_id;
    let (grant, missing) = grant_in(tx, context, &session, given)?;
    let made = context
        .request
        .response_type
        .has_code()
        .then(|| new_code(context, &session, &grant));
    let row = made.as_ref().map(|(_, row)| row);
    tx.commit_with_next();
    tx.record_authorization(&session, client_id, row, context.now)?;
    Ok(Advance::Issued(Box::new(Issued {
        session,
        user: user.clone(),
        grant,
        code: made.map(|(text, _)| text),
        missing,
    })))
}

/// A code's text and its row.
fn new_code(context: &Context, session: &Session, grant: &Grant) -> (String, Code) {
    let secret = context.app.entropy.bytes::<24>();
    let text = crate::oidc::token::authorization_code::encode(&session.sid, &secret);
    let row = Code {
        sid: session.sid,
        hash: crate::crypto::mac::sha256(text.as_bytes()),
        client_id: context.client.client.client_id.clone(),
        user_id: session.user_id.clone(),
        redirect_uri: context.target.redirect.uri().to_owned(),
        redirect_uri_sent: context.target.redirect.sent,
        code_challenge: context.request.code_challenge.clone(),
        dpop_jkt: context.request.dpop_jkt.clone(),
        nonce: context.request.nonce.clone(),
        scope: grant.scope.clone(),
        audience: grant.audience.clone(),
        auth_time: session.authenticated_at,
        amr: session.amr(),
        acr: session.acr(),
        claims: context.request.claims.as_ref().map(ToString::to_string),
        expires_at: context.now.plus(CODE_LIFETIME),
        consumed_at: None,
        family_id: None,
        access_token_id: None,
    };
    (text, row)
}

/// What is granted: asked, existing, consented, held; and in words what is not, of what brings refresh tokens.
fn grant_in(
    tx: &Tx<'_>,
    context: &Context,
    session: &Session,
    given: &[String],
) -> Result<(Grant, Vec<String>), StoreError> {
    let client = &context.client.client;
    let audience = issue::resolve_audience(context.request.audience.as_deref(), &context.settings);
    let api = audience
        .as_deref()
        .and_then(|aud| context.settings.api(aud))
        .cloned();
    let ground = if client.is_first_party {
        Ground::FirstParty
    } else {
        Ground::Consent(given)
    };
    let held = issue::held_permissions(tx, &session.user_id, api.as_deref())?;
    let granted = scope::grant(
        &context.request.scope,
        client,
        api.as_deref(),
        ground,
        held.as_deref(),
    );
    let grant = Grant {
        scope: granted.text(),
        audience,
    };
    // Silently missing refresh tokens are a classic: the log says which setting it was.
    let missing = granted.dropped.iter().filter_map(|(dropped, why)| {
        let is_refresh = dropped == "offline_access" || dropped == "online_access";
        is_refresh.then(|| format!("{dropped} was dropped: {why}"))
    });
    Ok((grant, missing.collect()))
}

/// What the user allowed the client before; a first-party client needs no consent.
pub fn consented_scopes(
    tx: &Tx<'_>,
    context: &Context,
    user_id: &str,
) -> Result<Vec<String>, StoreError> {
    let client = &context.client.client;
    if client.is_first_party {
        return Ok(Vec::new());
    }
    let audience = issue::resolve_audience(context.request.audience.as_deref(), &context.settings);
    let consent = tx.consent(
        user_id,
        &client.client_id,
        audience.as_deref().unwrap_or_default(),
    )?;
    Ok(consent.map_or(Vec::new(), |c| {
        c.scope.split(' ').map(str::to_owned).collect()
    }))
}

/// The scopes of the request that the user has not allowed yet.
pub fn missing_consent(context: &Context, given: &[String]) -> Vec<String> {
    let audience = issue::resolve_audience(context.request.audience.as_deref(), &context.settings);
    let api = audience
        .as_deref()
        .and_then(|aud| context.settings.api(aud));
    let api = api.map(AsRef::as_ref);
    scope::missing_consent(&context.request.scope, &context.client.client, api, given)
}

/// What the consent page names: what is missing, or all that is asked for where the application wants the
/// person to be asked again. Nobody can agree to an empty list.
fn asked_about(context: &Context, missing: Vec<String>) -> Vec<String> {
    if !context.request.prompt.consent {
        return missing;
    }
    let audience = issue::resolve_audience(context.request.audience.as_deref(), &context.settings);
    let api = audience
        .as_deref()
        .and_then(|audience| context.settings.api(audience));
    let api = api.map(AsRef::as_ref);
    scope::to_be_had(&context.request.scope, &context.client.client, api)
}

/// The subject of the `id_token_hint`: an authentic ID token of ours, even expired. It names whom
/// the application expects and never authenticates anybody (lesson CVE-2026-4349).
fn hinted_subject(context: &Context) -> Result<Option<String>, RefusalReason> {
    let Some(hint) = &context.request.id_token_hint else {
        return Ok(None);
    };
    let ring = context.app.ring();
    let kind = crate::crypto::jwt::TokenKind::Id;
    let claims = ring
        .verify(hint, kind, &context.app.issuer)
        .ok_or(RefusalReason::IdTokenHintInvalid)?;
    Ok(claims
        .get("sub")
        .and_then(|sub| sub.as_str())
        .map(str::to_owned))
}
