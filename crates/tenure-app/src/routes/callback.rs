//! `/callback`: the provider's answer (OpenID Connect Core 3.1.2.5, RFC 9207), in the address or as a form.

use super::{form, single};
use crate::app::Inner;
use crate::cookies;
use crate::keeping::Found;
use crate::login::{Answer, Transaction, judge};
use crate::pages::{Page, not_allowed, redirect};
use crate::provider::ProviderError;
use crate::record::{Record, Tokens};
use crate::store::StoreError;
use axum::body::Body;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use tenure_protocol::Timestamp;

/// Seconds that a browser has to come back for what it brought as a form.
const RETURN_LIFETIME: i64 = 120;

/// Bytes of a login in its cookie: browsers take 4096 with name and attributes.
const MOST_SEALED: usize = 3700;

pub async fn answer(app: &Inner, parts: &Parts, body: Body) -> Response {
    match parts.method {
        Method::GET => answered(app, parts).await,
        Method::POST => keep(app, parts, body).await,
        _ => not_allowed("GET, POST"),
    }
}

async fn answered(app: &Inner, parts: &Parts) -> Response {
    let headers = &parts.headers;
    let query = parts.uri.query().unwrap_or_default().as_bytes();
    let state = single(query, "state").unwrap_or_default();
    let Some(login) = app.transaction(headers, &state) else {
        return stale(app, headers).await;
    };
    // The way that was asked for, or none: what stands in an address can be read in more places than a form.
    let answer = match (login.form_post, &login.answer) {
        (true, Some(answer)) => Ok(answer.clone()),
        (true, None) => Err(Failure::Unfit(ANOTHER_WAY)),
        (false, _) => Ok(read(query)),
    };
    let finished = match answer {
        Ok(answer) => finish(app, headers, &login, answer).await,
        Err(failure) => Err(failure),
    };
    let mut response = finished.unwrap_or_else(|failure| failed(app, &login, &failure));
    // A login is answered once: its cookie goes, whatever the answer is.
    let gone = app.jar.clear(&app.jar.transaction(&state));
    cookies::add(response.headers_mut(), &[gone]);
    response
}

/// An answer in a form, sent by the provider's page. Browsers keep back the session's cookies then, because the page is
/// another site's, so nothing could be said about the session that there is. The answer waits in the cookie of its
/// login, and the browser is sent here once more, with everything that it has.
async fn keep(app: &Inner, parts: &Parts, body: Body) -> Response {
    let headers = &parts.headers;
    let form = form(parts, body).await.unwrap_or_default();
    let state = single(&form, "state").unwrap_or_default();
    let Some(mut login) = app.transaction(headers, &state) else {
        return stale(app, headers).await;
    };
    if !login.form_post {
        return failed(app, &login, &Failure::Unfit(ANOTHER_WAY));
    }
    login.answer = Some(read(&form));
    let sealed = app.sealed(&login);
    if sealed.len() > MOST_SEALED {
        return failed(app, &login, &Failure::Unfit("the answer is too large"));
    }
    let name = app.jar.transaction(&state);
    let line = app.jar.set(&name, &sealed, Some(RETURN_LIFETIME));
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("state", &state)
        .finish();
    redirect(&format!("{}?{query}", app.config.routes.callback), &[line])
}

const ANOTHER_WAY: &str = "the answer came by another way than was asked for";

fn read(form: &[u8]) -> Answer {
    Answer {
        code: single(form, "code"),
        error: single(form, "error"),
        iss: single(form, "iss"),
    }
}

