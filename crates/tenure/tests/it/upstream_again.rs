//! Logging out visibly works: whoever signed out is not signed in again without a word.

use crate::upstream_told::upstream_of;
use crate::upstream_world::{PROVIDER, Pair, Person, Served};
use crate::world::{form, silent};
use http::{Method, StatusCode};
use tenure_protocol::session::{End, EndReason};

const RETURN: &str = "/v2/logout?client_id=spa&returnTo=http%3A%2F%2Flocalhost%3A3000";

/// What the provider is asked, and whether it asks the person in turn.
async fn asked(person: &mut Person<'_>) -> (Option<String>, bool) {
    let sent = person.sent(&[]).await;
    let path = person.pair.up.path(sent.location()).to_owned();
    let page = person.up.get(&path).await;
    (sent.answered("prompt"), page.status == StatusCode::OK)
}

#[tokio::test]
async fn after_a_logout_the_provider_asks_once_although_its_session_is_alive() {
    let pair = Pair::start().await;
    let mut person = pair.person();
    person.sign_in("ada@example.com").await.code();
    person.down.get(RETURN).await;
    // In silence nobody comes in, whatever the provider would say.
    for extra in [&[][..], &[("connection", "corp")]] {
        let (answer, _) = person.down.get(&silent(extra)).await.message();
        assert_eq!(answer["error"], "login_required");
    }
    let select = Some("select_account".to_owned());
    assert_eq!(asked(&mut person).await, (select.clone(), true));
    // Whoever turns back has not been asked yet.
    assert_eq!(asked(&mut person).await, (select, true));
    person.sign_in("ada@example.com").await.code();
    // Now they were: single sign-on is as silent as ever.
    for world in [&pair.down, &pair.up.world] {
        world.clock.advance(3_000);
        person.down.get(&silent(&[])).await;
    }
    pair.down.clock.advance(3_700);
    assert_eq!(asked(&mut person).await, (None, false));
}

/// The button of the login page leads by the same way.
#[tokio::test]
async fn after_a_logout_the_button_asks_as_well() {
    let pair = Pair::start().await;
    let mut person = pair.person();
    person.sign_in("ada@example.com").await.code();
    person.down.get(RETURN).await;
    let page = person.down.get(&crate::world::spa(&[])).await;
    let href = page.body.split("provider\" href=\"").nth(1).unwrap();
    let href = href.split('"').next().unwrap().replace("&#38;", "&");
    let sent = person.down.get(&href).await;
    assert_eq!(sent.answered("prompt").as_deref(), Some("select_account"));
}

/// Where somebody else ended the session, this browser has only its old cookie.
#[tokio::test]
async fn a_session_that_somebody_ended_is_not_renewed_in_silence_and_one_that_time_ended_is() {
    for (reason, asks) in [
        (Some(EndReason::AdminRevoked), true),
        (Some(EndReason::UserLogout), true),
        (None, false),
    ] {
        let pair = Pair::start().await;
        let mut person = pair.person();
        person.sign_in("ada@example.com").await.code();
        let sid = person.down.sid();
        match reason {
            None => pair.down.clock.advance(3_700),
            Some(reason) => {
                let end = End {
                    at: pair.down.clock.now(),
                    reason,
                    by: "an administrator".to_owned(),
                    from: String::new(),
                    rule: "logout".to_owned(),
                };
                let ended = pair.down.session(sid).await.ended(end);
                let write = pair.down.app.store.write(move |tx| {
                    let entry = tenure::tenant_log::Entry::new("session_revoked");
                    let entry = entry.row(ended.end.as_ref().unwrap().at, "tail");
                    tx.end_session(&ended, &[], &entry)
                });
                write.await.unwrap();
            }
        }
        let expected = asks.then(|| "select_account".to_owned());
        assert_eq!(asked(&mut person).await, (expected, asks), "{reason:?}");
    }
}

#[tokio::test]
async fn a_provider_that_knows_no_select_account_is_asked_for_a_login() {
    let meek = Served::altered(PROVIDER, |path, json| {
        if path == "/.well-known/openid-configuration" {
            json["prompt_values_supported"] = serde_json::json!(["none", "login", "consent"]);
        }
    });
    let pair = Pair::below(meek.await, "").await;
    let mut person = pair.person();
    person.sign_in("ada@example.com").await.code();
    person.down.get(RETURN).await;
    let login = Some("login".to_owned());
    assert_eq!(asked(&mut person).await, (login, true));
}

/// An application's own landing page can still offer what ours does.
#[tokio::test]
async fn a_federated_logout_is_possible_after_the_session_has_ended() {
    let pair = Pair::start().await;
    let mut person = pair.person();
    person.sign_in("ada@example.com").await.code();
    let sid = person.down.sid();
    let left = person.down.get(RETURN).await;
    assert_eq!(left.location(), "http://localhost:3000");
    // The application's own page leads here, as it does with Auth0's SDKs.
    let page = [("referer", "http://localhost:3000/account")];
    let path = format!("{RETURN}&federated");
    let away = person.down.request(Method::GET, &path, &[], &page).await;
    let back = person.up.get(pair.up.path(away.location())).await;
    person.down.get(back.location()).await;
    assert!(upstream_of(&pair.down, sid).await.ended_at.is_some());
    // Nothing is left to be ended.
    let again = person.down.get(&format!("{RETURN}&federated")).await;
    assert_eq!(again.location(), "http://localhost:3000");
}

/// `/oidc/logout` needs proof for that, or the person's word.
#[tokio::test]
async fn a_link_alone_ends_nothing_at_the_provider() {
    let pair = Pair::start().await;
    for (proven, landed) in [(false, StatusCode::OK), (true, StatusCode::FOUND)] {
        let mut person = pair.person();
        person.sign_in("ada@example.com").await.code();
        let sid = person.down.sid().to_string();
        person.down.get(RETURN).await;
        let mut request = "/oidc/logout?client_id=spa&federated".to_owned();
        if proven {
            request.push_str(&format!("&logout_hint={sid}"));
        }
        let page = person.down.get(&request).await;
        assert_eq!(page.status, landed, "{page:?}");
        assert_eq!(page.body.contains("Sign out of Corp Ltd as well"), !proven);
        assert_eq!(page.location().starts_with(&pair.up.base), proven);
    }
}

/// The mark is sealed: made up or taken from elsewhere, it does nothing.
#[tokio::test]
async fn a_mark_that_is_not_ours_counts_for_nothing() {
    let pair = Pair::start().await;
    let mut person = pair.person();
    for forged in ["x", "eyJzaWQiOiJ4In0", ""] {
        let cookie = ("tenure-left_7100".to_owned(), forged.to_owned());
        person.down.cookies.extend([cookie]);
        let sent = person.sent(&[]).await;
        assert_eq!(sent.answered("prompt"), None);
        let page = person.down.get("/v2/logout").await;
        assert!(!page.body.contains("Corp"), "{page:?}");
        let federated = format!("/v2/logout?{}", form(&[("federated", "")]));
        let page = person.down.get(&federated).await;
        assert_eq!(page.status, StatusCode::OK, "{page:?}");
    }
}
