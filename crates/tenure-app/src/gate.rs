//! What stands before an application: it answers a request itself, or passes it on.

use axum::extract::Request;
use axum::response::Response;
use std::convert::Infallible;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt as _, service_fn};

/// An application with something before it.
pub type Gated = BoxCloneSyncService<Request, Response, Infallible>;

/// Puts `answer` before an application, of which every request has a copy of its own: it passes the request on with
/// [`pass`], or not at all.
pub fn before<S, F>(
    application: S,
    answer: impl Fn(S, Request) -> F + Clone + Send + Sync + 'static,
) -> Gated
where
    S: Clone + Send + Sync + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    Gated::new(service_fn(move |request| {
        let answering = answer(application.clone(), request);
        async move { Ok(answering.await) }
    }))
}

/// The application's answer, once it is ready to give one.
pub async fn pass<S>(application: S, request: Request) -> Response
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    match application.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
