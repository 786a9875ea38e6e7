//! Home-realm discovery: the domain of an address leads to its provider.

use crate::upstream_world::{PROVIDER, Pair, Served};
use crate::world::{Answer, Browser, PASSWORD, World, spa};
use http::StatusCode;

async fn submit(browser: &mut Browser<'_>, page: &Answer, fields: &[(&str, &str)]) -> Answer {
    let (action, csrf) = page.form("name=\"password\"");
    let mut all = vec![("csrf", csrf.as_str())];
    all.extend(fields);
    browser.post(&action, &all).await
}

/// Where a page goes by itself.
fn goes_on(page: &Answer) -> Option<String> {
    let rest = page.body.split_once("content=\"0;url=")?.1;
    Some(rest.split('"').next()?.replace("&#38;", "&"))
}

#[tokio::test]
async fn an_address_leads_to_its_provider_without_script() {
    let pair = Pair::with("    show_as_button: false\n").await;
    let mut person = pair.person();
    let page = person.down.get(&spa(&[])).await;
    assert!(!page.body.contains("Continue with Corp"), "{page:?}");
    // The first button that has a name is still the one for the password.
    let form = page
        .body
        .split("<form")
        .find(|f| f.contains("name=\"password\""));
    let buttons: Vec<_> = form.unwrap().split("<button").skip(1).collect();
    assert!(buttons[0].contains("value=\"login\""));
    assert!(buttons[1].contains("value=\"organisation\"") && buttons[1].contains("formnovalidate"));
    for fields in [
        [
            ("username", " Ada@EXAMPLE.com "),
            ("password", ""),
            ("action", "organisation"),
        ],
        // A password that was typed on the way goes nowhere, least of all to the provider.
        [
            ("username", "nobody@example.com"),
            ("password", "typed"),
            ("action", "organisation"),
        ],
        [
            ("username", "nobody@example.com"),
            ("password", ""),
            ("action", "login"),
        ],
    ] {
        let page = person.down.get(&spa(&[])).await;
        let sent = submit(&mut person.down, &page, &fields).await;
        assert_eq!(sent.status, StatusCode::OK, "{sent:?}");
        let to = goes_on(&sent).unwrap();
        assert!(to.starts_with(&pair.up.base), "{to}");
        let hint = format!("login_hint={}", fields[0].1.trim().replace('@', "%40"));
        assert!(to.contains(&hint), "{to}");
        assert!(!to.contains("typed"), "{to}");
    }
    // And back: the account that is there.
    let page = person.down.get(&spa(&[])).await;
    let fields = [("username", "ada@example.com"), ("action", "organisation")];
    let sent = submit(&mut person.down, &page, &fields).await;
    let there = person.up.get(pair.up.path(&goes_on(&sent).unwrap())).await;
    assert!(
        there.body.contains("value=\"ada@example.com\""),
        "{there:?}"
    );
    let back = person
        .up
        .submit_login(&there, "ada@example.com", PASSWORD)
        .await;
    person.come_back(back.location()).await.code();
}

/// Nothing tells who has an account: the domain alone decides.
#[tokio::test]
async fn whether_somebody_is_known_here_plays_no_part() {
    let pair = Pair::start().await;
    let mut answers = Vec::new();
    for name in [
        "ada@elsewhere.example",
        "bob@elsewhere.example",
        "ada",
        "@",
        "",
    ] {
        let mut browser = pair.down.browser();
        let page = browser.get(&spa(&[])).await;
        let answer = submit(
            &mut browser,
            &page,
            &[("username", name), ("action", "organisation")],
        )
        .await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        assert!(
            answer.body.contains("No organisation signs in"),
            "{answer:?}"
        );
        answers.push(answer.body.len() - answer.body.matches(name).count() * name.len());
    }
    // Whoever has a password here signs in with it, whatever their domain.
    let mut browser = pair.down.browser();
    let page = browser.get(&spa(&[])).await;
    browser
        .submit_login(&page, "ada@example.com", PASSWORD)
        .await
        .code();
}

#[tokio::test]
async fn a_login_hint_goes_straight_to_its_provider() {
    let pair = Pair::start().await;
    let mut browser = pair.down.browser();
    let sent = browser
        .get(&spa(&[("login_hint", "new@Example.com")]))
        .await;
    assert!(sent.location().starts_with(&pair.up.base), "{sent:?}");
    assert_eq!(
        sent.answered("login_hint").as_deref(),
        Some("new@Example.com")
    );
    for stays in [
        [("login_hint", "new@sub.example.com"), ("connection", "")],
        [("login_hint", "new@example.com.evil"), ("connection", "")],
        // Our own users are named.
        [
            ("login_hint", "new@example.com"),
            ("connection", "Username-Password-Authentication"),
        ],
        [("login_hint", "new@example.com"), ("prompt", "none")],
    ] {
        let page = browser.get(&spa(&stays)).await;
        assert!(
            !page.location().starts_with(&pair.up.base),
            "{stays:?} {page:?}"
        );
    }
}

/// A connection that is not for the application is not found by its domain either.
#[tokio::test]
async fn a_domain_leads_only_where_the_application_may_go() {
    let pair = Pair::with("    enabled_clients: [Forum]\n").await;
    let mut browser = pair.down.browser();
    let page = browser
        .get(&spa(&[("login_hint", "ada@example.com")]))
        .await;
    assert!(page.body.contains("name=\"password\""), "{page:?}");
    assert!(!page.body.contains("value=\"organisation\""), "{page:?}");
    let fields = [("username", "ada@example.com"), ("action", "organisation")];
    let answer = submit(&mut browser, &page, &fields).await;
    assert!(
        answer.body.contains("No organisation signs in"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn without_domains_the_page_is_as_ever() {
    let up = Served::start(PROVIDER).await;
    let tenant = crate::upstream_world::tenant_with(&up, "")
        .replace("domain_aliases: [example.com]", "scope: email");
    let down = World::with(&tenant).await;
    let mut browser = down.browser();
    let page = browser.get(&spa(&[])).await;
    assert!(page.body.contains("Continue with Corp"), "{page:?}");
    assert!(!page.body.contains("organisation"), "{page:?}");
}
