//! The refresh token grant (RFC 6749 section 6): the shell around [`tenure_protocol::refresh::decide`].

use super::{TokenRequest, TokenResponse};
use crate::crypto::keys::KeyRing;
use crate::crypto::refresh as tokens;
use crate::oidc::issue::{self, Grant, IdTokenExtra, Issuer, Subject};
use crate::oidc::sessions::{self, Judge};
use crate::respond::Failure;
use crate::tenant_log::{Entry, kind};
use std::sync::Arc;
use tenure_protocol::RefusalReason;
use tenure_protocol::refresh::{Family, FamilyKind, Outcome, Policy, RefreshToken, decide};
use tenure_protocol::scope::{self, Ground};
use tenure_protocol::session::{End, EndReason, Session, UserStanding};
use tenure_store::{ReadAhead, StoreError, Tx, UserRow};

/// What the transaction decided, for signing and for the log.
struct Refreshed {
    family: Family,
    session: Session,
    user: UserRow,
    scope: String,
    held: Option<Vec<String>>,
    /// The generation presented, if this was a tolerated repeat.
    repeat_of: Option<u32>,
    rotated: bool,
}

struct Refused {
    reason: RefusalReason,
    family: Option<Box<Family>>,
    generation: u32,
}

pub async fn handle(request: TokenRequest) -> Result<TokenResponse, Failure> {
    let request = Arc::new(request);
    let text = request.params.get("refresh_token")?;
    let text = text.ok_or(RefusalReason::MissingParameter("refresh_token"))?;
    let asked_scope = request.params.get("scope")?.map(str::to_owned);
    // A forged or truncated token touches nothing, not even the database.
    let Some(token) = RefreshToken::decode(text) else {
        request.app.metrics.refresh("unknown");
        return Err(RefusalReason::RefreshTokenUnknown.into());
    };
    let knows = |ring: &KeyRing| ring.refresh_key(token.key_id).is_some();
    request.app.ring_with(knows).await;
    let inner = Arc::clone(&request);
    let ahead = ReadAhead::session_and_family(&token.sid, &token.family_id);
    let work = move |tx: &Tx<'_>| refresh_in(tx, &inner, &token, asked_scope.as_deref());
    let outcome = request.write(ahead, work).await?;
    match outcome {
        Ok(refreshed) => {
            log_success(&request, &refreshed);
            Ok(answer(&request, &refreshed)?)
        }
        Err(refused) => {
            request.app.metrics.refresh(metric(refused.reason));
            Err(refused.reason.into())
        }
    }
}

/// Loads, decides, applies: one transaction, in which a refusal commits what it changes and its log entry.
fn refresh_in(
    tx: &Tx<'_>,
    request: &TokenRequest,
    token: &RefreshToken,
    asked_scope: Option<&str>,
) -> Result<Result<Box<Refreshed>, Refused>, StoreError> {
    let refused = judge_and_apply(tx, request, token, asked_scope)?;
    if let Err(refused) = &refused
        && refused.family.is_some()
    {
        log_refusal(tx, request, token, refused)?;
    }
    Ok(refused)
}

