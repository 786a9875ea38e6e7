//! The tenant's settings in the hands of an operator's program.

use crate::operator::{Operator, refusal};
use crate::world::{Answer, World, silent};
use http::StatusCode;
use serde_json::{Value, json};

const PATH: &str = "/tenants/settings";

impl Operator<'_> {
    async fn set(&self, body: Value) -> Answer {
        self.call("PATCH", PATH, Some(&body)).await
    }
}

#[tokio::test]
async fn i4_settings_are_read_as_they_are_in_force_and_changed_as_a_tenant_file_does() {
    let world = World::new().await;
    let operator = world.operator().await;
    let settings = operator.get(PATH).await.json();
    assert_eq!(settings["friendly_name"], "Acme");
    assert_eq!(
        settings["allowed_logout_urls"],
        json!(["http://localhost:3009/tenant-bye"])
    );
    let lifetimes = |settings: &Value| {
        [
            "session_lifetime",
            "idle_session_lifetime",
            "ephemeral_session_lifetime",
            "idle_ephemeral_session_lifetime",
        ]
        .map(|name| settings[name].clone())
    };
    let [session, idle, ephemeral, _] = lifetimes(&settings);
    assert_eq!((session, idle), (json!(8), json!(1)));
    assert!(ephemeral.is_number());
    assert!(
        settings
            .as_object()
            .unwrap()
            .values()
            .all(|value| !value.is_null())
    );
    // In minutes, then in hours: the later counts, and the rest stays as it was.
    let changed = operator
        .set(json!({"idle_session_lifetime_in_minutes": 90}))
        .await;
    assert_eq!(changed.status, StatusCode::OK, "{changed:?}");
    assert_eq!(changed.json()["idle_session_lifetime"], json!(1.5));
    let changed = operator
        .set(json!({"idle_session_lifetime": 2, "friendly_name": "Bcme"}))
        .await
        .json();
    assert_eq!(
        (&changed["idle_session_lifetime"], &changed["friendly_name"]),
        (&json!(2), &json!("Bcme"))
    );
    assert_eq!(changed["session_lifetime"], json!(8));
    assert!(changed.get("idle_session_lifetime_in_minutes").is_none());
    assert_eq!(operator.get(PATH).await.json(), changed);
    let log = world.log("sapi").await;
    assert_eq!(log.last().unwrap()["client_id"], "machine");
    for wrong in [
        json!({"session_lifetime": 366 * 24}),
        json!({"idle_session_lifetime_in_minutes": 144_001}),
        json!({"idle_session_lifetime": 1, "idle_session_lifetime_in_minutes": 60}),
        json!({"session_lifetime": "8"}),
        json!({"sesion_lifetime": 8}),
        json!({"profile": "sensitive"}),
        json!({"clients": []}),
        json!({"invalid_grant_status": 200}),
        json!([]),
    ] {
        let refused = operator.set(wrong.clone()).await;
        assert_eq!(
            refusal(&refused),
            (400, "invalid_body".to_owned()),
            "{wrong}"
        );
    }
    assert_eq!(operator.get(PATH).await.json(), changed);
    let reader = world.operator_with(&["read:tenant_settings"]).await;
    let refused = reader.set(json!({"friendly_name": "x"})).await;
    assert_eq!(refusal(&refused), (403, "insufficient_scope".to_owned()));
    let other = world.operator_with(&["read:sessions"]).await;
    assert_eq!(
        refusal(&other.get(PATH).await),
        (403, "insufficient_scope".to_owned())
    );
}

#[tokio::test]
async fn i4_a_limit_that_is_lowered_bites_at_the_next_activity() {
    let world = World::new().await;
    let operator = world.operator().await;
    let mut browser = world.browser();
    browser.tokens(&[]).await;
    world.clock.advance(600);
    let lowered = operator
        .set(json!({"idle_session_lifetime_in_minutes": 5}))
        .await;
    assert_eq!(lowered.status, StatusCode::OK, "{lowered:?}");
    let graph = operator
        .get(&format!("/sessions/{}/graph", browser.sid()))
        .await
        .json();
    assert_eq!(graph["at_next_activity"]["rule"], "setting_idle");
    assert_eq!(graph["end"], Value::Null);
    let answer = browser.get(&silent(&[])).await;
    assert_eq!(answer.message().0["error"], "login_required");
}
