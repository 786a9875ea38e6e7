//! Signing in at another identity provider, which is another Tenure.

use crate::upstream_world::{Pair, Served};
use crate::world::{START, World, claims, spa};
use http::StatusCode;
use tenure_protocol::Timestamp;
use tenure_protocol::session::EndReason;

#[tokio::test]
async fn a_person_signs_in_by_way_of_a_button() {
    let pair = Pair::start().await;
    let mut person = pair.person();
    let page = person.down.get(&spa(&[])).await;
    assert!(page.body.contains("Continue with Corp Ltd"), "{page:?}");
    let href = page.body.split("provider\" href=\"").nth(1).unwrap();
    let href = href.split('"').next().unwrap().replace("&#38;", "&");
    let sent = person.down.get(&href).await;
    assert_eq!(sent.status, StatusCode::FOUND, "{sent:?}");
    for (name, value) in [
        ("client_id", "down"),
        ("response_type", "code"),
        ("redirect_uri", "http://localhost:7100/login/callback"),
        ("scope", "openid profile email"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(sent.answered(name).as_deref(), Some(value));
    }
    let answer = person.through(&sent, "ada@example.com").await;
    let tokens = person
        .down
        .exchange("spa", "http://localhost:3000/cb", &answer.code())
        .await
        .json();
    let id_token = claims(tokens["id_token"].as_str().unwrap());
    // The address is verified on both sides, and its domain assigned: it is the account that was there.
    assert_eq!(id_token["sub"], "auth0|ada");
    assert_eq!(id_token["name"], "Ada Lovelace");
    assert_eq!(id_token["nonce"], "n-1");
    // The provider's session lasts 4 hours, ours 8: the earlier one counts, and is passed on.
    assert_eq!(id_token["session_expiry"], START + 4 * 3600);
    let session = pair.down.session(person.down.sid()).await;
    assert_eq!(session.amr(), ["federated"]);
    let four_hours = Timestamp::from_seconds(START + 4 * 3600);
    assert_eq!(session.upstream_deadline, Some(four_hours));
    assert_eq!(session.absolute_deadline, four_hours);
}

#[tokio::test]
async fn an_unknown_person_gets_an_account_and_keeps_it() {
    let pair = Pair::start().await;
    let mut person = pair.person();
    person.sign_in("new@corp.example").await.code();
    let first = pair.down.session(person.down.sid()).await;
    assert_eq!(
        first.user_id,
        "oidc|corp|auth0%7Cnew-up".replace("%7C", "|")
    );
}

#[tokio::test]
async fn what_nothing_proves_is_not_linked() {
    let pair = Pair::start().await;
    pair.down
        .apply("users:\n  - { user_id: eve, email: eve@example.com, email_verified: true, password: x }")
        .await;
    let mut person = pair.person();
    let page = person.sign_in("eve@example.com").await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED, "{page:?}");
    assert!(
        page.body
            .contains("Signing in with that provider did not work")
    );
    assert!(!person.down.has_session_cookie());
}

#[tokio::test]
async fn the_upstream_session_is_a_lane_of_the_graph() {
    let pair = Pair::start().await;
    let mut person = pair.person();
    person.sign_in("ada@example.com").await.code();
    let sid = person.down.sid();
    let rows = pair
        .down
        .app
        .store
        .read(move |tx| tx.upstream_sessions(&sid));
    let row = rows.await.unwrap().remove(0);
    assert_eq!(row.issuer, pair.up.issuer());
    assert_eq!(row.subject, "auth0|ada-up");
    assert_eq!(
        row.upstream_sid,
        Some(
            person
                .up
                .cookies
                .values()
                .find(|v| v.contains('.'))
                .unwrap()
                .split('.')
                .next()
                .unwrap()
                .to_owned()
        )
    );
    assert_eq!(row.auth_time, Some(Timestamp::from_seconds(START)));
    // Its tokens are there, and not in the clear.
    let sealed = row.sealed.unwrap();
    assert!(!String::from_utf8_lossy(&sealed).contains("eyJ"));
}

#[tokio::test]
async fn the_session_ends_when_the_provider_says_so() {
    let pair = Pair::start().await;
    let mut person = pair.person();
    person.sign_in("ada@example.com").await.code();
    let sid = person.down.sid();
    for _ in 0..4 {
        pair.down.clock.advance(3599);
        let silent = person.down.get(&crate::world::silent(&[])).await;
        assert!(silent.body.contains("\"code\""), "{silent:?}");
    }
    pair.down.clock.advance(5);
    let silent = person.down.get(&crate::world::silent(&[])).await;
    assert!(silent.body.contains("login_required"), "{silent:?}");
    let end = pair.down.session(sid).await.end.unwrap();
    assert_eq!(end.reason, EndReason::UpstreamExpired);
    assert_eq!(end.rule, "upstream_session_expiry");
    assert_eq!(end.at, Timestamp::from_seconds(START + 4 * 3600));
}

#[tokio::test]
async fn zitadel_an_answer_counts_once_and_only_in_its_own_browser() {
    let pair = Pair::start().await;
    let mut person = pair.person();
    let sent = person.sent(&[]).await;
    let path = pair.up.path(sent.location()).to_owned();
    let page = person.up.get(&path).await;
    let back = person
        .up
        .submit_login(&page, "ada@example.com", "correct horse")
        .await;
    let back = back.location().to_owned();
    // CVE-2025-46815, and login CSRF: a stranger's answer signs nobody in.
    let mut stranger = pair.down.browser();
    let page = stranger.get(&back).await;
    assert!(!stranger.has_session_cookie(), "{page:?}");
    stranger.get(&spa(&[])).await;
    stranger.get(&back).await;
    assert!(!stranger.has_session_cookie());
    person.down.get(&back).await.code();
    let first = person.down.cookies.clone();
    let again = person.down.get(&back).await;
    assert_eq!(again.status, StatusCode::UNAUTHORIZED, "{again:?}");
    assert_eq!(person.down.cookies, first);
}

#[tokio::test]
async fn a_connection_that_is_not_there_is_an_error_of_the_application() {
    let pair = Pair::with("    enabled_clients: [Forum]\n").await;
    let mut browser = pair.down.browser();
    for (name, description) in [
        ("nobody", "the connection was not found"),
        ("corp", "the connection is not enabled for the client"),
    ] {
        let answer = browser.get(&spa(&[("connection", name)])).await;
        assert_eq!(answer.answered("error").as_deref(), Some("invalid_request"));
        assert_eq!(
            answer.answered("error_description").as_deref(),
            Some(description)
        );
    }
    let page = browser
        .get(&spa(&[("connection", "Username-Password-Authentication")]))
        .await;
    assert!(page.body.contains("name=\"password\""), "{page:?}");
    assert!(!page.body.contains("Corp Ltd"), "{page:?}");
}

#[tokio::test]
async fn a_provider_that_does_not_answer_is_said_to_be_away() {
    let up = Served::start(crate::upstream_world::PROVIDER).await;
    let tenant = crate::upstream_world::tenant_with(&up, "");
    drop(up);
    let down = World::with(&tenant).await;
    let mut browser = down.browser();
    let page = browser.get(&spa(&[("connection", "corp")])).await;
    assert_eq!(page.status, StatusCode::BAD_GATEWAY);
    assert!(
        page.body.contains("does not answer at the moment"),
        "{page:?}"
    );
    // The other way to sign in is there.
    let answer = browser
        .submit_login(&page, "ada@example.com", crate::world::PASSWORD)
        .await;
    answer.code();
}
