//! What is wrong with an object (errors), and what will surprise its author (warnings).

use super::Findings;
use super::read::Object;
use serde_json::Value;
use tenure_protocol::limits::{self, Caps, Limits};
use tenure_protocol::model::{Api, AppType, Client, Tenant};
use tenure_protocol::refresh::Policy;
use tenure_protocol::tokens;
use url::Url;

pub fn tenant(tenant: &Tenant, object: &Object, caps: &Caps, findings: &mut Findings) {
    for unacceptable in limits::check(tenant, caps) {
        let line = object.line_of(unacceptable.setting);
        findings.error(
            line,
            format!("{} {}", unacceptable.setting, unacceptable.problem),
        );
    }
    let limits = Limits::of(tenant, true, caps);
    if limits.idle_timeout >= limits.absolute_lifetime {
        findings.warn(
            object.line_of("idle_session_lifetime"),
            "the idle timeout is not shorter than the session lifetime, so it never ends a session",
        );
    }
    if !matches!(tenant.invalid_grant_status, 400 | 403) {
        let line = object.line_of("invalid_grant_status");
        findings.error(
            line,
            "invalid_grant_status must be 400 (RFC 6749) or 403 (as Auth0 answers)",
        );
    }
    for url in &tenant.allowed_logout_urls {
        check_url(url, "allowed_logout_urls", object, findings);
    }
}

pub fn client(client: &Client, object: &Object, findings: &mut Findings) {
    for url in &client.callbacks {
        check_url(url, "callbacks", object, findings);
        if url.contains('*') && !client.allow_wildcard_subdomains {
            findings.error(
                object.line_of("callbacks"),
                format!(
                    "client {}: the callback {url} has a wildcard. Callbacks are compared exactly: list each \
                     URL, or set allow_wildcard_subdomains: true on this client",
                    client.name
                ),
            );
        }
        if url.contains('#') {
            findings.error(
                object.line_of("callbacks"),
                format!(
                    "client {}: the callback {url} must not have a fragment (#)",
                    client.name
                ),
            );
        }
    }
    for url in client.callbacks.iter().filter(|url| travels_in_clear(url)) {
        findings.warn(
            object.line_of("callbacks"),
            format!(
                "client {}: codes sent to {url} travel in clear: use https, except on loopback",
                client.name
            ),
        );
    }
    let lists = [
        ("allowed_logout_urls", &client.allowed_logout_urls),
        ("web_origins", &client.web_origins),
        ("allowed_origins", &client.allowed_origins),
    ];
    for (name, urls) in lists {
        for url in urls {
            check_url(url, name, object, findings);
        }
    }
    let lifetime = client.jwt_configuration.lifetime_in_seconds;
    if !(1..=tokens::LONGEST).contains(&lifetime) {
        findings.error(
            object.line_of("jwt_configuration"),
            format!(
                "jwt_configuration.lifetime_in_seconds: {lifetime} must lie between 1 and {} seconds",
                tokens::LONGEST
            ),
        );
    }
    check_refresh(client, object, findings);
    super::lint_logout::check(client, object, findings);
    surprises(client, object, findings);
}

fn check_url(url: &str, setting: &str, object: &Object, findings: &mut Findings) {
    let parsed = Url::parse(&url.replace('*', "wildcard"));
    let bad = |problem: &str| format!("{setting}: {url:?} {problem}");
    match parsed {
        Err(_) => {
            findings.error(
                object.line_of(setting),
                bad("is not a URL such as https://app.example.com/callback"),
            );
        }
        Ok(parsed) if matches!(parsed.scheme(), "javascript" | "data" | "vbscript" | "file") => {
            findings.error(
                object.line_of(setting),
                bad("has a scheme that no page may be sent to"),
            );
        }
        Ok(_) => {}
    }
}

/// Plain http to another machine.
fn travels_in_clear(url: &str) -> bool {
    let Ok(url) = Url::parse(&url.replace('*', "wildcard")) else {
        return false;
    };
    let loopback = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "http" && !loopback
}

