//! Requests with this client's credentials that the library does not make: revocation and pushed requests.

use super::{Metadata, Provider, ProviderError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header;
use openidconnect::{HttpRequest, HttpResponse};
use serde_json::Value;
use url::Url;

impl Provider {
    /// Revokes a refresh token with all that hangs on it (RFC 7009). Not through the library, which
    /// refuses plain http also on loopback.
    pub async fn revoke(&self, token: &str) -> Result<(), ProviderError> {
        let metadata = self.metadata().await?;
        let Some(url) = &metadata.additional_metadata().revocation_endpoint else {
            tracing::debug!("the provider has no revocation endpoint");
            return Ok(());
        };
        let form = [("token", token), ("token_type_hint", "refresh_token")];
        let status = self.post(&metadata, url, &form).await?.status();
        if status.is_success() {
            return Ok(());
        }
        Err(ProviderError::Unavailable(format!(
            "the revocation was answered {status}"
        )))
    }

    /// Whether the parameters of a login are pushed.
    pub fn pushes(&self, metadata: &Metadata) -> bool {
        let required = metadata
            .additional_metadata()
            .require_pushed_authorization_requests;
        self.config.pushed_authorization_requests || required
    }

    /// Hands the parameters of a login to the provider, and answers the reference that stands for them (RFC 9126
    /// section 2).
    pub async fn push(
        &self,
        metadata: &Metadata,
        params: &[(&str, &str)],
    ) -> Result<String, ProviderError> {
        let unavailable = |why: String| ProviderError::Unavailable(why);
        let extra = metadata.additional_metadata();
        let Some(url) = &extra.pushed_authorization_request_endpoint else {
            let why = "it has no pushed_authorization_request_endpoint: switch pushed_authorization_requests off";
            return Err(unavailable(why.to_owned()));
        };
        let answer = self.post(metadata, url, params).await?;
        let said: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
        let text = |name: &str| said.get(name).and_then(Value::as_str);
        match (answer.status().is_success(), text("request_uri")) {
            (true, Some(reference)) if !reference.is_empty() => Ok(reference.to_owned()),
            _ => Err(unavailable(format!(
                "the pushed request was answered {} {}",
                answer.status().as_u16(),
                plain(text("error").unwrap_or_default())
            ))),
        }
    }

    async fn post(
        &self,
        metadata: &Metadata,
        url: &Url,
        params: &[(&str, &str)],
    ) -> Result<HttpResponse, ProviderError> {
        let request = self.form(metadata, url, params)?;
        let answer = self.fetch.send(request).await;
        answer.map_err(|error| ProviderError::Unavailable(error.to_string()))
    }

    /// A form, and this client's credentials: a signature, a secret, or its name alone.
    fn form(
        &self,
        metadata: &Metadata,
        url: &Url,
        params: &[(&str, &str)],
    ) -> Result<HttpRequest, ProviderError> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(params.iter().filter(|(name, _)| *name != "client_id"))
            .extend_pairs(self.assertion(metadata)?);
        let mut request = http::Request::post(url.as_str())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json");
        match &self.config.client_secret {
            Some(secret) => {
                let credentials = basic(&self.config.client_id, secret);
                request = request.header(header::AUTHORIZATION, credentials);
            }
            None => drop(form.append_pair("client_id", &self.config.client_id)),
        }
        request
            .body(form.finish().into_bytes())
            .map_err(|error| ProviderError::Unavailable(error.to_string()))
    }
}

/// The credentials of RFC 6749 section 2.3.1: each encoded as in a form.
fn basic(id: &str, secret: &str) -> String {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let both = format!("{}:{}", encode(id), encode(secret));
    format!("Basic {}", STANDARD.encode(both))
}

/// An error code as far as a log may have it.
fn plain(code: &str) -> String {
    let graphic = code.chars().filter(char::is_ascii_graphic);
    graphic.take(100).collect()
}
