//! Signing out at the provider as well: row E3, and what the landing page says.

use crate::upstream_told::upstream_of;
use crate::upstream_world::{PROVIDER, Pair, Person, Served};
use crate::world::{Answer, form, silent, spa};
use http::{Method, StatusCode};
use tenure_protocol::Sid;

const V2: &str = "/v2/logout?client_id=spa&returnTo=http%3A%2F%2Flocalhost%3A3000";

async fn signed_in(pair: &Pair) -> (Person<'_>, Sid) {
    let mut person = pair.person();
    person.sign_in("ada@example.com").await.code();
    let sid = person.down.sid();
    (person, sid)
}

/// Whether the provider lets the person in without asking.
async fn is_signed_in_there(person: &mut Person<'_>) -> bool {
    let sent = person.sent(&[]).await;
    let path = person.pair.up.path(sent.location()).to_owned();
    person.up.get(&path).await.status == StatusCode::FOUND
}

/// Where a page goes by itself.
fn goes_on(page: &Answer) -> String {
    assert_eq!(page.status, StatusCode::OK, "{page:?}");
    let rest = page.body.split_once("content=\"0;url=").unwrap().1;
    rest.split('"').next().unwrap().replace("&#38;", "&")
}

#[tokio::test]
async fn e3_a_federated_logout_ends_the_session_here_then_there_and_returns() {
    let pair = Pair::start().await;
    let (mut person, sid) = signed_in(&pair).await;
    let away = person.down.get(&format!("{V2}&federated")).await;
    assert_eq!(away.status, StatusCode::FOUND, "{away:?}");
    assert!(!person.down.has_session_cookie());
    // Ours is over before the person leaves.
    let end = pair.down.session(sid).await.end.unwrap();
    assert_eq!(end.reason.name(), "user_logout");
    assert!(upstream_of(&pair.down, sid).await.ended_at.is_none());
    let path = pair.up.path(away.location()).to_owned();
    assert!(path.starts_with("/oidc/logout?id_token_hint=ey"), "{path}");
    assert_eq!(away.answered("client_id").as_deref(), Some("down"));
    let back = person.up.get(&path).await;
    assert_eq!(
        back.status,
        StatusCode::FOUND,
        "the hint is proof: {back:?}"
    );
    let back = back.location().to_owned();
    assert!(
        back.starts_with("http://localhost:7100/logout/callback?state="),
        "{back}"
    );
    // Another browser, or another state, leads nowhere and uses nothing up.
    let mut stranger = pair.down.browser();
    for wrong in [
        back.clone(),
        back.replace("state=", "state=x"),
        back.replace("state=", "x="),
    ] {
        let page = stranger.get(&wrong).await;
        assert!(page.body.contains("You are signed out"), "{page:?}");
        assert!(!page.body.contains("localhost:3000"), "{page:?}");
    }
    let home = person.down.get(&back).await;
    assert_eq!(goes_on(&home), "http://localhost:3000");
    assert_eq!(
        upstream_of(&pair.down, sid).await.ended_by.as_deref(),
        Some("logout")
    );
    let again = person.down.get(&back).await;
    assert!(!again.body.contains("localhost:3000"), "once: {again:?}");
    assert!(!is_signed_in_there(&mut person).await);
}

#[tokio::test]
async fn e3_the_state_of_the_way_back_lasts_an_hour() {
    let pair = Pair::start().await;
    let (mut person, _) = signed_in(&pair).await;
    let away = person.down.get(&format!("{V2}&federated=")).await;
    let back = person.up.get(pair.up.path(away.location())).await;
    pair.down.clock.advance(3_600);
    let page = person.down.get(back.location()).await;
    assert!(!page.body.contains("localhost:3000"), "{page:?}");
}

/// `/oidc/logout`: the client's own state comes back to it, by a form just as by an address.
#[tokio::test]
async fn e3_the_same_by_the_standard_endpoint() {
    let pair = Pair::start().await;
    for posted in [false, true] {
        let mut person = pair.person();
        let code = person.sign_in("ada@example.com").await.code();
        let tokens = person
            .down
            .exchange("spa", "http://localhost:3000/cb", &code)
            .await
            .json();
        let fields = [
            ("id_token_hint", tokens["id_token"].as_str().unwrap()),
            ("post_logout_redirect_uri", "http://localhost:3000"),
            ("state", "app state"),
            ("federated", "true"),
        ];
        let away = if posted {
            let page = person.down.post("/oidc/logout", &fields).await;
            // No redirect: the page with the form need not allow the provider (decision 102).
            goes_on(&page)
        } else {
            let path = format!("/oidc/logout?{}", form(&fields));
            person.down.get(&path).await.location().to_owned()
        };
        let back = person.up.get(pair.up.path(&away)).await;
        let home = person.down.get(back.location()).await;
        assert_eq!(goes_on(&home), "http://localhost:3000/?state=app+state");
    }
    // In a form the value counts.
    let (mut person, _) = signed_in(&pair).await;
    let hint = ("logout_hint", &*person.down.sid().to_string());
    let client = ("client_id", "spa");
    let answer = person
        .down
        .post("/oidc/logout", &[hint, client, ("federated", "false")])
        .await;
    assert_eq!(answer.location(), "http://localhost:3000");
}