fn judge_and_apply(
    tx: &Tx<'_>,
    request: &TokenRequest,
    token: &RefreshToken,
    asked_scope: Option<&str>,
) -> Result<Result<Box<Refreshed>, Refused>, StoreError> {
    let client = &request.client.client;
    let unknown = || Refused {
        reason: RefusalReason::RefreshTokenUnknown,
        family: None,
        generation: token.generation,
    };
    let found = tx.session_and_family(&token.sid, &token.family_id)?;
    // Bound to its client (lesson CVE-2026-55672), before anything else is said about it.
    let found = found.filter(|(_, family)| family.client_id == client.client_id);
    let Some(((session, user), family)) = found else {
        return Ok(Err(unknown()));
    };
    let ring = request.app.ring();
    let Some(presented) = tokens::check(token, &family, &request.app.issuer, &ring) else {
        return Ok(Err(unknown()));
    };
    let refuse = |reason, family: Family| {
        Ok(Err(Refused {
            reason,
            family: Some(Box::new(family)),
            generation: token.generation,
        }))
    };
    // The session's user and the family's are one (lesson CVE-2022-3916).
    let user = user.filter(|user| user.user.user_id == family.user_id);
    let standing = UserRow::standing_of(user.as_ref());
    if family.end.is_none()
        && let Some((reason, end)) = stale_authority(&family, standing)
    {
        let family = end_family(tx, request, &family, end)?;
        return refuse(reason, family);
    }
    let audience = family.audience.as_deref();
    let api = audience.and_then(|audience| request.settings.api(audience));
    let text = request.params.first("refresh_token").unwrap_or_default();
    if let Err(reason) = request.may_have_tokens(tx, api.map(AsRef::as_ref), text)? {
        return refuse(reason, family);
    }
    let policy = Policy::of(&client.refresh_token, client.is_public());
    let origin = request.origin();
    let (next, repeat_of, rotated) = match decide(&family, presented, &policy, &origin, request.now)
    {
        Outcome::Refused(reason) => return refuse(reason, family),
        Outcome::Ended {
            family: ended,
            reason,
        } => {
            tx.change_family(&ended, family.generation)?;
            return refuse(reason, ended);
        }
        Outcome::Repeat {
            family: next,
            presented,
        } => (next, Some(presented), false),
        Outcome::Exchange {
            family: next,
            rotated,
        } => (next, None, rotated),
    };
    // The token session follows the SSO session where the family is bound to it, and is its activity.
    let touched = match follow_session(tx, request, &family, &session, standing)? {
        Ok(touched) => touched.filter(|_| repeat_of.is_none()),
        Err(reason) => {
            // It ended with its session.
            let ended = tx.family(&family.sid, &family.family_id)?;
            let family = ended.unwrap_or(family);
            return refuse(RefusalReason::RefreshTokenSessionOver(reason), family);
        }
    };
    let Some(user) = user else {
        return refuse(RefusalReason::RefreshTokenUnknown, family);
    };
    let (scope, held) = match current_scope(tx, request, &family)? {
        Ok(current) => current,
        Err(reason) => {
            let family = end_family(tx, request, &family, EndReason::PolicyChange)?;
            return refuse(reason, family);
        }
    };
    let key_id = if rotated {
        ring.refresh_current()
    } else {
        next.key_id
    };
    let next = Family { key_id, ..next };
    tx.commit_with_next();
    let stored = match &touched {
        Some(touched) => tx.advance_with_session(&next, family.generation, touched)?,
        None if next == family => true,
        None => tx.update_family(&next, family.generation)?,
    };
    if !stored {
        // Nobody can have been faster inside this transaction; if the row says otherwise, it is broken.
        return Err(StoreError::Changed {
            table: "families",
            key: family.family_id.to_string(),
        });
    }
    let scope = narrowed(&scope, asked_scope);
    Ok(Ok(Box::new(Refreshed {
        family: next,
        session: touched.unwrap_or(session),
        user,
        scope,
        held,
        repeat_of,
        rotated,
    })))
}

/// The user's state is checked at every use (lessons CVE-2023-22492, CVE-2025-53942): blocked, gone,
/// or a credential changed since the grant.
fn stale_authority(family: &Family, user: UserStanding) -> Option<(RefusalReason, EndReason)> {
    if user.blocked {
        return Some((RefusalReason::UserBlocked, EndReason::AccountDisabled));
    }
    if !user.exists {
        return Some((
            RefusalReason::RefreshTokenUnknown,
            EndReason::AccountDisabled,
        ));
    }
    let stale = family.created_at < user.valid_after;
    let reason = EndReason::CredentialChange;
    stale.then_some((RefusalReason::RefreshTokenFamilyEnded(reason), reason))
}

