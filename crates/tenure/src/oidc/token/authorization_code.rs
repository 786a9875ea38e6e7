//! The authorization code grant (RFC 6749 section 4.1.3): redeemed at most once, under any concurrency.

use super::{TokenRequest, TokenResponse};
use crate::crypto::{mac, refresh};
use crate::oidc::issue::{self, AccessToken, Grant, IdTokenExtra, Issuer, Subject};
use crate::oidc::sessions::{self, Judge};
use crate::respond::Failure;
use crate::tenant_log::{Entry, kind};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::sync::Arc;
use tenure_protocol::code::{self, Code, Outcome, Presented};
use tenure_protocol::refresh::{Family, FamilyKind, Policy, deadlines};
use tenure_protocol::session::{End, EndReason, Session};
use tenure_protocol::tokens::ACCESS_TOKEN_LIFETIME;
use tenure_protocol::{RefusalReason, Sid};
use tenure_store::{ReadAhead, StoreError, Tx, UserRow};

/// A code's text: the session's id, so that its row is found by primary key, and a secret.
pub fn encode(sid: &Sid, secret: &[u8; 24]) -> String {
    let mut bytes = sid.as_bytes().to_vec();
    bytes.extend_from_slice(secret);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// `None` for anything but the exact length.
fn decode(text: &str) -> Option<Sid> {
    let bytes: [u8; 40] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
    bytes.first_chunk::<16>().map(|sid| Sid::from_bytes(*sid))
}

/// What the transaction made.
struct Redeemed {
    code: Code,
    session: Session,
    user: UserRow,
    family: Option<Family>,
    held: Option<Vec<String>>,
    jti: String,
}

pub async fn handle(request: TokenRequest) -> Result<TokenResponse, Failure> {
    let request = Arc::new(request);
    let text = request
        .params
        .get("code")?
        .ok_or(RefusalReason::MissingParameter("code"))?;
    for name in ["redirect_uri", "code_verifier"] {
        request.params.get(name)?;
    }
    let Some(sid) = decode(text) else {
        return Err(RefusalReason::CodeUnknown.into());
    };
    let hash = mac::sha256(text.as_bytes());
    let inner = Arc::clone(&request);
    let ahead = ReadAhead::session_and_code(&sid, &hash);
    let work = move |tx: &Tx<'_>| redeem(tx, &inner, &sid, &hash);
    let outcome = request.write(ahead, work).await?;
    match outcome {
        Ok(redeemed) => {
            let entry = entry(&request, kind::CODE_EXCHANGED, &sid);
            let entry = entry.user(&redeemed.session.user_id);
            request.app.log.success(&entry, request.now);
            Ok(answer(&request, &redeemed)?)
        }
        Err(reason) => {
            // A replay is in the log already, with what it revoked.
            if reason != RefusalReason::CodeReplayed {
                request
                    .app
                    .log
                    .success(&refusal(&request, &sid, reason), request.now);
            }
            Err(reason.into())
        }
    }
}

fn entry(request: &TokenRequest, kind: &str, sid: &Sid) -> Entry {
    Entry::new(kind)
        .client(&request.client.client.client_id)
        .session(sid)
        .from(&request.caller.address, &request.caller.user_agent)
}

fn refusal(request: &TokenRequest, sid: &Sid, reason: RefusalReason) -> Entry {
    entry(request, kind::CODE_EXCHANGE_FAILED, sid).describe(&format!("{reason:?}"))
}

/// Decides and commits. A refusal is a value: what it revokes stays revoked.
fn redeem(
    tx: &Tx<'_>,
    request: &TokenRequest,
    sid: &Sid,
    hash: &[u8; 32],
) -> Result<Result<Box<Redeemed>, RefusalReason>, StoreError> {
    let Some(((session, user), code)) = tx.session_and_code(sid, hash)? else {
        return Ok(Err(RefusalReason::CodeUnknown));
    };
    let api = code
        .audience
        .as_deref()
        .and_then(|audience| request.settings.api(audience));
    let text = request.params.first("code").unwrap_or_default();
    if let Err(reason) = request.may_have_tokens(tx, api.map(AsRef::as_ref), text)? {
        return Ok(Err(reason));
    }
    let client = &request.client.client;
    let presented = Presented {
        client_id: &client.client_id,
        client_is_public: client.is_public(),
        redirect_uri: request.params.first("redirect_uri"),
        code_verifier: request.params.first("code_verifier"),
        jkt: request.jkt(),
    };
    match code::decide(&code, &presented, request.now) {
        Outcome::Refused(reason) => Ok(Err(reason)),
        Outcome::Replayed => {
            revoke_first_use(tx, request, &code)?;
            let reason = RefusalReason::CodeReplayed;
            let entry = refusal(request, sid, reason).user(&code.user_id);
            let entry = entry.detail("revoked", true);
            entry.write(tx, request.now, &request.app.entropy.token(9))?;
            Ok(Err(reason))
        }
        Outcome::Redeem => issue_in(tx, request, code, (session, user)),
    }
}

/// RFC 6749 section 4.1.2: a second use revokes what the first use issued.
fn revoke_first_use(tx: &Tx<'_>, request: &TokenRequest, code: &Code) -> Result<(), StoreError> {
    if let Some(jti) = &code.access_token_id {
        let day = request.now.plus(86_400_i64.max(ACCESS_TOKEN_LIFETIME));
        let api = code
            .audience
            .as_deref()
            .and_then(|aud| request.settings.api(aud));
        let until = api.map_or(day, |api| day.max(request.now.plus(api.token_lifetime)));
        tx.revoke_token(Some(&code.sid), jti, until)?;
    }
    let family = match &code.family_id {
        Some(family_id) => tx.family(&code.sid, family_id)?,
        None => None,
    };
    if let Some(family) = family.filter(|family| family.end.is_none()) {
        let end = End {
            at: request.now,
            reason: EndReason::ReuseDetected,
            by: code.client_id.clone(),
            from: request.caller.address.clone(),
            rule: "code_replayed".to_owned(),
        };
        tx.change_family(
            &Family {
                end: Some(end),
                ..family.clone()
            },
            family.generation,
        )?;
    }
    Ok(())
}

fn issue_in(
    tx: &Tx<'_>,
    request: &TokenRequest,
    code: Code,
    (session, user): (Session, Option<UserRow>),
) -> Result<Result<Box<Redeemed>, RefusalReason>, StoreError> {
    // The user's standing and the session are judged again: a code is no promise (lesson CVE-2026-16103).
    let standing = UserRow::standing_of(user.as_ref());
    if let Some(verdict) = session.verdict(None, standing, request.now) {
        let judge = Judge {
            settings: &request.settings,
            caps: &request.app.config.caps,
            entropy: &request.app.entropy,
            metrics: Some(&request.app.metrics),
            now: request.now,
        };
        sessions::expire(tx, &session, verdict, judge)?;
        let blocked = standing.blocked;
        let reason = if blocked {
            RefusalReason::UserBlocked
        } else {
            RefusalReason::CodeSessionOver(verdict.reason)
        };
        return Ok(Err(reason));
    }
    let Some(user) = user.filter(|user| user.user.user_id == code.user_id) else {
        return Ok(Err(RefusalReason::UserGone));
    };
    let api = code
        .audience
        .as_deref()
        .and_then(|audience| request.settings.api(audience));
    let held = issue::held_permissions(tx, &code.user_id, api.map(AsRef::as_ref))?;
    let family = new_family(request, &code);
    let jti = request.app.entropy.token(12);
    let code = Code {
        consumed_at: Some(request.now),
        family_id: family.as_ref().map(|family| family.family_id),
        access_token_id: Some(jti.clone()),
        ..code
    };
    tx.commit_with_next();
    if !tx.redeem_code(&code, family.as_ref())? {
        // Nobody can have been faster inside this transaction; if the row says otherwise, it is broken.
        return Err(StoreError::Changed {
            table: "codes",
            key: code.sid.to_string(),
        });
    }
    Ok(Ok(Box::new(Redeemed {
        code,
        session,
        user,
        family,
        held,
        jti,
    })))
}

/// A family, if the grant has `offline_access` or `online_access`.
fn new_family(request: &TokenRequest, code: &Code) -> Option<Family> {
    let has = |name| code.scope.split(' ').any(|scope| scope == name);
    let kind = match (has("offline_access"), has("online_access")) {
        (true, _) => FamilyKind::Offline,
        (false, true) => FamilyKind::Online,
        (false, false) => return None,
    };
    let client = &request.client.client;
    let policy = Policy::of(&client.refresh_token, client.is_public());
    let (idle_deadline, absolute_deadline) = deadlines(&policy, request.now);
    Some(Family {
        sid: code.sid,
        family_id: request.app.entropy.family_id(),
        client_id: code.client_id.clone(),
        user_id: code.user_id.clone(),
        kind,
        secret: request.app.entropy.bytes(),
        key_id: request.app.ring().refresh_current(),
        generation: 1,
        consumed: Vec::new(),
        created_at: request.now,
        last_exchanged_at: request.now,
        idle_deadline,
        absolute_deadline,
        scope: code.scope.clone(),
        audience: code.audience.clone(),
        auth_time: code.auth_time,
        amr: code.amr.clone(),
        acr: code.acr.clone(),
        claims: code.claims.clone(),
        rotated_by: request.origin(),
        bearer_until: 0,
        foreign_repeats: 0,
        foreign_repeat_generation: 0,
        end: None,
    })
}

/// Signs, after the commit.
fn answer(request: &TokenRequest, redeemed: &Redeemed) -> anyhow::Result<TokenResponse> {
    let code = &redeemed.code;
    let grant = Grant {
        scope: code.scope.clone(),
        audience: code.audience.clone(),
    };
    let issuer = Issuer {
        app: &request.app,
        settings: &request.settings,
        client: &request.client.client,
        grant: &grant,
        jkt: request.jkt(),
        now: request.now,
    };
    let claims = code
        .claims
        .as_deref()
        .and_then(|text| serde_json::from_str(text).ok());
    let subject = Subject {
        user: &redeemed.user.user,
        session: &redeemed.session,
        family: redeemed.family.as_ref(),
        auth_time: code.auth_time,
        amr: &code.amr,
        acr: code.acr.as_deref(),
        claims: claims.as_ref(),
    };
    let AccessToken { token, expires_in } =
        issuer.access_token(&subject, redeemed.held.as_deref(), &redeemed.jti)?;
    let extra = IdTokenExtra {
        nonce: code.nonce.as_deref(),
        access_token: Some(&token),
        code: None,
    };
    let id_token = if grant.has("openid") {
        Some(issuer.id_token(&subject, &extra)?)
    } else {
        None
    };
    let ring = request.app.ring();
    let family = redeemed.family.as_ref();
    let refresh_token = family.and_then(|f| refresh::current(f, &request.app.issuer, &ring));
    Ok(TokenResponse {
        access_token: token,
        token_type: request.token_type(),
        expires_in,
        refresh_token,
        id_token,
        scope: grant.scope,
    })
}
