//! Sending a person to the provider, and back.

use crate::app::Inner;
use crate::cookies;
use crate::login::{LOGIN_LIFETIME, Transaction};
use crate::pages::{Page, redirect};
use crate::provider::ProviderError;
use crate::seal::random_text;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use openidconnect::PkceCodeVerifier;
use openidconnect::{PkceCodeChallenge, core::CoreResponseType};

/// Logins that one browser may have under way; the rest of the oldest are forgotten, because every cookie
/// makes each of its requests larger.
const MOST_LOGINS: usize = 4;

/// What a login is for.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// Within the application.
    pub return_to: String,
    pub silent: bool,
    /// Seconds since the authentication that will do.
    pub max_age: Option<i64>,
}

impl Inner {
    /// Redirects to the provider and remembers the login in the browser.
    pub async fn begin(&self, headers: &HeaderMap, ask: Ask) -> Response {
        match self.try_begin(headers, ask).await {
            Ok(response) => response,
            Err(error) => {
                tracing::error!("no login can begin: {error}");
                self.unavailable()
            }
        }
    }

    async fn try_begin(&self, headers: &HeaderMap, ask: Ask) -> Result<Response, ProviderError> {
        let metadata = self.provider.metadata().await?;
        let login = Transaction {
            state: random_text::<24>(),
            nonce: random_text::<24>(),
            verifier: random_text::<48>(),
            return_to: ask.return_to,
            silent: ask.silent,
            max_age: ask.max_age,
            form_post: self.config.is_form_post(),
            answer: None,
            at: self.clock.now(),
        };
        let params = self.authorization_params(&login);
        let params: Vec<(&str, &str)> = params.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let mut url = metadata.authorization_endpoint().url().clone();
        if self.provider.pushes(&metadata) {
            let reference = self.provider.push(&metadata, &params).await?;
            url.query_pairs_mut()
                .append_pair("client_id", &self.config.client_id)
                .append_pair("request_uri", &reference);
        } else {
            url.query_pairs_mut().extend_pairs(params);
        }
        let name = self.jar.transaction(&login.state);
        let value = self.sealed(&login);
        let line = if login.form_post {
            self.jar.set_for_other_sites(&name, &value, LOGIN_LIFETIME)
        } else {
            self.jar.set(&name, &value, Some(LOGIN_LIFETIME))
        };
        let mut lines = vec![line];
        let old = self.jar.transactions(headers);
        let surplus = (old.len() + 1).saturating_sub(MOST_LOGINS);
        lines.extend(old.iter().take(surplus).map(|name| self.jar.clear(name)));
        if login.silent {
            // Before it is answered: whatever the answer, there is no second attempt.
            lines.push(self.jar.set(&self.jar.skip_silent_login(), "1", None));
        }
        Ok(redirect(url.as_str(), &lines))
    }

    fn authorization_params<'a>(&'a self, login: &Transaction) -> Vec<(&'a str, String)> {
        let verifier = PkceCodeVerifier::new(login.verifier.clone());
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&verifier);
        let mut params = vec![
            ("response_type", CoreResponseType::Code.as_ref().to_owned()),
            ("client_id", self.config.client_id.clone()),
            ("redirect_uri", self.provider.callback().to_owned()),
            ("scope", self.config.scope().to_owned()),
            ("state", login.state.clone()),
            ("nonce", login.nonce.clone()),
            ("code_challenge", challenge.as_str().to_owned()),
            ("code_challenge_method", "S256".to_owned()),
        ];
        if login.silent {
            params.push(("prompt", "none".to_owned()));
        }
        if let Some(max_age) = login.max_age {
            // Both: `max_age` makes the provider say `auth_time` (Core 3.1.2.1), and `prompt=login` makes it
            // fresh. With `max_age` alone, clocks that differ would send a browser round in circles.
            params.push(("max_age", max_age.to_string()));
            params.push(("prompt", "login".to_owned()));
        }
        let ours = |name: &str| name == "scope" || (name == "max_age" && login.max_age.is_some());
        let theirs = self.config.authorization_params.iter();
        let theirs = theirs.filter(|(name, _)| !ours(name));
        params.extend(theirs.map(|(name, value)| (name.as_str(), value.clone())));
        params
    }

    /// A login as the browser's cookie keeps it.
    pub fn sealed(&self, login: &Transaction) -> String {
        let plain = serde_json::to_vec(login).unwrap_or_default();
        self.seal.seal_text(&self.purpose("login"), &plain)
    }

    /// The login that an answer belongs to, if it began in this browser.
    pub fn transaction(&self, headers: &HeaderMap, state: &str) -> Option<Transaction> {
        let text = cookies::read(headers, &self.jar.transaction(state))?;
        let plain = self.seal.open_text(&self.purpose("login"), text)?;
        let login: Transaction = serde_json::from_slice(&plain).ok()?;
        let current = login.state == state && login.is_current(self.clock.now());
        current.then_some(login)
    }

    /// The provider or the store does not answer.
    pub fn unavailable(&self) -> Response {
        Page {
            status: StatusCode::SERVICE_UNAVAILABLE,
            heading: "Sign-in is not available",
            text: "Something that is needed for it does not answer. Please try again in a moment.",
            link: Some(("/", "Try again")),
            button: None,
        }
        .respond()
    }
}
