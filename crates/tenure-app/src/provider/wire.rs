//! The library's way out, and what an answer that is no success means.

use super::{ProviderError, chain};
use crate::fetch::{Fetch, FetchError};
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse, RequestTokenError};
use serde_json::Value;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

/// The library's way out. It remembers what an error answer says beside the members that the library reads.
pub struct Http<'f> {
    fetch: &'f Fetch,
    refusal: Mutex<Option<(u16, Value)>>,
}

impl<'c> AsyncHttpClient<'c> for Http<'_> {
    type Error = FetchError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, FetchError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let answer = self.fetch.send(request).await?;
            if !answer.status().is_success() {
                let said = serde_json::from_slice(answer.body()).unwrap_or_default();
                let mut kept = self.refusal.lock().unwrap_or_else(PoisonError::into_inner);
                *kept = Some((answer.status().as_u16(), said));
            }
            Ok(answer)
        })
    }
}

impl<'f> Http<'f> {
    pub const fn new(fetch: &'f Fetch) -> Self {
        Self {
            fetch,
            refusal: Mutex::new(None),
        }
    }

    /// Only `invalid_grant` is about the person; anything else is about this client or the provider.
    pub fn judge<T>(&self, error: &RequestTokenError<FetchError, T>) -> ProviderError
    where
        T: openidconnect::ErrorResponse + 'static,
    {
        let kept = self.refusal.lock().unwrap_or_else(PoisonError::into_inner);
        let said = |name: &str| {
            let (_, said) = kept.as_ref()?;
            said.get(name).and_then(Value::as_str).map(str::to_owned)
        };
        match said("error") {
            Some(code) if code == "invalid_grant" => ProviderError::Refused {
                reason: said("reason"),
            },
            Some(code) => ProviderError::Unavailable(format!("it answered {code}")),
            None => match kept.as_ref() {
                Some((status, _)) => ProviderError::Unavailable(format!("it answered {status}")),
                None => ProviderError::Unavailable(chain(error)),
            },
        }
    }
}
