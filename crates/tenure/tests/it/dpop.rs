//! Tokens bound to a key: the token endpoint and `/authorize` (RFC 9449; rows D12 and 1.1.8).

use crate::holder::{Holder, exchange, post, refresh};
use crate::knowing::text;
use crate::world::{Answer, OFFLINE, World, claims, spa};
use http::StatusCode;
use serde_json::json;

const ONLINE: [(&str, &str); 1] = [("scope", "openid profile email online_access")];

fn refused(answer: &Answer) -> (u16, String, String) {
    let told = answer.json();
    let description = told["error_description"].as_str().unwrap_or_default();
    (
        answer.status.as_u16(),
        answer.error(),
        description.to_owned(),
    )
}

fn invalid(description: &str) -> (u16, String, String) {
    (400, "invalid_dpop_proof".to_owned(), description.to_owned())
}

#[tokio::test]
async fn tokens_are_bound_to_the_key_that_was_proven() {
    let world = World::new().await;
    let (holder, mut browser) = (Holder::new(), world.browser());
    let code = browser.sign_in(&spa(&OFFLINE)).await.code();
    let answer = holder.exchange(&world, &code).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let tokens = answer.json();
    assert_eq!(tokens["token_type"], "DPoP");
    let access = claims(text(&tokens, "access_token"));
    assert_eq!(access["cnf"], json!({ "jkt": holder.jkt() }));
    // An ID token is for its client, and bound to nothing.
    assert!(claims(text(&tokens, "id_token")).get("cnf").is_none());
    let first = text(&tokens, "refresh_token").to_owned();
    // Offline: rotates as ever, and only with the key.
    let stranger = Holder::new();
    let unknown = (
        400,
        "invalid_grant".to_owned(),
        "Unknown or invalid refresh token.".to_owned(),
    );
    for proofs in [vec![], vec![stranger.proof(&world)]] {
        let proofs: Vec<&str> = proofs.iter().map(String::as_str).collect();
        let answer = refresh(&world, &first, &proofs).await;
        assert_eq!(refused(&answer), unknown);
        assert!(answer.json().get("reason").is_none());
    }
    let failed = world.log("fertft").await;
    let why: Vec<_> = failed
        .iter()
        .map(|entry| entry["description"].clone())
        .collect();
    assert_eq!(why, ["RefreshTokenOtherKey", "RefreshTokenOtherKey"]);
    let answer = holder.refresh(&world, &first).await;
    assert_eq!(
        answer.status,
        StatusCode::OK,
        "nothing had changed: {answer:?}"
    );
    let rotated = answer.json();
    assert_ne!(text(&rotated, "refresh_token"), first);
    assert_eq!(rotated["token_type"], "DPoP");
    let graph = world.graph(browser.sid()).await;
    let family = &graph["applications"][0]["refresh_tokens"][0];
    assert_eq!(family["bound_to"], holder.jkt());
}

/// D12: a session-bound token of a client that proves a key does not rotate, is not repeated in the
/// answer, and keeps the session alive.
#[tokio::test]
async fn d12_a_session_bound_token_with_a_key_stays_and_extends_the_session() {
    let world = World::new().await;
    let (holder, mut browser) = (Holder::new(), world.browser());
    let request = spa(&[ONLINE[0], ("dpop_jkt", &holder.jkt())]);
    let code = browser.sign_in(&request).await.code();
    let tokens = holder.exchange(&world, &code).await.json();
    let online = text(&tokens, "refresh_token").to_owned();
    let before = world.session(browser.sid()).await;
    for _ in 0..3 {
        world.clock.advance(1_800);
        let answer = holder.refresh(&world, &online).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        let tokens = answer.json();
        assert!(tokens.get("refresh_token").is_none(), "{tokens}");
        assert_eq!(tokens["token_type"], "DPoP");
        assert!(tokens["id_token"].is_string());
        assert_eq!(
            claims(text(&tokens, "access_token"))["cnf"]["jkt"],
            holder.jkt()
        );
    }
    let after = world.session(browser.sid()).await;
    assert_eq!(after.idle_deadline, before.idle_deadline.plus(5_400));
    browser.get("/v2/logout").await;
    let answer = holder.refresh(&world, &online).await;
    assert_eq!(
        (answer.error().as_str(), &answer.json()["reason"]),
        ("invalid_grant", &json!("user_logout"))
    );
}

