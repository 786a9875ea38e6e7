//! A foreign judge: the `openidconnect` crate, through discovery, the code flow, userinfo, refresh,
//! introspection, revocation and logout. It knows nothing of us but the discovery document.

use crate::world::{BASE, ISSUER, PASSWORD, World};
use axum::body::Body;
use http::StatusCode;
use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreGenderClaim, CoreProviderMetadata, CoreTokenType,
};
use openidconnect::{
    AccessTokenHash, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EmptyAdditionalClaims,
    HttpRequest, HttpResponse, IntrospectionUrl, IssuerUrl, LogoutRequest, Nonce,
    OAuth2TokenResponse as _, PkceCodeChallenge, PkceCodeVerifier, PostLogoutRedirectUrl,
    ProviderMetadataWithLogout, RedirectUrl, RevocationUrl, Scope, TokenIntrospectionResponse as _,
    TokenResponse as _, UserInfoClaims,
};
use std::convert::Infallible;
use tenure_protocol::Timestamp;

/// Requests of the library, answered by the application itself.
async fn ask(world: &World, request: HttpRequest) -> Result<HttpResponse, Infallible> {
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().unwrap().as_str();
    parts.uri = path.parse().unwrap();
    let answer = world
        .send(http::Request::from_parts(parts, Body::from(body)))
        .await;
    let mut response = HttpResponse::new(answer.body.into_bytes());
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    Ok(response)
}

/// The library's checks of instants go by the application's clock.
fn date(at: Timestamp) -> chrono::DateTime<chrono::Utc> {
    chrono::DateTime::from_timestamp(at.seconds(), 0).unwrap()
}

