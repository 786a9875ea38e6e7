//! What the provider says of the person and of how they signed in, and what our tokens say of it.

use crate::upstream_world::{PROVIDER, Pair, Person, Served};
use crate::world::{Answer, OFFLINE, claims, silent, spa};
use http::StatusCode;
use serde_json::{Value, json};
use tenure_protocol::session::{Factor, MULTI_FACTOR};

/// The provider's session of the person has a second factor now: its next ID token says so.
async fn proves_a_second_factor(person: &Person<'_>) {
    let sid = person.sid_there().parse().unwrap();
    let world = &person.pair.up.world;
    let mut session = world.session(sid).await;
    session.factors.push(Factor {
        name: "mfa".to_owned(),
        at: world.clock.now(),
        ..Factor::default()
    });
    let write = world.app.store.write(move |tx| tx.update_session(&session));
    write.await.unwrap();
}

async fn id_token(person: &Person<'_>, answer: &Answer) -> Value {
    let code = answer.code();
    let tokens = person
        .down
        .exchange("spa", "http://localhost:3000/cb", &code);
    claims(tokens.await.json()["id_token"].as_str().unwrap())
}

fn essential(acr: &str) -> String {
    json!({"id_token": {"acr": {"essential": true, "value": acr}}}).to_string()
}

#[tokio::test]
async fn a_class_that_an_application_demands_is_reached_at_the_provider() {
    let mapping = format!("    upstream: {{ acr_mapping: {{ '{MULTI_FACTOR}': gold }} }}\n");
    let pair = Pair::with(&mapping).await;
    let mut person = pair.person();
    let gold = essential("gold");
    // The provider is asked for it in its own words, and cannot reach it: refused.
    let sent = person.sent(&[("claims", &gold)]).await;
    assert_eq!(sent.answered("acr_values").as_deref(), Some(MULTI_FACTOR));
    let refused = person.through(&sent, "ada@example.com").await;
    let error = refused.answered("error");
    assert_eq!(
        error.as_deref(),
        Some("unmet_authentication_requirements"),
        "{refused:?}"
    );
    // In silence neither; what is voluntary is no obstacle.
    let silent = person.down.get(&silent(&[("claims", &gold)])).await;
    let (answer, _) = silent.message();
    assert_eq!(answer["error"], "unmet_authentication_requirements");
    let plain = person.down.get(&spa(&[("acr_values", "gold")])).await;
    let token = id_token(&person, &plain).await;
    assert!(token.get("acr").is_none(), "{token}");
    // The person has a second factor there now: a step up, not a refusal.
    proves_a_second_factor(&person).await;
    let before = person.down.sid();
    let sent = person.sent(&[("claims", &gold)]).await;
    let answer = person.through(&sent, "ada@example.com").await;
    let token = id_token(&person, &answer).await;
    assert_eq!(token["acr"], "gold");
    assert_eq!(token["amr"], json!(["federated"]), "mfa was not accepted");
    assert_eq!(person.down.sid(), before);
}

#[tokio::test]
async fn factors_count_as_far_as_the_connection_accepts_them() {
    let accepted = "    upstream: { amr_values: [mfa] }\n";
    for (more, amr, acr) in [
        ("", json!(["federated"]), None),
        (accepted, json!(["federated", "mfa"]), Some(MULTI_FACTOR)),
    ] {
        let pair = Pair::with(more).await;
        let mut person = pair.person();
        person.sign_in("ada@example.com").await.code();
        proves_a_second_factor(&person).await;
        let demanded = essential(MULTI_FACTOR);
        let sent = person.sent(&[("claims", &demanded)]).await;
        let Some(acr) = acr else {
            // Nothing here could reach it: the application hears so at once.
            let error = sent.answered("error");
            assert_eq!(error.as_deref(), Some("unmet_authentication_requirements"));
            continue;
        };
        let answer = person.through(&sent, "ada@example.com").await;
        let token = id_token(&person, &answer).await;
        assert_eq!(token["acr"], acr);
        assert_eq!(token["amr"], amr);
    }
}

#[tokio::test]
async fn id_tokens_name_the_connection_that_the_person_came_in_through() {
    let pair = Pair::start().await;
    let mut person = pair.person();
    let sent = person.sent(&OFFLINE).await;
    let code = person.through(&sent, "ada@example.com").await.code();
    let tokens = person
        .down
        .exchange("spa", "http://localhost:3000/cb", &code);
    let tokens = tokens.await.json();
    assert_eq!(
        claims(tokens["id_token"].as_str().unwrap())["connection"],
        "corp"
    );
    let refreshed = person
        .down
        .refresh("spa", tokens["refresh_token"].as_str().unwrap())
        .await
        .json();
    assert_eq!(
        claims(refreshed["id_token"].as_str().unwrap())["connection"],
        "corp"
    );
    // A client may do without, and nobody can say it in its place.
    pair.down
        .apply(
            "clients:\n  - { client_id: spa, connection_claim: false, custom_claims: { connection: mallory } }",
        )
        .await;
    let again = person.down.get(&spa(&[])).await;
    let token = id_token(&person, &again).await;
    assert!(token.get("connection").is_none(), "{token}");
    // Whoever signed in here came through nobody.
    let pair = Pair::start().await;
    let mut person = pair.person();
    let answer = person.down.sign_in(&spa(&[])).await;
    let token = id_token(&person, &answer).await;
    assert!(token.get("connection").is_none(), "{token}");
}

/// OpenID Connect Core 5.3.2: userinfo of somebody else is believed in nothing.
#[tokio::test]
async fn userinfo_that_speaks_of_another_person_signs_nobody_in() {
    let people =
        "  - { user_id: nomail, username: nomail, name: No Mail, password: correct horse }\n";
    for (alter, status) in [(false, StatusCode::OK), (true, StatusCode::UNAUTHORIZED)] {
        let provider = format!("{PROVIDER}{people}");
        let up = if alter {
            let other = Served::altered(&provider, |path, json| {
                if path == "/userinfo" {
                    json["sub"] = "auth0|ada-up".into();
                    json["email"] = "ada@example.com".into();
                    json["email_verified"] = true.into();
                }
            });
            other.await
        } else {
            Served::start(&provider).await
        };
        let pair = Pair::below(up, "").await;
        let mut person = pair.person();
        let page = person.sign_in("nomail").await;
        assert_eq!(page.status, status, "{page:?}");
        assert_eq!(person.down.has_session_cookie(), !alter);
    }
}

/// A request that does not fit through is refused before the person leaves.
#[tokio::test]
async fn a_state_of_more_than_6000_characters_never_leaves() {
    let pair = Pair::start().await;
    let mut browser = pair.down.browser();
    for (length, fits) in [(3_000, true), (5_000, false)] {
        let state = "s".repeat(length);
        let mut straight = vec![("connection", "corp"), ("state", state.as_str())];
        let answer = browser.get(&spa(&straight)).await;
        let there = answer.location().starts_with(&pair.up.base);
        assert_eq!(there, fits, "{length}");
        if fits {
            assert!(answer.answered("state").unwrap().len() <= 6_000);
        } else {
            assert_eq!(answer.answered("error").as_deref(), Some("invalid_request"));
            assert_eq!(
                answer.answered("state"),
                Some(state.clone()),
                "the application's own"
            );
        }
        straight.remove(0);
        let page = browser.get(&spa(&straight)).await;
        assert_eq!(
            page.body.contains("Continue with Corp Ltd"),
            fits,
            "{length}"
        );
        assert_eq!(page.body.contains("value=\"organisation\""), fits);
        assert!(page.body.contains("name=\"password\""), "{length}");
    }
}
