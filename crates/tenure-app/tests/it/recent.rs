//! Sensitive routes.

use crate::login::KEEPS;
use crate::login::open_world;
use http::StatusCode;

#[tokio::test]
async fn a_sensitive_route_needs_a_recent_login() {
    for keep in KEEPS {
        let world = open_world(keep, |_| {}).await;
        let mut ada = world.browser();
        // Nobody is signed in: an ordinary login, and it is recent.
        assert_eq!(ada.sign_in("/pay").await.body, "paid by auth0|ada");
        world.advance(300);
        assert_eq!(ada.visit("/pay").await.body, "paid by auth0|ada");
        world.advance(1);
        let script = ada.ask("/pay").await;
        assert_eq!(script.status, StatusCode::UNAUTHORIZED);
        assert_eq!(script.json()["error"], "insufficient_user_authentication");
        let challenge = "Bearer error=\"insufficient_user_authentication\", max_age=\"300\"";
        assert_eq!(script.header("www-authenticate"), challenge);
        // The provider's session lives, and yet it asks for the password.
        let page = ada.visit("/pay?for=books").await;
        assert!(page.body.contains("name=\"password\""), "{page:?}");
        assert!(
            ada.trail
                .iter()
                .any(|url| url.contains("prompt=login") && url.contains("max_age=300"))
        );
        // Until it has it, the rest of the application goes on.
        assert_eq!(ada.clone().visit("/").await.body, "auth0|ada");
        assert_eq!(
            ada.submit_login(&page, "ada@example.com").await.body,
            "paid by auth0|ada"
        );
        assert_eq!(ada.place(), "/pay?for=books");
        world.stop().await;
    }
}
