//! Whether a configuration can work.

use super::{Config, ConfigError};
use crate::return_to;
use url::{Host, Url};

impl Config {
    /// Checks everything that can be checked without the provider.
    ///
    /// # Errors
    /// Something cannot work; the text says what to write instead.
    pub fn check(&self) -> Result<Url, ConfigError> {
        let base = self.base()?;
        self.check_secrets()?;
        self.check_session()?;
        self.check_routes(&base)?;
        self.check_params(&base)?;
        Ok(base)
    }

    fn check_params(&self, base: &Url) -> Result<(), ConfigError> {
        if !self.scope().split(' ').any(|scope| scope == "openid") {
            return wrong("authorization_params.scope must contain openid");
        }
        for name in RESERVED {
            if self.authorization_params.contains_key(name) {
                return wrong(format!(
                    "authorization_params.{name} is set by the layer: leave it out"
                ));
            }
        }
        let mode = self.authorization_params.get("response_mode");
        match mode.map(String::as_str) {
            None | Some("query") => Ok(()),
            // The form comes from another site: only a cookie with SameSite=None comes along, which has to be Secure.
            Some("form_post") if base.scheme() == "https" => Ok(()),
            Some("form_post") => wrong(
                "authorization_params.response_mode = \"form_post\" needs a base_url with https, or browsers keep back the \
                 cookie that the answer needs",
            ),
            Some(_) => wrong("authorization_params.response_mode is \"query\" or \"form_post\""),
        }
    }

    fn base(&self) -> Result<Url, ConfigError> {
        for (name, text) in [
            ("issuer_base_url", &self.issuer_base_url),
            ("base_url", &self.base_url),
        ] {
            let Ok(url) = Url::parse(text) else {
                return wrong(format!("{name} {text:?} is not an absolute URL"));
            };
            if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback(&url)) {
                return wrong(format!(
                    "{name} {text:?} must be https (http only on loopback)"
                ));
            }
        }
        match Url::parse(&self.base_url) {
            Ok(url) if url.path() == "/" && url.query().is_none() && url.fragment().is_none() => {
                Ok(url)
            }
            _ => wrong(format!(
                "base_url {:?} must be an origin, without a path",
                self.base_url
            )),
        }
    }

    fn check_secrets(&self) -> Result<(), ConfigError> {
        if self.client_id.is_empty() {
            return wrong("client_id is empty");
        }
        if self.secret.is_empty() || self.secret.iter().any(|secret| secret.len() < 32) {
            return wrong(
                "secret must have at least 32 characters: `openssl rand -base64 32` prints some",
            );
        }
        if self.client_secret.is_some() && self.client_assertion_signing_key.is_some() {
            return wrong(
                "client_secret and client_assertion_signing_key are two ways for one thing: leave one out",
            );
        }
        if self.assertion_key()?.is_none() && self.client_assertion_signing_alg.is_some() {
            return wrong("client_assertion_signing_alg needs a client_assertion_signing_key");
        }
        if !(0..=600).contains(&self.clock_tolerance) {
            return wrong("clock_tolerance is 0 to 600 seconds");
        }
        if self.http_timeout == 0 {
            return wrong("http_timeout is at least 1 millisecond, and better some thousand");
        }
        Ok(())
    }

    fn check_session(&self) -> Result<(), ConfigError> {
        let session = &self.session;
        match (
            session.rolling,
            session.rolling_duration,
            session.absolute_duration,
        ) {
            (true, None, _) => return wrong("session.rolling needs a rolling_duration in seconds"),
            (false, _, None) => {
                return wrong("session.absolute_duration may be false only with rolling");
            }
            _ => {}
        }
        let durations = session
            .rolling_duration
            .into_iter()
            .chain(session.absolute_duration);
        if durations.into_iter().any(|seconds| seconds < 1) {
            return wrong("session durations are whole seconds, at least 1");
        }
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if !(1..=64).contains(&session.name.len()) || !session.name.chars().all(fits) {
            return wrong(format!(
                "session.name {:?} may have letters, digits, _ and -, 64 at most",
                session.name
            ));
        }
        if session
            .passive_paths
            .iter()
            .any(|path| !path.starts_with('/'))
        {
            return wrong("session.passive_paths begin with a slash");
        }
        Ok(())
    }

    fn check_routes(&self, base: &Url) -> Result<(), ConfigError> {
        let routes = &self.routes;
        let own = [
            &routes.login,
            &routes.logout,
            &routes.callback,
            &routes.backchannel_logout,
            &routes.session,
        ];
        for (index, route) in own.iter().enumerate() {
            if return_to::within(base, route).as_ref() != Some(*route) || route.contains(['?', '#'])
            {
                return wrong(format!("routes: {route:?} is not a path such as /login"));
            }
            if own.iter().skip(index + 1).any(|other| other == route) {
                return wrong(format!("routes: {route:?} is used twice"));
            }
        }
        let after = &routes.post_logout_redirect;
        if return_to::within(base, after).is_none() && Url::parse(after).is_err() {
            return wrong(format!(
                "routes.post_logout_redirect {after:?} is neither a path nor a URL"
            ));
        }
        Ok(())
    }
}

/// Parameters that protect the flow.
const RESERVED: [&str; 10] = [
    "client_id",
    "redirect_uri",
    "response_type",
    "request",
    "request_uri",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "prompt",
];

pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