/// Until a client proves a key its session-bound tokens rotate; the proof comes at any exchange.
#[tokio::test]
async fn a_session_bound_token_rotates_until_a_key_is_proven() {
    let world = World::new().await;
    let mut browser = world.browser();
    let tokens = browser.tokens(&ONLINE).await;
    assert_eq!(tokens["token_type"], "Bearer");
    let first = text(&tokens, "refresh_token").to_owned();
    let rotated = browser.refresh("spa", &first).await.json();
    let second = text(&rotated, "refresh_token").to_owned();
    assert_ne!(first, second);
    let holder = Holder::new();
    let bound = holder.refresh(&world, &second).await;
    assert_eq!(bound.status, StatusCode::OK, "{bound:?}");
    assert!(bound.json().get("refresh_token").is_none());
    assert_eq!(holder.refresh(&world, &second).await.status, StatusCode::OK);
}

/// Whoever steals a refresh token that no key protects, and binds it to a key of their own, is found out
/// when its owner comes with it.
#[tokio::test]
async fn a_stolen_token_that_a_thief_bound_ends_when_its_owner_uses_it() {
    for asked in [OFFLINE, ONLINE] {
        let world = World::new().await;
        let (thief, mut browser) = (Holder::new(), world.browser());
        let tokens = browser.tokens(&asked).await;
        let stolen = text(&tokens, "refresh_token").to_owned();
        let taken = thief.refresh(&world, &stolen).await;
        assert_eq!(taken.status, StatusCode::OK, "{taken:?}");
        let taken = taken.json();
        let kept = taken["refresh_token"].as_str().unwrap_or(&stolen);
        assert_eq!(thief.refresh(&world, kept).await.status, StatusCode::OK);
        assert_eq!(
            browser.refresh("spa", &stolen).await.error(),
            "invalid_grant"
        );
        let answer = thief.refresh(&world, kept).await;
        assert_eq!(answer.error(), "invalid_grant", "{answer:?}");
        let alarms = world.log("ferrt").await;
        assert_eq!(alarms.len(), 1, "{alarms:?}");
    }
}

#[tokio::test]
async fn a_code_is_redeemed_only_by_the_key_that_the_request_named() {
    let world = World::new().await;
    let (holder, stranger) = (Holder::new(), Holder::new());
    let jkt = holder.jkt();
    let mut browser = world.browser();
    let code = browser.sign_in(&spa(&[("dpop_jkt", &jkt)])).await.code();
    let other = invalid("The authorization code is bound to another DPoP key");
    assert_eq!(refused(&exchange(&world, &code, &[]).await), other);
    assert_eq!(refused(&stranger.exchange(&world, &code).await), other);
    assert_eq!(
        holder.exchange(&world, &code).await.status,
        StatusCode::OK,
        "not used up"
    );
    let answer = browser.get(&spa(&[("dpop_jkt", "nonsense")])).await;
    assert_eq!(answer.answered("error").as_deref(), Some("invalid_request"));
}

#[tokio::test]
async fn a_pushed_request_is_bound_by_its_proof() {
    let world = World::new().await;
    let (holder, stranger) = (Holder::new(), Holder::new());
    let jkt = holder.jkt();
    let mut pairs = vec![
        ("client_id", "spa"),
        ("response_type", "code"),
        ("scope", "openid"),
        ("redirect_uri", "http://localhost:3000/cb"),
        (
            "code_challenge",
            "I3jTFKmOI5T-yXt4CqWHBKZnt9uhdpRzxJT0qz9n4jY",
        ),
        ("code_challenge_method", "S256"),
    ];
    let proof = |who: &Holder| who.sign(&who.claims(&world, "POST", "/oauth/par"));
    let pushed = world
        .post_from("/oauth/par", &pairs, &[("dpop", &proof(&holder))])
        .await;
    assert_eq!(pushed.status, StatusCode::CREATED, "{pushed:?}");
    let reference = text(&pushed.json(), "request_uri").to_owned();
    let path = crate::world::form(&[("client_id", "spa"), ("request_uri", &reference)]);
    let mut browser = world.browser();
    let code = browser.sign_in(&format!("/authorize?{path}")).await.code();
    assert_eq!(
        stranger.exchange(&world, &code).await.error(),
        "invalid_dpop_proof"
    );
    assert_eq!(holder.exchange(&world, &code).await.status, StatusCode::OK);
    pairs.push(("dpop_jkt", &jkt));
    let two_keys = world
        .post_from("/oauth/par", &pairs, &[("dpop", &proof(&stranger))])
        .await;
    assert_eq!(two_keys.error(), "invalid_dpop_proof");
    let one_key = world
        .post_from("/oauth/par", &pairs, &[("dpop", &proof(&holder))])
        .await;
    assert_eq!(one_key.status, StatusCode::CREATED, "{one_key:?}");
}