fn check_refresh(client: &Client, object: &Object, findings: &mut Findings) {
    let refresh = &client.refresh_token;
    let line = object.line_of("refresh_token");
    let bounds = [
        ("leeway", refresh.leeway, 0, 86_400),
        ("retry_window", refresh.retry_window, 0, 86_400),
        ("token_lifetime", refresh.token_lifetime, 1, 31_557_600),
        (
            "idle_token_lifetime",
            refresh.idle_token_lifetime,
            1,
            31_557_600,
        ),
    ];
    for (name, value, least, most) in bounds {
        if !(least..=most).contains(&value) {
            findings.error(
                line,
                format!(
                    "refresh_token.{name}: {value} must lie between {least} and {most} seconds"
                ),
            );
        }
    }
    let policy = Policy::of(refresh, client.is_public());
    if refresh.infinite_token_lifetime && client.is_public() {
        findings.warn(line, format!(
            "client {}: refresh tokens of a public client always end: infinite_token_lifetime is taken as 30 days",
            client.name
        ));
    }
    if let (Some(idle), Some(absolute)) = (policy.idle_timeout, policy.absolute_lifetime)
        && idle > absolute
    {
        findings.warn(
            line,
            format!(
                "client {}: idle_token_lifetime is longer than token_lifetime",
                client.name
            ),
        );
    }
    if policy.rotating && policy.leeway == 0 && policy.retry_window == 0 {
        findings.warn(line, format!(
            "client {}: with leeway and retry_window 0 an answer lost on the network signs the person out",
            client.name
        ));
    }
}

/// Settings that are allowed and will be asked about later.
fn surprises(client: &Client, object: &Object, findings: &mut Findings) {
    let browser = client.app_type == AppType::Spa;
    if browser && client.web_origins.is_empty() && !client.callbacks.is_empty() {
        findings.warn(
            object.line,
            format!(
                "client {}: without web_origins silent sign-in in a frame is refused",
                client.name
            ),
        );
    }
    let interactive = client.app_type != AppType::NonInteractive;
    if interactive && client.allowed_logout_urls.is_empty() && !client.callbacks.is_empty() {
        findings.warn(
            object.line,
            format!(
                "client {}: without allowed_logout_urls nobody can be sent back after signing out",
                client.name
            ),
        );
    }
    for url in &client.allowed_logout_urls {
        // SDKs return to `window.location.origin` or their base URL, which has no slash at its end.
        if let Some(bare) = url.strip_suffix('/')
            && Url::parse(url).is_ok_and(|parsed| parsed.path() == "/")
            && !client.allowed_logout_urls.iter().any(|other| other == bare)
        {
            findings.warn(
                object.line_of("allowed_logout_urls"),
                format!(
                    "client {}: SDKs return to {bare} without a slash, which /oidc/logout compares exactly: list it too",
                    client.name
                ),
            );
        }
    }
    let confidential = !client.is_public() && client.jwks.is_none();
    if confidential
        && client.app_type == AppType::RegularWeb
        && client.oidc_logout.backchannel_logout_urls.is_empty()
    {
        findings.warn(object.line, format!(
            "client {}: without oidc_logout.backchannel_logout_urls it does not hear when a session ends", client.name
        ));
    }
    if client
        .custom_claims
        .keys()
        .any(|name| name == "sub" || name == "iss")
    {
        findings.warn(
            object.line_of("custom_claims"),
            "claims of the protocol cannot be replaced",
        );
    }
}

pub fn api(api: &Api, object: &Object, findings: &mut Findings) {
    if !(1..=tokens::LONGEST).contains(&api.token_lifetime) {
        findings.error(
            object.line_of("token_lifetime"),
            format!(
                "token_lifetime: {} must lie between 1 and {} seconds",
                api.token_lifetime,
                tokens::LONGEST
            ),
        );
    }
    if api
        .token_lifetime_for_web
        .is_some_and(|web| web < 1 || web > api.token_lifetime)
    {
        findings.error(
            object.line_of("token_lifetime_for_web"),
            "token_lifetime_for_web must be positive and not longer than token_lifetime",
        );
    }
    if let Some(possession) = &api.proof_of_possession
        && possession.required
        && possession.mechanism != "dpop"
    {
        findings.error(
            object.line_of("proof_of_possession"),
            format!(
                "proof_of_possession.mechanism: {:?} is not supported: write dpop, or required: false",
                possession.mechanism
            ),
        );
    }
    let (setting, for_web) = match api.token_lifetime_for_web {
        Some(web) => ("token_lifetime_for_web", web),
        None => ("token_lifetime", api.token_lifetime),
    };
    if for_web <= 60 {
        findings.warn(object.line_of(setting), format!(
            "API {}: browser SDKs renew 60 s early, so with {for_web} s they ask for a token at every call",
            api.identifier
        ));
    }
}

/// The algorithms of an export that we do not sign with, named before a parser would stumble over them.
pub fn check_algorithm(
    value: Option<&Value>,
    line: usize,
    what: &str,
    findings: &mut Findings,
) -> bool {
    match value.and_then(Value::as_str) {
        None | Some("RS256" | "ES256" | "EdDSA") => true,
        Some(other) => {
            findings.error(
                line,
                format!(
                    "{what}: the algorithm {other} is not supported: write RS256 (or ES256, EdDSA)"
                ),
            );
            false
        }
    }
}