fn wrong<T>(text: impl Into<String>) -> Result<T, ConfigError> {
    Err(ConfigError(text.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::life::Limits;

    type Change = fn(&mut Config);

    fn param(config: &mut Config, name: &str, value: &str) {
        let params = &mut config.authorization_params;
        params.insert(name.to_owned(), value.to_owned());
    }

    fn config() -> Config {
        let secret = "a secret of more than thirty-two characters";
        Config::new(
            "https://op.example/",
            "https://shop.example",
            "shop",
            secret,
        )
    }

    #[test]
    fn wrong_configurations_say_what_to_write_instead() {
        let table: [(Change, &str); 27] = [
            (
                |c| c.issuer_base_url = "op.example".to_owned(),
                "issuer_base_url",
            ),
            (
                |c| c.issuer_base_url = "http://op.example/".to_owned(),
                "https",
            ),
            (
                |c| c.base_url = "http://shop.example".to_owned(),
                "loopback",
            ),
            (
                |c| c.base_url = "https://shop.example/app".to_owned(),
                "origin",
            ),
            (|c| c.client_id.clear(), "client_id"),
            (|c| c.secret = vec!["short".to_owned()], "openssl rand"),
            (|c| c.secret.clear(), "32 characters"),
            (|c| c.session.rolling_duration = None, "rolling_duration"),
            (|c| c.session.rolling_duration = Some(0), "at least 1"),
            (
                |c| {
                    c.session.rolling = false;
                    c.session.absolute_duration = None;
                },
                "absolute_duration",
            ),
            (|c| c.session.name = "a b".to_owned(), "session.name"),
            (
                |c| c.session.passive_paths = vec!["poll".to_owned()],
                "slash",
            ),
            (|c| c.routes.login = "login".to_owned(), "path such as"),
            (
                |c| c.routes.login = "https://shop.example/login".to_owned(),
                "path such as",
            ),
            (|c| c.routes.login = "/logout".to_owned(), "twice"),
            (
                |c| c.routes.post_logout_redirect = "bye".to_owned(),
                "post_logout_redirect",
            ),
            (|c| param(c, "scope", "email"), "openid"),
            (|c| param(c, "response_mode", "fragment"), "form_post"),
            (
                |c| {
                    c.base_url = "http://localhost:3000".to_owned();
                    param(c, "response_mode", "form_post");
                },
                "https",
            ),
            (
                |c| c.client_assertion_signing_key = Some("secret".to_owned()),
                "client_assertion_signing_key is no private key",
            ),
            (
                |c| {
                    c.client_secret = Some("s".to_owned());
                    c.client_assertion_signing_key = Some("k".to_owned());
                },
                "two ways",
            ),
            (
                |c| c.client_assertion_signing_alg = Some("RS256".to_owned()),
                "client_assertion_signing_alg",
            ),
            (|c| c.clock_tolerance = -1, "clock_tolerance"),
            (|c| c.clock_tolerance = 86_400, "clock_tolerance"),
            (|c| c.http_timeout = 0, "http_timeout"),
            (|c| c.session.name = "x".repeat(65), "64"),
            (|c| c.session.name.clear(), "session.name"),
        ];
        assert!(config().check().is_ok());
        let mut form_post = config();
        param(&mut form_post, "response_mode", "form_post");
        assert!(form_post.check().is_ok());
        for (change, word) in table {
            let mut config = config();
            change(&mut config);
            let refused = config.check().unwrap_err().to_string();
            assert!(refused.contains(word), "{word}: {refused}");
        }
        for name in RESERVED {
            let mut config = config();
            config
                .authorization_params
                .insert(name.to_owned(), "x".to_owned());
            assert!(config.check().unwrap_err().to_string().contains(name));
        }
    }

    #[test]
    fn names_are_those_that_people_know_and_typing_errors_are_found() {
        let read = |extra: serde_json::Value| {
            let mut all = serde_json::json!({
                "issuer_base_url": "http://localhost:7100/", "base_url": "http://localhost:3000",
                "client_id": "shop", "secret": "a secret of more than thirty-two characters",
            });
            for (name, value) in extra.as_object().unwrap() {
                all[name] = value.clone();
            }
            serde_json::from_value::<Config>(all).map_err(|error| error.to_string())
        };
        let config = read(serde_json::json!({
            "secret": ["a secret of more than thirty-two characters", "an older one of more than thirty-two"],
            "idp_logout": true, "auth_required": false, "attempt_silent_login": true,
            "session": {"rolling": true, "rolling_duration": 60, "absolute_duration": false},
            "routes": {"post_logout_redirect": "/bye"},
            "authorization_params": {"scope": "openid offline_access"},
        }))
        .unwrap();
        assert!(config.check().is_ok() && config.secret.len() == 2);
        let limits = Limits {
            rolling_duration: Some(60),
            absolute_duration: None,
        };
        assert_eq!(config.limits(), limits);
        assert!(!format!("{config:?}").contains("thirty-two"));
        for (wrong, word) in [
            (serde_json::json!({"idpLogout": true}), "idpLogout"),
            (
                serde_json::json!({"session": {"rollingDuration": 60}}),
                "rollingDuration",
            ),
            (
                serde_json::json!({"session": {"rolling_duration": true}}),
                "false",
            ),
        ] {
            assert!(read(wrong).unwrap_err().contains(word), "{word}");
        }
    }
}