#[tokio::test]
async fn e3_a_person_who_is_asked_first_goes_on_to_the_provider() {
    let pair = Pair::start().await;
    let (mut person, _) = signed_in(&pair).await;
    let question = person
        .down
        .get("/oidc/logout?client_id=spa&federated")
        .await;
    let (action, csrf) = question.form("value=\"logout\"");
    let plan = question.hidden("value=\"logout\"");
    let plan = &plan.iter().find(|(name, _)| name == "confirm").unwrap().1;
    let fields = [
        ("csrf", csrf.as_str()),
        ("confirm", plan),
        ("action", "logout"),
    ];
    let page = person.down.post(&action, &fields).await;
    let back = person.up.get(pair.up.path(&goes_on(&page))).await;
    let home = person.down.get(back.location()).await;
    assert_eq!(goes_on(&home), "http://localhost:3000");
}

/// Without `federated`: said, and offered, and still possible although the session has ended.
#[tokio::test]
async fn the_landing_page_offers_to_end_the_sign_in_upstream() {
    let pair = Pair::start().await;
    let (mut person, sid) = signed_in(&pair).await;
    let page = person.down.get("/v2/logout").await;
    assert!(page.body.contains("signed in through Corp Ltd"), "{page:?}");
    let (action, csrf) = page.form("name=\"farewell\"");
    let sealed = page.hidden("name=\"farewell\"");
    let sealed = sealed.iter().find(|(name, _)| name == "farewell").unwrap();
    let fields = [("csrf", csrf.as_str()), ("farewell", &sealed.1)];
    // Neither without the form's token, nor in another browser, nor from another site.
    let mut stranger = pair.down.browser();
    stranger.get("/v2/logout").await;
    for refused in [
        person.down.post(&action, &fields[1..]).await,
        stranger.post(&action, &fields).await,
        person
            .down
            .request(
                Method::POST,
                &action,
                &fields,
                &[("origin", "https://evil.example")],
            )
            .await,
    ] {
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{refused:?}");
    }
    pair.down.clock.advance(600);
    let away = goes_on(&person.down.post(&action, &fields).await);
    let back = person.up.get(pair.up.path(&away)).await;
    let landed = person.down.get(back.location()).await;
    assert!(landed.body.contains("You are signed out"), "{landed:?}");
    assert!(
        !landed.body.contains("Corp Ltd"),
        "nothing is left: {landed:?}"
    );
    assert!(upstream_of(&pair.down, sid).await.ended_at.is_some());
    assert!(!is_signed_in_there(&mut person).await);
}

/// Only where it may be so.
#[tokio::test]
async fn the_landing_page_says_nothing_of_providers_that_play_no_part() {
    let pair = Pair::start().await;
    let mut with_password = pair.down.browser();
    with_password.sign_in(&spa(&[])).await;
    let page = with_password.get("/v2/logout").await;
    assert!(!page.body.contains("Corp"), "{page:?}");
    // The provider said when its session ends: that was an hour ago.
    let (mut person, _) = signed_in(&pair).await;
    pair.advance(5 * 3600);
    let page = person.down.get("/v2/logout").await;
    assert!(!page.body.contains("Corp"), "{page:?}");
    // An idle session is over, and the one at the provider may not be.
    let (mut person, _) = signed_in(&pair).await;
    pair.down.clock.advance(3_700);
    let silent = person.down.get(&silent(&[])).await;
    assert!(silent.body.contains("login_required"), "{silent:?}");
    let page = person.down.get("/v2/logout").await;
    assert!(
        page.body.contains("Sign out of Corp Ltd as well"),
        "{page:?}"
    );
}

#[tokio::test]
async fn a_provider_that_cannot_be_asked_is_named_on_the_landing_page() {
    let without = Served::altered(PROVIDER, |path, json| {
        if path == "/.well-known/openid-configuration" {
            json.as_object_mut().unwrap().remove("end_session_endpoint");
        }
    });
    let pair = Pair::below(without.await, "").await;
    for request in [format!("{V2}&federated"), "/v2/logout".to_owned()] {
        let (mut person, sid) = signed_in(&pair).await;
        let page = person.down.get(&request).await;
        assert_eq!(page.status, StatusCode::OK, "{page:?}");
        assert!(!person.down.has_session_cookie());
        assert!(
            page.body.contains("no way to sign you out from here"),
            "{page:?}"
        );
        assert!(!page.body.contains("name=\"farewell\""), "{page:?}");
        // Where the application wanted the person to be is one click away.
        let link = "href=\"http://localhost:3000\"";
        assert_eq!(page.body.contains(link), request.contains("federated"));
        assert!(pair.down.session(sid).await.end.is_some());
    }
    let entries = pair.down.log("federated_logout_failed").await;
    assert_eq!(entries.len(), 1, "only where it was asked for");
    assert_eq!(entries[0]["details"]["connection"], "corp");
}

#[tokio::test]
async fn auth0s_own_logout_takes_the_state_in_its_return_address() {
    let without = Served::altered(PROVIDER, |path, json| {
        if path == "/.well-known/openid-configuration" {
            json.as_object_mut().unwrap().remove("end_session_endpoint");
        }
    });
    let pair = Pair::below(without.await, "    preset: auth0\n").await;
    let (mut person, _) = signed_in(&pair).await;
    let away = person.down.get(&format!("{V2}&federated")).await;
    let path = pair.up.path(away.location()).to_owned();
    assert!(
        path.starts_with("/v2/logout?client_id=down&returnTo="),
        "{path}"
    );
    let back = person.up.get(&path).await;
    let home = person.down.get(back.location()).await;
    assert_eq!(goes_on(&home), "http://localhost:3000");
    assert!(!is_signed_in_there(&mut person).await);
}