enum Failure {
    /// The provider's error code.
    Answered(String),
    Provider(ProviderError),
    Unfit(&'static str),
    Store(StoreError),
}

impl From<ProviderError> for Failure {
    fn from(error: ProviderError) -> Self {
        Self::Provider(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

async fn finish(
    app: &Inner,
    headers: &HeaderMap,
    login: &Transaction,
    answer: Answer,
) -> Result<Response, Failure> {
    let metadata = app.provider.metadata().await?;
    let promised = metadata
        .additional_metadata()
        .authorization_response_iss_parameter_supported;
    let expected = metadata.issuer().as_str();
    // Mix-up: an answer of another provider must not reach this one's token endpoint.
    if answer
        .iss
        .as_deref()
        .map_or(promised, |issuer| issuer != expected)
    {
        return Err(Failure::Unfit("the answer is not this provider's"));
    }
    if let Some(error) = answer.error {
        return Err(Failure::Answered(error));
    }
    let code = answer
        .code
        .ok_or(Failure::Unfit("the answer has no code"))?;
    // A logout that arrives from here on ends the session that is about to begin.
    let now = app.clock.now();
    let tokens = app.provider.redeem(&code, login).await?;
    judge(
        &tokens.claims,
        login.max_age,
        app.config.clock_tolerance,
        app.clock.now(),
    )
    .map_err(|unfit| Failure::Unfit(unfit.text()))?;
    sign_in(app, headers, login, tokens, now).await
}

/// A new session; what the browser held before is over.
async fn sign_in(
    app: &Inner,
    headers: &HeaderMap,
    login: &Transaction,
    tokens: Tokens,
    now: Timestamp,
) -> Result<Response, Failure> {
    let refresh_token = tokens.refresh_token.clone();
    let mut record = Record {
        created_at: now,
        touched_at: now,
        limits: app.config.limits(),
        ..Record::default()
    };
    record.take(tokens);
    let before = app.find(headers, now).await?;
    if let Found::Live(old) = &before
        && old.record.sub() == record.sub()
    {
        record.data.clone_from(&old.record.data);
    }
    let Some((live, value)) = app.start(record).await? else {
        app.revoke(refresh_token.as_deref()).await;
        return Err(Failure::Unfit(
            "the session ended while you were signing in",
        ));
    };
    let age = app.cookie_age(&live.record, now);
    let set = app.session_lines(&HeaderMap::new(), &value, age);
    if set.is_empty() {
        // Before anything of the old session is touched.
        app.revoke(refresh_token.as_deref()).await;
        return Err(Failure::Unfit("the session is too large for a cookie"));
    }
    if let Found::Live(old) = before {
        app.store
            .end(&app.mark(old.key, "login", "superseded", now))
            .await?;
        app.flights.forget(&old.key);
        app.revoke(old.record.refresh_token.as_deref()).await;
    }
    sweep(app, now);
    let mut lines = app.clear(headers);
    // Of two lines about one cookie browsers keep the later one.
    lines.retain(|line| !set.iter().any(|new| name_of(new) == name_of(line)));
    lines.extend(set);
    lines.push(app.jar.clear(&app.jar.skip_silent_login()));
    Ok(redirect(&login.return_to, &lines))
}

fn name_of(line: &str) -> &str {
    line.split('=').next().unwrap_or_default()
}

/// Every login takes a few forgotten sessions away; nobody waits for it.
fn sweep(app: &Inner, now: Timestamp) {
    let store = std::sync::Arc::clone(&app.store);
    tokio::spawn(async move {
        if let Err(error) = store.sweep(now).await {
            tracing::warn!("forgotten sessions could not be removed: {error}");
        }
    });
}

/// The back button, a reload, or a login of another browser. Who is signed in goes on; nobody else is
/// signed in by an answer that nobody here asked for.
async fn stale(app: &Inner, headers: &HeaderMap) -> Response {
    match app.find(headers, app.clock.now()).await {
        Ok(Found::Live(_)) => redirect("/", &[]),
        Ok(_) => Page {
            status: StatusCode::BAD_REQUEST,
            heading: "Please sign in again",
            text: "This sign-in was not begun in this browser, or it is too old.",
            link: Some((&app.config.routes.login, "Sign in")),
            button: None,
        }
        .respond(),
        Err(error) => {
            tracing::error!("{error}");
            app.unavailable()
        }
    }
}

fn failed(app: &Inner, login: &Transaction, failure: &Failure) -> Response {
    let text = match failure {
        // A silent login asks whether somebody is there: no is an answer.
        Failure::Answered(_) if login.silent => return redirect(&login.return_to, &[]),
        Failure::Answered(code) if code == "access_denied" => "The sign-in was cancelled.",
        Failure::Answered(code) => {
            let plain: String = code
                .chars()
                .filter(char::is_ascii_graphic)
                .take(100)
                .collect();
            tracing::warn!("the provider answered a login with {plain}");
            "The sign-in did not succeed."
        }
        Failure::Unfit(why) => {
            tracing::warn!("a login was refused: {why}");
            why
        }
        Failure::Provider(error @ ProviderError::Unavailable(_)) => {
            tracing::error!("a login failed: {error}");
            return app.unavailable();
        }
        Failure::Provider(error) => {
            tracing::warn!("a login was refused: {error}");
            "The sign-in could not be verified."
        }
        Failure::Store(error) => {
            tracing::error!("a login failed: {error}");
            return app.unavailable();
        }
    };
    Page {
        status: StatusCode::BAD_REQUEST,
        // Somebody may still be: a login can be asked for once more.
        heading: "You were not signed in",
        text,
        link: Some((&app.config.routes.login, "Sign in again")),
        button: None,
    }
    .respond()
}
