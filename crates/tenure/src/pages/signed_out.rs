//! The page of a logout that takes the person nowhere else.

use super::{Frame, Reader, frame, page, with_guard};
use crate::app::App;
use crate::oidc::transaction::FormGuard;
use askama::Template;
use axum::response::Response;
use http::StatusCode;

/// What the page says besides that the session is over.
#[derive(Debug, Default)]
pub struct SignedOut<'a> {
    /// For the forms of `upstream`.
    pub guard: Option<&'a FormGuard>,
    pub upstream: Vec<StillThere>,
    /// Where the application wanted the person to go.
    pub target: Option<String>,
}

/// Another provider at which the person may still be signed in.
#[derive(Debug)]
pub struct StillThere {
    pub title: String,
    /// It was asked and did not answer.
    pub away: bool,
    /// What the button sends. `None`: the provider ends sessions at its own pages only.
    pub farewell: Option<String>,
}

#[derive(Template)]
#[template(path = "signed_out.html")]
struct SignedOutTemplate<'a> {
    frame: Frame,
    csrf: &'a str,
    upstream: Vec<Offer>,
    target: Option<&'a str>,
}

struct Offer {
    words: String,
    button: String,
    farewell: Option<String>,
}

pub fn signed_out(app: &App, reader: Reader<'_>, view: SignedOut<'_>) -> Response {
    let frame = frame(app, reader);
    let text = frame.text;
    let has_forms = view.upstream.iter().any(|other| other.farewell.is_some());
    let offer = |other: StillThere| {
        let words = match &other.farewell {
            None => text.upstream_no_way,
            Some(_) if other.away => text.upstream_away,
            Some(_) => text.upstream_alive,
        };
        Offer {
            words: words.replace("{provider}", &other.title),
            button: text.sign_out_of.replace("{provider}", &other.title),
            farewell: other.farewell,
        }
    };
    let template = SignedOutTemplate {
        csrf: view.guard.map_or("", |guard| guard.token.as_str()),
        upstream: view.upstream.into_iter().map(offer).collect(),
        target: view.target.as_deref(),
        frame,
    };
    let response = page(StatusCode::OK, &template, "");
    match view.guard.filter(|_| has_forms) {
        Some(guard) => with_guard(app, guard, response),
        None => response,
    }
}