fn end_family(
    tx: &Tx<'_>,
    request: &TokenRequest,
    family: &Family,
    reason: EndReason,
) -> Result<Family, StoreError> {
    let from = request.caller.address.clone();
    let end = End {
        at: request.now,
        reason,
        by: String::new(),
        from,
        rule: "refresh".to_owned(),
    };
    let ended = Family {
        end: Some(end),
        ..family.clone()
    };
    tx.change_family(&ended, family.generation)?;
    Ok(ended)
}

/// For a session-bound family: the session must live, and an exchange is its activity. Answers the
/// session as that activity leaves it; `None` for a family that does not follow it.
fn follow_session(
    tx: &Tx<'_>,
    request: &TokenRequest,
    family: &Family,
    session: &Session,
    user: UserStanding,
) -> Result<Result<Option<Session>, EndReason>, StoreError> {
    if family.kind == FamilyKind::Offline {
        return Ok(Ok(None));
    }
    let today = request
        .settings
        .limits(session.persistent, &request.app.config.caps);
    if let Some(verdict) = session.verdict(Some(&today), user, request.now) {
        let judge = Judge {
            settings: &request.settings,
            caps: &request.app.config.caps,
            entropy: &request.app.entropy,
            metrics: Some(&request.app.metrics),
            now: request.now,
        };
        sessions::expire(tx, session, verdict, judge)?;
        return Ok(Err(verdict.reason));
    }
    Ok(session.touch(&today, user, request.now).map(Some))
}

/// What the family's grant is worth today (lesson CVE-2025-12110): a scope that was removed from the
/// API, the client or the consent is no longer issued; a family without its ground ends.
type Current = Result<(String, Option<Vec<String>>), RefusalReason>;

fn current_scope(
    tx: &Tx<'_>,
    request: &TokenRequest,
    family: &Family,
) -> Result<Current, StoreError> {
    let client = &request.client.client;
    let api = family
        .audience
        .as_deref()
        .map(|audience| request.settings.api(audience));
    let api = match api {
        Some(None) => {
            return Ok(Err(RefusalReason::RefreshTokenFamilyEnded(
                EndReason::PolicyChange,
            )));
        }
        Some(Some(api)) => Some(api.as_ref()),
        None => None,
    };
    let consented: Vec<String> = if client.is_first_party {
        Vec::new()
    } else {
        let audience = family.audience.as_deref().unwrap_or_default();
        let consent = tx.consent(&family.user_id, &client.client_id, audience)?;
        consent.map_or(Vec::new(), |c| {
            c.scope.split(' ').map(str::to_owned).collect()
        })
    };
    let ground = if client.is_first_party {
        Ground::FirstParty
    } else {
        Ground::Consent(&consented)
    };
    let held = issue::held_permissions(tx, &family.user_id, api)?;
    let granted = scope::grant(&family.scope, client, api, ground, held.as_deref());
    let has_ground = match family.kind {
        FamilyKind::Offline => granted.offline,
        FamilyKind::Online => granted.online,
    };
    if !has_ground {
        return Ok(Err(RefusalReason::RefreshTokenFamilyEnded(
            EndReason::PolicyChange,
        )));
    }
    Ok(Ok((granted.text(), held)))
}

/// A refresh may ask for less, never for more (RFC 6749 section 6).
fn narrowed(scope: &str, asked: Option<&str>) -> String {
    match asked {
        None => scope.to_owned(),
        Some(asked) => {
            let asked: Vec<&str> = asked.split(' ').collect();
            scope
                .split(' ')
                .filter(|s| asked.contains(s))
                .collect::<Vec<_>>()
                .join(" ")
        }
    }
}