/// A wrong proof is named, and nothing is used up or changed.
#[tokio::test]
async fn a_proof_must_be_for_this_request() {
    let world = World::new().await;
    let (holder, mut browser) = (Holder::new(), world.browser());
    let code = browser.sign_in(&spa(&[])).await.code();
    let with = |name: &str, value: serde_json::Value| {
        let mut claims = holder.claims(&world, "POST", "/oauth/token");
        claims[name] = value;
        holder.sign(&claims)
    };
    let good = holder.proof(&world);
    let broken = format!("{}AAAA", &good[..good.len() - 4]);
    let table = [
        (
            with("htm", "GET".into()),
            "The DPoP proof's htm is not the request's method",
        ),
        (
            with("htu", "https://elsewhere.example/oauth/token".into()),
            "The DPoP proof's htu is not the request's address",
        ),
        (broken, "The DPoP proof's signature is not valid"),
        ("nonsense".to_owned(), "The DPoP proof is malformed"),
        (String::new(), "The DPoP proof is malformed"),
    ];
    for (proof, description) in &table {
        let answer = exchange(&world, &code, &[proof]).await;
        assert_eq!(refused(&answer), invalid(description));
        assert_eq!(
            answer.header("www-authenticate"),
            "",
            "a challenge hides the code"
        );
    }
    let twice = exchange(&world, &code, &[&good, &holder.proof(&world)]).await;
    assert_eq!(
        refused(&twice),
        invalid("More than one DPoP proof was sent")
    );
    assert_eq!(
        exchange(&world, &code, &[&good]).await.status,
        StatusCode::OK
    );
}

/// A clock that is off costs a round trip, not the sign-in (decision 0090).
#[tokio::test]
async fn a_wrong_clock_is_answered_with_a_nonce() {
    let world = World::new().await;
    let (holder, mut browser) = (Holder::new(), world.browser());
    let code = browser.sign_in(&spa(&[])).await.code();
    let proof = |nonce: Option<&str>| {
        let mut claims = holder.claims(&world, "POST", "/oauth/token");
        claims["iat"] = 1.into();
        if let Some(nonce) = nonce {
            claims["nonce"] = nonce.into();
        }
        holder.sign(&claims)
    };
    let asked = exchange(&world, &code, &[&proof(None)]).await;
    assert_eq!(
        (asked.status.as_u16(), asked.error().as_str()),
        (400, "use_dpop_nonce")
    );
    // The page can read it.
    assert!(
        asked
            .header("access-control-expose-headers")
            .contains("dpop-nonce")
    );
    let nonce = asked.header("dpop-nonce").to_owned();
    assert_eq!(nonce.len(), 32);
    world.clock.advance(30);
    let forged = exchange(&world, &code, &[&proof(Some("forged"))]).await;
    assert_eq!(forged.error(), "use_dpop_nonce");
    let answer = exchange(&world, &code, &[&proof(Some(&nonce))]).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    // The next one comes with the answer, so that nobody is asked twice.
    let next = answer.header("dpop-nonce");
    assert_eq!((next.len(), next == nonce), (32, false));
    // An old one beside a good clock does no harm.
    let code = browser.get(&spa(&[])).await.code();
    let mut claims = holder.claims(&world, "POST", "/oauth/token");
    claims["nonce"] = "old".into();
    let answer = exchange(&world, &code, &[&holder.sign(&claims)]).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
}

