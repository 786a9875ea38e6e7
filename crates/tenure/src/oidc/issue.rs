//! Making tokens from what a transaction committed (OpenID Connect Core 2, RFC 9068). Nothing here
//! touches the database: signing happens after the commit and under no lock.

use super::authorize::{Context, Issued};
use super::claims::{self, Place};
use crate::app::App;
use crate::crypto::jwt::{TokenKind, half_hash};
use crate::settings::Settings;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use tenure_protocol::Timestamp;
use tenure_protocol::model::{Api, Client, User};
use tenure_protocol::refresh::{Family, FamilyKind};
use tenure_protocol::session::Session;
use tenure_protocol::tokens;
use tenure_store::{StoreError, Tx};

/// What was granted: space-separated scope, and the API if one was asked for.
#[derive(Clone, Debug, Default)]
pub struct Grant {
    pub scope: String,
    pub audience: Option<String>,
}

impl Grant {
    pub fn has(&self, name: &str) -> bool {
        self.scope.split(' ').any(|scope| scope == name)
    }
}

/// Whom tokens are about, and what they hang on.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub user: &'a User,
    pub session: &'a Session,
    pub family: Option<&'a Family>,
    pub auth_time: Timestamp,
    pub amr: &'a [String],
    pub acr: Option<&'a str>,
    /// The request's `claims` parameter.
    pub claims: Option<&'a Value>,
}

/// The parts of a request that tokens are made for.
#[derive(Clone, Copy, Debug)]
pub struct Issuer<'a> {
    pub app: &'a App,
    pub settings: &'a Settings,
    pub client: &'a Client,
    pub grant: &'a Grant,
    /// The thumbprint of the key that access tokens are bound to (RFC 9449 section 6.1).
    pub jkt: Option<&'a str>,
    pub now: Timestamp,
}

/// The audience of access tokens for Tenure's own endpoints.
pub fn userinfo_audience(app: &App) -> String {
    format!("{}userinfo", app.issuer)
}

/// The API a request is for: the one it names, else the tenant's default; the userinfo endpoint is no API.
pub fn resolve_audience(asked: Option<&str>, settings: &Settings) -> Option<String> {
    let named = asked.or(settings.tenant.default_audience.as_deref())?;
    settings.api(named).map(|api| api.identifier.clone())
}

/// The permissions that a user holds at an API that enforces policies; `None`: it does not.
pub fn held_permissions(
    tx: &Tx<'_>,
    user_id: &str,
    api: Option<&Api>,
) -> Result<Option<Vec<String>>, StoreError> {
    match api {
        Some(api) if api.enforce_policies => {
            tx.user_permissions(user_id, &api.identifier).map(Some)
        }
        _ => Ok(None),
    }
}

/// A signed access token and how long it lasts, in seconds.
#[derive(Debug)]
pub struct AccessToken {
    pub token: String,
    pub expires_in: i64,
}

