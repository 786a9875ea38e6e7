//! The routes that the layer answers itself.

mod backchannel;
mod callback;
mod login;
mod logout;
mod status;

use crate::app::Inner;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use http::header;
use http::request::Parts;
use std::sync::Arc;

/// Bytes that the body of a request to these routes may have.
const MOST_BODY: usize = 64 * 1024;

/// Which of the layer's routes a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    Login,
    Callback,
    Logout,
    BackchannelLogout,
    Session,
    Extend,
}

impl Inner {
    pub fn route(&self, path: &str) -> Option<Route> {
        let routes = &self.config.routes;
        if path.strip_suffix("/extend") == Some(routes.session.as_str()) {
            return Some(Route::Extend);
        }
        // The provider's name of it, for a monitor that is told the application's address instead.
        if path.strip_suffix("/status") == Some(routes.session.as_str()) {
            return Some(Route::Session);
        }
        let table = [
            (&routes.login, Route::Login),
            (&routes.callback, Route::Callback),
            (&routes.logout, Route::Logout),
            (&routes.backchannel_logout, Route::BackchannelLogout),
            (&routes.session, Route::Session),
        ];
        let found = table.into_iter().find(|(own, _)| own.as_str() == path);
        found.map(|(_, route)| route)
    }
}

pub async fn answer(app: Arc<Inner>, route: Route, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    match route {
        Route::Login => login::answer(&app, &parts).await,
        Route::Callback => callback::answer(&app, &parts, body).await,
        Route::Logout => logout::answer(&app, &parts).await,
        Route::BackchannelLogout => backchannel::answer(&app, &parts, body).await,
        Route::Session => status::read(&app, &parts).await,
        Route::Extend => status::extend(&app, &parts).await,
    }
}

/// A parameter of the query that is there once.
fn parameter(parts: &Parts, name: &str) -> Option<String> {
    single(parts.uri.query().unwrap_or_default().as_bytes(), name)
}

fn single(form: &[u8], name: &str) -> Option<String> {
    let mut found = form_urlencoded::parse(form).filter(|(found, _)| found == name);
    let value = found.next()?.1.into_owned();
    found.next().is_none().then_some(value)
}

/// The body of a form.
async fn form(parts: &Parts, body: Body) -> Option<Bytes> {
    let kind = parts.headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return None;
    }
    axum::body::to_bytes(body, MOST_BODY).await.ok()
}