/// A proof counts once; but an application whose answer was lost sends the same bytes again, and that
/// repeat is tolerated as it is without a key (D7).
#[tokio::test]
async fn a_proof_counts_once_and_a_lost_answer_is_no_theft() {
    let world = World::new().await;
    let (holder, mut browser) = (Holder::new(), world.browser());
    let code = browser.sign_in(&spa(&OFFLINE)).await.code();
    let proof = holder.proof(&world);
    let tokens = exchange(&world, &code, &[&proof]).await.json();
    let first = text(&tokens, "refresh_token").to_owned();
    let replayed = refresh(&world, &first, &[&proof]).await;
    assert_eq!(
        refused(&replayed),
        invalid("The DPoP proof was used before")
    );
    let proof = holder.proof(&world);
    let answered = refresh(&world, &first, &[&proof]).await.json();
    let second = text(&answered, "refresh_token").to_owned();
    let again = refresh(&world, &first, &[&proof]).await;
    assert_eq!(again.status, StatusCode::OK, "{again:?}");
    assert_eq!(text(&again.json(), "refresh_token"), second);
    let elsewhere = refresh(&world, &second, &[&proof]).await;
    assert_eq!(
        refused(&elsewhere),
        invalid("The DPoP proof was used before")
    );
    assert_eq!(holder.refresh(&world, &second).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_client_or_an_api_may_require_a_key() {
    let world = World::new().await;
    world
        .apply(
            "
clients:
  - {client_id: machine, client_secret: machine-secret, name: Machine, app_type: non_interactive, require_proof_of_possession: true}
resourceServers:
  - identifier: https://strict.example.com
    name: Strict
    allow_offline_access: true
    proof_of_possession: {mechanism: dpop, required: true, required_for: public_clients}
clientGrants:
  - {client_id: machine, audience: 'https://strict.example.com', scope: []}",
        )
        .await;
    let holder = Holder::new();
    let missing = invalid("A DPoP proof is required");
    let strict = ("audience", "https://strict.example.com");
    let request = spa(&[strict, ("scope", "openid offline_access")]);
    let mut browser = world.browser();
    let code = browser.sign_in(&request).await.code();
    assert_eq!(refused(&exchange(&world, &code, &[]).await), missing);
    let tokens = holder.exchange(&world, &code).await.json();
    let token = text(&tokens, "refresh_token").to_owned();
    assert_eq!(refused(&refresh(&world, &token, &[]).await), missing);
    assert_eq!(holder.refresh(&world, &token).await.status, StatusCode::OK);
    // The machine's own setting; the API asks only public clients.
    let pairs = [
        ("grant_type", "client_credentials"),
        ("client_id", "machine"),
        ("client_secret", "machine-secret"),
        strict,
    ];
    assert_eq!(refused(&post(&world, &pairs, &[]).await), missing);
    let proof = holder.proof(&world);
    let answer = post(&world, &pairs, &[&proof]).await.json();
    assert_eq!(answer["token_type"], "DPoP");
    let access = text(&answer, "access_token");
    assert_eq!(claims(access)["cnf"]["jkt"], holder.jkt());
    let replayed = post(&world, &pairs, &[&proof]).await;
    assert_eq!(
        refused(&replayed),
        invalid("The DPoP proof was used before")
    );
    let asked = [
        ("client_id", "machine"),
        ("client_secret", "machine-secret"),
        ("token", access),
    ];
    let told = world.post("/oauth/introspect", &asked).await.json();
    assert_eq!(told["token_type"], "DPoP");
    assert_eq!(told["cnf"], json!({ "jkt": holder.jkt() }));
}

/// A confidential client authenticates itself, so its refresh tokens are not bound, and its key may
/// change from one access token to the next (RFC 9449 section 5).
#[tokio::test]
async fn a_confidential_clients_refresh_tokens_are_not_bound() {
    let world = World::new().await;
    let mut browser = world.browser();
    let request = crate::world::authorize("web", "http://localhost:3001/callback", &OFFLINE);
    let code = browser.sign_in(&request).await.code();
    let client = [("client_id", "web"), ("client_secret", "s3cr-et~1 x")];
    let mut pairs = client.to_vec();
    pairs.extend([
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("code_verifier", crate::world::VERIFIER),
        ("redirect_uri", "http://localhost:3001/callback"),
    ]);
    let (one, other) = (Holder::new(), Holder::new());
    let tokens = post(&world, &pairs, &[&one.proof(&world)]).await.json();
    let token = text(&tokens, "refresh_token").to_owned();
    let mut pairs = client.to_vec();
    pairs.extend([("grant_type", "refresh_token"), ("refresh_token", &token)]);
    let bound = post(&world, &pairs, &[&other.proof(&world)]).await.json();
    assert_eq!(
        claims(text(&bound, "access_token"))["cnf"]["jkt"],
        other.jkt()
    );
    let plain = post(&world, &pairs, &[]).await.json();
    assert_eq!(plain["token_type"], "Bearer");
    assert!(claims(text(&plain, "access_token")).get("cnf").is_none());
}
