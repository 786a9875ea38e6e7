//! What an attacker, or a back button, makes of the way there and back.

use crate::upstream_told::{EVENT, tell};
use crate::upstream_world::{PROVIDER, Pair, Served};
use crate::world::{form, spa};
use http::StatusCode;
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};
use tenure::crypto::jwt::TokenKind;
use tenure_protocol::model::SigningAlg;

/// The back button opens the way back once more. A provider that is shown a code twice may revoke what it
/// gave for it (RFC 6749 section 4.1.2), and with it what people are confirmed by.
#[tokio::test]
async fn a_way_back_that_is_opened_again_shows_no_code_twice() {
    static REDEEMED: AtomicUsize = AtomicUsize::new(0);
    let counting = Served::altered(PROVIDER, |path, _| {
        let counts = usize::from(path == "/oauth/token");
        REDEEMED.fetch_add(counts, Ordering::SeqCst);
    });
    let pair = Pair::below(counting.await, "").await;
    let mut person = pair.person();
    let sent = person.sent(&[]).await;
    let page = person.up.get(pair.up.path(sent.location())).await;
    let back = person
        .up
        .submit_login(&page, "ada@example.com", "correct horse")
        .await;
    let location = back.location().to_owned();
    person.come_back(&location).await.code();
    let session = pair.down.session(person.down.sid()).await;
    for _ in 0..2 {
        let again = person.down.get(&location).await;
        assert_eq!(again.status, StatusCode::UNAUTHORIZED, "{again:?}");
    }
    assert_eq!(REDEEMED.load(Ordering::SeqCst), 1);
    assert_eq!(pair.down.session(person.down.sid()).await, session);
}

/// RFC 9207 section 2.4: an error that names another issuer is not this provider's.
#[tokio::test]
async fn an_error_of_another_issuer_is_not_the_providers() {
    let pair = Pair::with("    upstream: { confirm_after_minutes: 10 }\n").await;
    let mut person = pair.person();
    person.sign_in("ada@example.com").await.code();
    let sid = person.down.sid();
    pair.advance(660);
    // Another's, none although it promises one, and then its own.
    for (issuer, over) in [
        (Some("https://evil.example/".to_owned()), false),
        (None, false),
        (Some(pair.up.issuer()), true),
    ] {
        let sent = person.down.get(&spa(&[])).await;
        assert_eq!(sent.answered("prompt").as_deref(), Some("none"));
        let state = sent.answered("state").unwrap();
        let mut pairs = vec![("state", state.as_str()), ("error", "login_required")];
        pairs.extend(issuer.as_deref().map(|issuer| ("iss", issuer)));
        let path = format!("/login/callback?{}", form(&pairs));
        person.come_back(&path).await;
        let end = pair.down.session(sid).await.end;
        assert_eq!(end.is_some(), over, "{issuer:?} {end:?}");
    }
}

/// U+212A, the sign for Kelvin, becomes a k where letters are made small: it is another address.
#[tokio::test]
async fn an_address_that_only_looks_the_same_in_small_letters_links_nothing() {
    let provider = format!(
        "{PROVIDER}  - {{ user_id: kelvin, username: kelvin, email: \"\u{212a}ate@example.com\", email_verified: true, password: correct horse }}\n"
    );
    let pair = Pair::of(&provider, "").await;
    pair.down
        .apply("users:\n  - { user_id: kate, email: kate@example.com, email_verified: true, password: x }")
        .await;
    let mut person = pair.person();
    let page = person.sign_in("\u{212a}ate@example.com").await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED, "{page:?}");
    assert!(!person.down.has_session_cookie());
}

/// The provider says of a person, and not of a session, that they are signed out: an answer that it gave
/// before is over as well, also if it is still on the way.
#[tokio::test]
async fn a_login_from_before_the_person_was_signed_out_starts_nothing() {
    let pair = Pair::start().await;
    let ring = pair.up.world.app.ring();
    let now = pair.down.clock.now().seconds();
    // Seconds from the word to the ID token; at last an older word, which comes late and unsays nothing.
    for (later, starts) in [(30, true), (1, true), (0, false), (-30, false), (1, false)] {
        let mut person = pair.person();
        let sent = person.sent(&[]).await;
        let page = person.up.get(pair.up.path(sent.location())).await;
        let user = "new@corp.example";
        let back = person.up.submit_login(&page, user, "correct horse").await;
        let body = json!({
            "iss": pair.up.issuer(), "aud": "down", "iat": now - later, "exp": now + 120,
            "jti": pair.down.app.entropy.token(9), "sub": "auth0|new-up", "events": { EVENT: {} },
        });
        let token = ring
            .sign(SigningAlg::RS256, TokenKind::Logout, &body)
            .unwrap();
        assert_eq!(tell(&pair.down, &token).await.status, StatusCode::OK);
        let location = back.location().to_owned();
        let page = person.come_back(&location).await;
        assert_eq!(person.down.has_session_cookie(), starts, "{later} {page:?}");
    }
}