#[tokio::test]
async fn the_openidconnect_crate_goes_through_the_whole_life_of_a_sign_in() {
    let world = World::new().await;
    let http = |request: HttpRequest| ask(&world, request);
    let issuer = IssuerUrl::new(ISSUER.to_owned()).unwrap();
    let metadata = CoreProviderMetadata::discover_async(issuer.clone(), &http)
        .await
        .unwrap();
    let with_logout = ProviderMetadataWithLogout::discover_async(issuer, &http)
        .await
        .unwrap();
    let client = CoreClient::from_provider_metadata(
        metadata,
        ClientId::new("web".to_owned()),
        Some(ClientSecret::new("s3cr-et~1 x".to_owned())),
    )
    .set_redirect_uri(RedirectUrl::new("http://localhost:3001/callback".to_owned()).unwrap())
    .set_introspection_url(IntrospectionUrl::new(format!("{BASE}/oauth/introspect")).unwrap());

    // The browser's part.
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (url, state, nonce) = client
        .authorize_url(
            CoreAuthenticationFlow::AuthorizationCode,
            CsrfToken::new_random,
            Nonce::new_random,
        )
        .add_scope(Scope::new("profile".to_owned()))
        .add_scope(Scope::new("email".to_owned()))
        .add_scope(Scope::new("offline_access".to_owned()))
        .set_pkce_challenge(challenge)
        .url();
    let mut browser = world.browser();
    let page = browser.get(url.as_str()).await;
    let answer = browser
        .submit_login(&page, "ada@example.com", PASSWORD)
        .await;
    assert_eq!(
        answer.answered("state").as_deref(),
        Some(state.secret().as_str())
    );

    let exchange = |code: String, verifier: &PkceCodeVerifier| {
        client
            .exchange_code(AuthorizationCode::new(code))
            .unwrap()
            .set_pkce_verifier(PkceCodeVerifier::new(verifier.secret().clone()))
    };
    let code = answer.code();
    let tokens = exchange(code.clone(), &verifier)
        .request_async(&http)
        .await
        .unwrap();
    assert_eq!(tokens.token_type(), &CoreTokenType::Bearer);

    // The library verifies signature, issuer, audience, nonce and expiry.
    let now = date(world.clock.now());
    let checker = client.id_token_verifier().set_time_fn(move || now);
    let id_token = tokens.id_token().unwrap();
    let claims = id_token.claims(&checker, &nonce).unwrap();
    assert_eq!(claims.subject().as_str(), "auth0|ada");
    assert_eq!(claims.email().unwrap().as_str(), "Ada@example.com");
    let hash = AccessTokenHash::from_token(
        tokens.access_token(),
        id_token.signing_alg().unwrap(),
        id_token.signing_key(&checker).unwrap(),
    );
    assert_eq!(claims.access_token_hash(), Some(&hash.unwrap()));

    let info: UserInfoClaims<EmptyAdditionalClaims, CoreGenderClaim> = client
        .user_info(
            tokens.access_token().clone(),
            Some(claims.subject().clone()),
        )
        .unwrap()
        .request_async(&http)
        .await
        .unwrap();
    assert_eq!(info.subject(), claims.subject());

    // A refreshed ID token carries no nonce.
    let refreshed = client
        .exchange_refresh_token(tokens.refresh_token().unwrap())
        .unwrap()
        .request_async(&http)
        .await
        .unwrap();
    let again = refreshed.id_token().unwrap();
    let again = again
        .claims(&checker, |nonce: Option<&Nonce>| {
            nonce.map_or(Ok(()), |_| Err("a nonce".to_owned()))
        })
        .unwrap();
    assert_eq!(again.subject(), claims.subject());
    assert_eq!(again.auth_time(), claims.auth_time());

    let active = client
        .introspect(refreshed.access_token())
        .request_async(&http)
        .await
        .unwrap();
    assert!(active.active());

    // A code works once, and its second use is told apart from broken machinery.
    let replayed = exchange(code, &verifier).request_async(&http).await;
    assert!(format!("{:?}", replayed.unwrap_err()).contains("invalid_grant"));
    let revoked = client
        .introspect(refreshed.access_token())
        .request_async(&http)
        .await
        .unwrap();
    assert!(
        !revoked.active(),
        "a replay revokes what the first use gave"
    );

    let logout = with_logout
        .additional_metadata()
        .end_session_endpoint
        .clone()
        .unwrap();
    let logout = LogoutRequest::from(logout)
        .set_id_token_hint(id_token)
        .set_post_logout_redirect_uri(
            PostLogoutRedirectUrl::new("http://localhost:3001/bye?x=1".to_owned()).unwrap(),
        )
        .set_state(CsrfToken::new("out".to_owned()))
        .http_get_url();
    let gone = browser.get(logout.as_str()).await;
    assert_eq!(gone.status, StatusCode::FOUND);
    assert_eq!(gone.location(), "http://localhost:3001/bye?x=1&state=out");
    assert!(!browser.has_session_cookie());
}

#[tokio::test]
async fn the_openidconnect_crate_hears_that_a_refresh_token_was_revoked() {
    let world = World::new().await;
    let http = |request: HttpRequest| ask(&world, request);
    let metadata =
        CoreProviderMetadata::discover_async(IssuerUrl::new(ISSUER.to_owned()).unwrap(), &http)
            .await
            .unwrap();
    // A public client: no secret, `client_id` in the body. The library revokes over https only.
    let revocation = format!("{}/oauth/revoke", BASE.replace("http:", "https:"));
    let client =
        CoreClient::from_provider_metadata(metadata, ClientId::new("spa".to_owned()), None)
            .set_revocation_url(RevocationUrl::new(revocation).unwrap());
    let mut browser = world.browser();
    let tokens = browser.tokens(&crate::world::OFFLINE).await;
    let token = openidconnect::RefreshToken::new(tokens["refresh_token"].as_str().unwrap().into());
    client
        .revoke_token((&token).into())
        .unwrap()
        .request_async(&http)
        .await
        .unwrap();
    let refused = client
        .exchange_refresh_token(&token)
        .unwrap()
        .request_async(&http)
        .await;
    assert!(format!("{:?}", refused.unwrap_err()).contains("invalid_grant"));
}
