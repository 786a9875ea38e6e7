//! Sensitive routes: only shortly after an authentication.

use crate::flow::Ask;
use crate::gate::{self, Gated};
use crate::layer::{Visit, login_required, path_of};
use crate::login::is_recent;
use crate::origin;
use crate::pages::json;
use crate::session::Session;
use axum::extract::Request;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use serde_json::json as object;
use std::convert::Infallible;
use tower::{Layer, Service};

/// Lets a request through if the person authenticated at most so many seconds ago, by the ID token's
/// `auth_time`. Otherwise a person is sent to the provider with `max_age`, and comes back with an
/// authentication that is recent, or not at all; a script gets 401 as RFC 9470 section 3 says.
pub const fn require_recent_login(seconds: u32) -> RequireRecentLogin {
    RequireRecentLogin { seconds }
}

/// See [`require_recent_login`].
#[derive(Clone, Copy, Debug)]
pub struct RequireRecentLogin {
    seconds: u32,
}

impl<S> Layer<S> for RequireRecentLogin
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    type Service = Gated;

    fn layer(&self, application: S) -> Gated {
        let seconds = i64::from(self.seconds);
        gate::before(application, move |application, request| async move {
            let (parts, body) = request.into_parts();
            let session = parts.extensions.get::<Session>();
            match refuse(Visit::of(&parts), session, seconds).await {
                Some(response) => response,
                None => gate::pass(application, Request::from_parts(parts, body)).await,
            }
        })
    }
}

async fn refuse(visit: Visit<'_>, session: Option<&Session>, seconds: i64) -> Option<Response> {
    let Some(session) = session else {
        tracing::error!("require_recent_login needs tenure_app::AppSession layered around it");
        return Some(json(
            StatusCode::INTERNAL_SERVER_ERROR,
            &object!({"error": "server_error"}),
        ));
    };
    let app = &session.inner;
    let Some(user) = session.user() else {
        return Some(login_required(app, visit, session).await);
    };
    let tolerance = app.config.clock_tolerance;
    if is_recent(user.auth_time, seconds, tolerance, app.clock.now()) {
        return None;
    }
    if origin::is_navigation(visit.method, visit.headers) && !app.config.error_on_required_auth {
        let ask = Ask {
            return_to: path_of(app, visit.uri),
            silent: false,
            max_age: Some(seconds),
        };
        return Some(app.begin(visit.headers, ask).await);
    }
    let error = "insufficient_user_authentication";
    let body = object!({"error": error, "max_age": seconds});
    let mut response = json(StatusCode::UNAUTHORIZED, &body);
    let challenge = format!("Bearer error=\"{error}\", max_age=\"{seconds}\"");
    if let Ok(value) = HeaderValue::from_str(&challenge) {
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, value);
    }
    Some(response)
}
