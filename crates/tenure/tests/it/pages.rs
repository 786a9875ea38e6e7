//! What pages say besides their words: languages, headers, marks for assistive technology.

use crate::world::{World, spa};
use axum::body::Body;
use http::{Request, StatusCode};

#[tokio::test]
async fn every_page_speaks_the_language_that_is_asked_for() {
    let world = World::new().await;
    let unknown = "urn:ietf:params:oauth:request_uri:unknown";
    let table = [
        spa(&[("client_id", "nobody"), ("ui_locales", "de")]),
        spa(&[
            ("redirect_uri", "https://evil.example"),
            ("ui_locales", "de"),
        ]),
        spa(&[("client_id", ""), ("ui_locales", "de")]),
        format!("/authorize?client_id=spa&request_uri={unknown}&ui_locales=de"),
        "/authorize?ui_locales=de&x=%FF".to_owned(),
        "/v2/logout?client_id=nobody&ui_locales=de".to_owned(),
        "/v2/logout?returnTo=https://evil.example&ui_locales=de".to_owned(),
        "/v2/logout?x=%FF&ui_locales=de".to_owned(),
        "/v2/logout?ui_locales=de".to_owned(),
        "/oidc/logout?client_id=nobody&ui_locales=de".to_owned(),
        "/oidc/logout?x=%FF&ui_locales=de".to_owned(),
    ];
    for path in table {
        let page = world.get(&path).await;
        assert!(page.body.contains("<html lang=\"de\">"), "{path}: {page:?}");
    }
    let home = Request::get("/").header("accept-language", "de-DE, en;q=0.5");
    let home = world.send(home.body(Body::empty()).unwrap()).await;
    assert!(home.body.contains("<html lang=\"de\">"), "{home:?}");
}

#[tokio::test]
async fn a_wrong_password_is_marked_at_its_fields_and_too_many_say_when_to_come_back() {
    let world = World::new().await;
    let mut browser = world.browser();
    let page = browser.get(&spa(&[])).await;
    assert!(!page.body.contains("aria-invalid"));
    let wrong = browser.submit_login(&page, "ada", "wrong").await;
    let marks = wrong
        .body
        .matches("aria-describedby=\"problem\" aria-invalid=\"true\"");
    assert_eq!(marks.count(), 2, "{wrong:?}");
    assert!(wrong.body.contains("role=\"alert\" id=\"problem\""));
    for _ in 0..19 {
        browser.submit_login(&page, "ada", "wrong").await;
    }
    let throttled = browser.submit_login(&page, "ada", "wrong").await;
    assert_eq!(throttled.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(throttled.header("retry-after"), "60");
    assert!(!throttled.body.contains("aria-invalid"));
}

/// Relative luminance and contrast as WCAG 2.2 defines them.
fn contrast(a: &str, b: &str) -> f64 {
    let luminance = |colour: &str| {
        let channel = |at: usize| {
            let value = u8::from_str_radix(&colour[at..at + 2], 16).unwrap();
            let value = f64::from(value) / 255.0;
            if value <= 0.04045 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    };
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[tokio::test]
async fn colours_can_be_told_apart_by_day_and_by_night() {
    let style = World::new().await.get("/assets/tenure.css").await.body;
    let schemes: Vec<&str> = style.split(":root {").skip(1).take(2).collect();
    assert_eq!(schemes.len(), 2);
    for scheme in schemes {
        let colour = |name: &str| {
            let rest = scheme.split_once(&format!("--{name}: ")).unwrap().1;
            rest.split_once(';').unwrap().0
        };
        // 1.4.11: what shows where a field is. 1.4.3: what is read.
        for (front, back, least) in [
            ("field", "card", 3.0),
            ("bad", "card", 3.0),
            ("accent", "card", 3.0),
            ("ink", "card", 4.5),
            ("soft", "card", 4.5),
            ("soft", "page", 4.5),
            ("bad", "bad-page", 4.5),
            ("ink", "note-page", 4.5),
            ("accent-ink", "accent", 4.5),
        ] {
            let found = contrast(colour(front), colour(back));
            assert!(found >= least, "{front} on {back}: {found}");
        }
    }
}