impl Issuer<'_> {
    fn api(&self) -> Option<&Arc<Api>> {
        self.grant
            .audience
            .as_deref()
            .and_then(|audience| self.settings.machine_api(audience))
    }

    /// An access token for a user (RFC 9068 section 2.2). `jti` was committed with what it belongs to.
    pub fn access_token(
        &self,
        subject: &Subject<'_>,
        permissions: Option<&[String]>,
        jti: &str,
    ) -> anyhow::Result<AccessToken> {
        let api = self.api();
        let expiry = tokens::access_token_expiry(
            api.map(AsRef::as_ref),
            self.client,
            Some(subject.session),
            subject.family,
            self.now,
        );
        let userinfo = userinfo_audience(self.app);
        let audience = match api {
            None => json!(userinfo),
            Some(api) if self.grant.has("openid") => json!([api.identifier, userinfo]),
            Some(api) => json!(api.identifier),
        };
        let mut claims = Map::new();
        claims::add_custom(&mut claims, &self.client.custom_claims);
        if let Some(api) = api {
            claims::add_custom(&mut claims, &api.custom_claims);
        }
        let mut put = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        put("sub", subject.user.user_id.clone().into());
        put("aud", audience);
        put("sid", subject.session.sid.to_string().into());
        put("auth_time", subject.auth_time.seconds().into());
        if !subject.amr.is_empty() {
            put("amr", subject.amr.into());
        }
        if let Some(acr) = subject.acr {
            put("acr", acr.into());
        }
        if let Some(family) = subject.family.filter(|f| f.kind == FamilyKind::Offline) {
            // The thing this token hangs on, which outlives the session.
            put("fid", family.family_id.to_string().into());
        }
        let asked = self.asked(subject, Place::Userinfo);
        if self.grant.has("openid") && !asked.is_empty() {
            // Names alone: the userinfo endpoint sees nothing of the request but this token.
            put("userinfo_claims", asked.into());
        }
        self.finish_access_token(claims, api, permissions, jti, expiry)
    }

    /// An access token for a machine (RFC 6749 section 4.4): `sub` is the client's own.
    pub fn machine_token(&self, permissions: Option<&[String]>) -> anyhow::Result<AccessToken> {
        let api = self.api();
        let expiry =
            tokens::access_token_expiry(api.map(AsRef::as_ref), self.client, None, None, self.now);
        let mut claims = Map::new();
        claims::add_custom(&mut claims, &self.client.custom_claims);
        if let Some(api) = api {
            claims::add_custom(&mut claims, &api.custom_claims);
        }
        claims.insert(
            "sub".to_owned(),
            format!("{}@clients", self.client.client_id).into(),
        );
        claims.insert(
            "aud".to_owned(),
            self.grant.audience.clone().unwrap_or_default().into(),
        );
        claims.insert("gty".to_owned(), "client-credentials".into());
        self.finish_access_token(
            claims,
            api,
            permissions,
            &self.app.entropy.token(12),
            expiry,
        )
    }

    fn finish_access_token(
        &self,
        mut claims: Map<String, Value>,
        api: Option<&Arc<Api>>,
        permissions: Option<&[String]>,
        jti: &str,
        expiry: Timestamp,
    ) -> anyhow::Result<AccessToken> {
        let dialect = api.map(|api| api.token_dialect).unwrap_or_default();
        let client_claim = if dialect.is_rfc9068() {
            "client_id"
        } else {
            "azp"
        };
        let mut put = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        put("iss", self.app.issuer.clone().into());
        put(client_claim, self.client.client_id.clone().into());
        put("iat", self.now.seconds().into());
        put("exp", expiry.seconds().into());
        put("jti", jti.into());
        if !self.grant.scope.is_empty() {
            put("scope", self.grant.scope.clone().into());
        }
        if let Some(jkt) = self.jkt {
            put("cnf", json!({ "jkt": jkt }));
        }
        if dialect.has_permissions() {
            put("permissions", permissions.unwrap_or_default().into());
        }
        let alg = api.map(|api| api.signing_alg).unwrap_or_default();
        let token = self.app.ring().sign(alg, TokenKind::Access, &claims)?;
        Ok(AccessToken {
            token,
            expires_in: expiry.seconds() - self.now.seconds(),
        })
    }

    /// The claims that the request asks for by name. A third-party client gets what the person
    /// consented to, which is by scope, and nothing beyond.
    fn asked(&self, subject: &Subject<'_>, place: Place) -> Vec<&'static str> {
        let claims = subject.claims.filter(|_| self.client.is_first_party);
        claims.map_or_else(Vec::new, |claims| claims::asked(claims, place))
    }

    /// An ID token (Core 2). Refreshed ones carry no nonce; `auth_time` and `sid` always stay the login's.
    pub fn id_token(
        &self,
        subject: &Subject<'_>,
        extra: &IdTokenExtra<'_>,
    ) -> anyhow::Result<String> {
        let alg = self.client.jwt_configuration.alg;
        let expiry =
            tokens::id_token_expiry(self.client, subject.session, subject.family, self.now);
        let asked = self.asked(subject, Place::IdToken);
        let mut claims = claims::of_user(subject.user, &self.grant.scope, &asked);
        claims::add_custom(&mut claims, &self.client.custom_claims);
        let mut put = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        put("iss", self.app.issuer.clone().into());
        put("sub", subject.user.user_id.clone().into());
        put("aud", self.client.client_id.clone().into());
        put("iat", self.now.seconds().into());
        put("exp", expiry.seconds().into());
        put("auth_time", subject.auth_time.seconds().into());
        put("sid", subject.session.sid.to_string().into());
        if !subject.amr.is_empty() {
            put("amr", subject.amr.into());
        }
        if let Some(acr) = subject.acr {
            put("acr", acr.into());
        }
        // So that an application can say, at its own logout, that the sign-in there may go on.
        let named = subject.session.connection();
        if let Some(connection) = named.filter(|_| self.client.connection_claim) {
            put("connection", connection.into());
        }
        let expiry_claim = self.client.session_expiry;
        if let Some(at) =
            tokens::session_expiry(expiry_claim, subject.session, subject.family, self.now)
        {
            put("session_expiry", at.into());
        }
        if let Some(nonce) = extra.nonce {
            put("nonce", nonce.into());
        }
        if let Some(token) = extra.access_token {
            put("at_hash", half_hash(alg, token).into());
        }
        if let Some(code) = extra.code {
            put("c_hash", half_hash(alg, code).into());
        }
        self.app.ring().sign(alg, TokenKind::Id, &claims)
    }
}

/// What an ID token says besides its subject.
#[derive(Clone, Copy, Debug, Default)]
pub struct IdTokenExtra<'a> {
    pub nonce: Option<&'a str>,
    pub access_token: Option<&'a str>,
    pub code: Option<&'a str>,
}

/// The ID token of an authorization response (Core 3.2.2.10, 3.3.2.11).
pub fn front_channel_id_token(context: &Context, issued: &Issued) -> anyhow::Result<String> {
    let amr = issued.session.amr();
    let acr = issued.session.acr();
    let subject = Subject {
        user: &issued.user.user,
        session: &issued.session,
        family: None,
        auth_time: issued.session.authenticated_at,
        amr: &amr,
        acr: acr.as_deref(),
        claims: context.request.claims.as_ref(),
    };
    let issuer = Issuer {
        app: &context.app,
        settings: &context.settings,
        client: &context.client.client,
        grant: &issued.grant,
        jkt: None,
        now: context.now,
    };
    let extra = IdTokenExtra {
        nonce: context.request.nonce.as_deref(),
        code: issued.code.as_deref(),
        access_token: None,
    };
    issuer.id_token(&subject, &extra)
}
