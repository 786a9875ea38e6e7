//! What happens to each request before and after the application.

use crate::app::Inner;
use crate::cookies;
use crate::flow::Ask;
use crate::gate;
use crate::origin;
use crate::pages::json;
use crate::return_to;
use crate::routes;
use crate::session::{Session, SessionError};
use crate::store::StoreError;
use axum::extract::Request;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::json as object;
use std::convert::Infallible;
use std::sync::Arc;
use tower::Service;

/// Answers the layer's own routes, and gives every other request its session.
pub(crate) async fn answer<S>(app: Arc<Inner>, application: S, request: Request) -> Response
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    if let Some(route) = app.route(request.uri().path()) {
        return routes::answer(app, route, request).await;
    }
    let (mut parts, body) = request.into_parts();
    let headers = parts.headers.clone();
    let visit = Visit::of(&parts);
    let session = match open(&app, visit).await {
        Ok(session) => session,
        Err(error) => {
            tracing::error!("{error}");
            return app.unavailable();
        }
    };
    if !session.is_authenticated()
        && let Some(response) = admit(&app, visit, &session).await
    {
        return response;
    }
    parts.extensions.insert(session.clone());
    let mut response = gate::pass(application, Request::from_parts(parts, body)).await;
    match session.finish(&headers).await {
        Ok(lines) => cookies::add(response.headers_mut(), &lines),
        // The handler has done its work; what is lost is the session's data of this one request.
        Err(error) => tracing::error!("a session could not be written down: {error}"),
    }
    response
}

/// The session of a request, its activity recorded and its tokens renewed. A passive request does neither:
/// a renewal is an activity at the provider.
async fn open(app: &Arc<Inner>, visit: Visit<'_>) -> Result<Session, StoreError> {
    let now = app.clock.now();
    let found = app.find(visit.headers, now).await?;
    let session = Session::new(Arc::clone(app), found, now);
    if is_passive(app, visit) {
        return Ok(session);
    }
    let renew = session
        .live()
        .is_some_and(|live| live.record.needs_refresh(now));
    if renew {
        match session.refresh().await {
            Err(SessionError::Store(error)) => return Err(error),
            // Nothing is known about the person: the session goes on with what it has.
            Err(error @ SessionError::Unavailable(_)) => tracing::warn!("{error}"),
            Ok(()) => {}
        }
    }
    session.touch().await?;
    Ok(session)
}

fn is_passive(app: &Inner, visit: Visit<'_>) -> bool {
    let path = visit.uri.path();
    let within = |beginning: &String| {
        let rest = path.strip_prefix(beginning.as_str());
        rest.is_some_and(|rest| {
            rest.is_empty() || rest.starts_with('/') || beginning.ends_with('/')
        })
    };
    app.config.session.passive_paths.iter().any(within) || origin::says_passive(visit.headers)
}

/// What a request gets instead of its answer while nobody is signed in.
async fn admit(app: &Inner, visit: Visit<'_>, session: &Session) -> Option<Response> {
    let headers = visit.headers;
    let shows_page = origin::is_navigation(visit.method, headers);
    let tried = cookies::read(headers, &app.jar.skip_silent_login()).is_some();
    if app.config.attempt_silent_login && shows_page && !tried {
        let ask = Ask {
            return_to: path_of(app, visit.uri),
            silent: true,
            max_age: None,
        };
        return Some(app.begin(headers, ask).await);
    }
    if !app.config.auth_required {
        return None;
    }
    Some(login_required(app, visit, session).await)
}

/// A request as far as it decides how it is sent to the login.
#[derive(Clone, Copy)]
pub(crate) struct Visit<'a> {
    pub method: &'a Method,
    pub uri: &'a Uri,
    pub headers: &'a HeaderMap,
}

impl<'a> Visit<'a> {
    pub fn of(parts: &'a Parts) -> Self {
        let nested = parts.extensions.get::<axum::extract::OriginalUri>();
        Self {
            method: &parts.method,
            uri: nested.map_or(&parts.uri, |original| &original.0),
            headers: &parts.headers,
        }
    }
}

/// Sends a person to the login; a script gets 401 with the reason of the end, where it is known.
pub(crate) async fn login_required(app: &Inner, visit: Visit<'_>, session: &Session) -> Response {
    let page = origin::is_navigation(visit.method, visit.headers);
    if page && !app.config.error_on_required_auth {
        let ask = Ask {
            return_to: path_of(app, visit.uri),
            ..Ask::default()
        };
        return app.begin(visit.headers, ask).await;
    }
    let mut body = object!({"error": "login_required"});
    if let (Some(over), Some(body)) = (session.over(), body.as_object_mut()) {
        body.insert("reason".to_owned(), over.reason.into());
    }
    json(StatusCode::UNAUTHORIZED, &body)
}

/// Where a person comes back to after the login. A path may begin with two slashes; in a `Location` that would be a
/// host (lesson CVE-2024-39694).
pub(crate) fn path_of(app: &Inner, uri: &Uri) -> String {
    uri.path_and_query()
        .and_then(|path| return_to::within(&app.base, path.as_str()))
        .unwrap_or_else(|| "/".to_owned())
}