/// Signs, after the commit. Every answer carries an ID token (without nonce) and the refresh token.
fn answer(request: &TokenRequest, refreshed: &Refreshed) -> anyhow::Result<TokenResponse> {
    let family = &refreshed.family;
    let grant = Grant {
        scope: refreshed.scope.clone(),
        audience: family.audience.clone(),
    };
    let issuer = Issuer {
        app: &request.app,
        settings: &request.settings,
        client: &request.client.client,
        grant: &grant,
        jkt: request.jkt(),
        now: request.now,
    };
    let claims = family
        .claims
        .as_deref()
        .and_then(|text| serde_json::from_str(text).ok());
    let subject = Subject {
        user: &refreshed.user.user,
        session: &refreshed.session,
        family: Some(family),
        auth_time: family.auth_time,
        amr: &family.amr,
        acr: family.acr.as_deref(),
        claims: claims.as_ref(),
    };
    let jti = request.app.entropy.token(12);
    let access = issuer.access_token(&subject, refreshed.held.as_deref(), &jti)?;
    let extra = IdTokenExtra {
        access_token: Some(&access.token),
        ..IdTokenExtra::default()
    };
    let id_token = if grant.has("openid") {
        Some(issuer.id_token(&subject, &extra)?)
    } else {
        None
    };
    // One that stays as it is need not be said again: its client knows that from Auth0.
    let refresh_token = if family.stays_as_it_is(request.client.client.is_public()) {
        None
    } else {
        tokens::current(family, &request.app.issuer, &request.app.ring())
    };
    Ok(TokenResponse {
        access_token: access.token,
        token_type: request.token_type(),
        expires_in: access.expires_in,
        refresh_token,
        id_token,
        scope: grant.scope,
    })
}

const fn metric(reason: RefusalReason) -> &'static str {
    match reason {
        RefusalReason::RefreshTokenReused => "reused",
        RefusalReason::RefreshTokenExpired => "expired",
        RefusalReason::RefreshTokenFamilyEnded(_) | RefusalReason::RefreshTokenSessionOver(_) => {
            "ended"
        }
        RefusalReason::RefreshTokenFromTheFuture => "from_the_future",
        RefusalReason::UserBlocked => "user",
        RefusalReason::RefreshTokenOtherKey | RefusalReason::DpopProof(_) => "key",
        _ => "unknown",
    }
}

fn entry(request: &TokenRequest, kind: &str, family: &Family) -> Entry {
    Entry::new(kind)
        .user(&family.user_id)
        .session(&family.sid)
        .client(&family.client_id)
        .from(&request.caller.address, &request.caller.user_agent)
        .detail("familyId", family.family_id.to_string())
        .detail("tokenCounter", family.generation)
}

fn log_success(request: &TokenRequest, refreshed: &Refreshed) {
    let outcome = match (refreshed.repeat_of, refreshed.rotated) {
        (Some(_), _) => "repeated",
        (None, true) => "rotated",
        (None, false) => "exchanged",
    };
    request.app.metrics.refresh(outcome);
    let mut entry = entry(request, kind::REFRESHED, &refreshed.family);
    if let Some(generation) = refreshed.repeat_of {
        entry = entry
            .detail("repeatedCounter", generation)
            .detail("rotatedFrom", refreshed.family.rotated_by.address.clone());
    }
    request.app.log.success(&entry, request.now);
}

/// Refusals are logged in their own transaction: an alarm must not get lost in a crash.
fn log_refusal(
    tx: &Tx<'_>,
    request: &TokenRequest,
    token: &RefreshToken,
    refused: &Refused,
) -> Result<(), StoreError> {
    let Some(family) = &refused.family else {
        return Ok(());
    };
    let alarm = matches!(
        refused.reason,
        RefusalReason::RefreshTokenReused | RefusalReason::RefreshTokenFromTheFuture
    );
    let code = if alarm {
        kind::REFRESH_REUSED
    } else {
        kind::REFRESH_FAILED
    };
    entry(request, code, family)
        .describe(&format!("{:?}", refused.reason))
        .detail("tokenCounter", refused.generation)
        .detail("latestCounter", family.generation)
        .write(tx, request.now, &request.app.entropy.token(9))?;
    if alarm {
        tracing::warn!(family = %family.family_id, generation = token.generation, latest = family.generation,
            reason = ?refused.reason, "a refresh token was used that must not exist any more");
    }
    Ok(())
}
