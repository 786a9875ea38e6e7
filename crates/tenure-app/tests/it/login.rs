//! Signing in and out.

use crate::shop;
use crate::world::{Op, World};
use http::StatusCode;

async fn world() -> World {
    let op = Op::start().await;
    let mut config = op.config();
    config.auth_required = false;
    let layer = op.builder(config).build().unwrap();
    op.world(layer, shop::routes())
}

#[tokio::test]
async fn a_person_signs_in_is_known_and_signs_out() {
    let world = world().await;
    let mut ada = world.browser();
    assert_eq!(ada.visit("/").await.body, "nobody");
    let account = ada.sign_in("/account?x=1").await;
    assert_eq!(ada.place(), "/account?x=1");
    assert_eq!(account.json()["name"], "Ada Lovelace");
    assert_eq!(ada.visit("/").await.body, "auth0|ada");
    let status = ada.status().await;
    assert_eq!(status["active"], true);
    assert_eq!(status["idle_expires_at"], world.now() + 86_400);
    let out = ada.visit("/logout").await;
    assert_eq!((out.body.as_str(), ada.place().as_str()), ("nobody", "/"));
    assert_eq!(ada.ask("/account").await.status, StatusCode::UNAUTHORIZED);
    world.stop().await;
}
