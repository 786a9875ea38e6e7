//! Requests that fit no address: their pages can be sent, and there is a bound.

use crate::world::{PASSWORD, World, authorize, silent, spa};
use http::StatusCode;

fn pairs(path: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(path.split_once('?').unwrap().1.as_bytes())
        .into_owned()
        .collect()
}

#[tokio::test]
async fn a_large_request_survives_the_login_and_the_consent_page() {
    let world = World::new().await;
    let mut browser = world.browser();
    let large = "x".repeat(15_000);
    let path = authorize(
        "third",
        "http://localhost:3003/cb",
        &[("foo", &large), ("scope", "openid email")],
    );
    let fields = pairs(&path);
    let fields: Vec<_> = fields.iter().map(|(n, v)| (&**n, &**v)).collect();
    let posted = browser.post("/authorize", &fields).await;
    let page = browser.get(&path).await;
    for page in [posted, page] {
        assert_eq!(page.status, StatusCode::OK);
        assert_eq!(page.form("name=\"password\"").0, "/login");
        let again = browser.submit_login(&page, "ada", "wrong").await;
        assert_eq!(again.status, StatusCode::UNAUTHORIZED);
        let consent = browser.submit_login(&again, "ada", PASSWORD).await;
        let (action, _) = consent.form("value=\"accept\"");
        assert_eq!(action, "/consent");
        let hidden = consent.hidden("value=\"accept\"");
        let mut fields: Vec<_> = hidden.iter().map(|(n, v)| (&**n, &**v)).collect();
        fields.push(("action", "deny"));
        let denied = browser.post(&action, &fields).await;
        assert_eq!(denied.answered("error").unwrap(), "access_denied");
    }
}

#[tokio::test]
async fn what_is_too_large_is_refused_at_the_application() {
    let world = World::new().await;
    let large = "x".repeat(17_000);
    let answer = world.get(&spa(&[("foo", &large)])).await;
    assert_eq!(answer.answered("error").unwrap(), "invalid_request");
    assert_eq!(answer.answered("state").unwrap(), "a==");
    let message = world.get(&silent(&[("foo", &large)])).await.message().0;
    assert_eq!(message["error"], "invalid_request");
    let posted = "x".repeat(40_000);
    let fields = pairs(&spa(&[("foo", &posted)]));
    let fields: Vec<_> = fields.iter().map(|(n, v)| (&**n, &**v)).collect();
    let answer = world.post("/authorize", &fields).await;
    assert_eq!(answer.answered("error").unwrap(), "invalid_request");
    let answer = world.post("/oauth/par", &fields).await;
    assert_eq!(answer.error(), "invalid_request");
}
