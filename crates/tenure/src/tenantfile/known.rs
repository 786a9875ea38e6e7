//! The members that objects of a tenant file may have. A misspelt one is kept and does nothing, which
//! its author should hear.

use super::Findings;
use super::yaml::{Data, Node};

mod connection;
mod near;

pub use connection::{CONNECTION, OIDC_CONNECTION};

/// What an object may have.
#[derive(Debug)]
pub struct Shape {
    /// What Tenure interprets or keeps by name.
    own: &'static [&'static str],
    /// What the Management API has besides: in exports, without a meaning here.
    foreign: &'static [&'static str],
    /// Objects, or lists of them, whose members are known as well.
    inside: &'static [(&'static str, &'static Shape)],
}

pub static TENANT: Shape = Shape {
    own: &[
        "profile",
        "friendly_name",
        "picture_url",
        "support_email",
        "support_url",
        "default_audience",
        "default_redirection_uri",
        "allowed_logout_urls",
        "enabled_locales",
        "session_lifetime",
        "idle_session_lifetime",
        "ephemeral_session_lifetime",
        "idle_ephemeral_session_lifetime",
        "session_lifetime_in_minutes",
        "idle_session_lifetime_in_minutes",
        "ephemeral_session_lifetime_in_minutes",
        "idle_ephemeral_session_lifetime_in_minutes",
        "session_cookie",
        "sessions",
        "authorization_response_iss_parameter_supported",
        "pushed_authorization_requests_supported",
        "invalid_grant_status",
    ],
    foreign: &[
        "acr_values_supported",
        "allow_organization_name_in_authentication_api",
        "change_password",
        "client_id_metadata_document_supported",
        "country_codes",
        "customize_mfa_in_postlogin_action",
        "default_directory",
        "default_token_quota",
        "device_flow",
        "dynamic_client_registration_security_mode",
        "enable_ai_guide",
        "error_page",
        "flags",
        "guardian_mfa_page",
        "include_session_metadata_in_tenant_logs",
        "legacy_sandbox_version",
        "mtls",
        "oidc_logout",
        "phone_consolidated_experience",
        "resource_parameter_profile",
        "sandbox_version",
        "sandbox_versions_available",
        "skip_non_verifiable_callback_uri_confirmation_prompt",
        "universal_login",
    ],
    inside: &[
        ("session_cookie", &SESSION_COOKIE),
        ("sessions", &SESSIONS),
        ("oidc_logout", &TENANT_LOGOUT),
    ],
};

static SESSION_COOKIE: Shape = Shape {
    own: &["mode"],
    foreign: &[],
    inside: &[],
};

static SESSIONS: Shape = Shape {
    own: &["oidc_logout_prompt_enabled"],
    foreign: &["anonymous"],
    inside: &[],
};

static TENANT_LOGOUT: Shape = Shape {
    own: &[],
    foreign: &["rp_logout_end_session_endpoint_discovery"],
    inside: &[],
};

pub static CLIENT: Shape = Shape {
    own: &[
        "profile",
        "client_id",
        "client_secret",
        "name",
        "description",
        "logo_uri",
        "app_type",
        "is_first_party",
        "callbacks",
        "allowed_origins",
        "web_origins",
        "allowed_logout_urls",
        "grant_types",
        "token_endpoint_auth_method",
        "client_authentication_methods",
        "jwt_configuration",
        "refresh_token",
        "oidc_logout",
        "initiate_login_uri",
        "require_pushed_authorization_requests",
        "require_proof_of_possession",
        "jwks",
        "default_max_age",
        "require_auth_time",
        "allow_wildcard_subdomains",
        "session_expiry",
        "connection_claim",
        "custom_claims",
        "end_offline_on_logout",
    ],
    foreign: &[
        "addons",
        "allowed_clients",
        "async_approval_notification_channels",
        "callback_url_template",
        "client_aliases",
        "client_metadata",
        "compliance_level",
        "config_route",
        "cross_origin_auth",
        "cross_origin_authentication",
        "cross_origin_loc",
        "custom_login_page",
        "custom_login_page_on",
        "custom_login_page_preview",
        "default_organization",
        "encryption_key",
        "express_configuration",
        "external_client_id",
        "external_metadata_type",
        "form_template",
        "global",
        "is_token_endpoint_ip_header_trusted",
        "jwks_uri",
        "mobile",
        "my_organization_configuration",
        "native_social_login",
        "oidc_conformant",
        "organization_discovery_methods",
        "organization_require_behavior",
        "organization_usage",
        "owners",
        "par_request_expiry",
        "redirection_policy",
        "resource_server_identifier",
        "session_transfer",
        "signed_request_object",
        "signing_keys",
        "skip_non_verifiable_callback_uri_confirmation_prompt",
        "sso",
        "sso_disabled",
        "tenant",
        "third_party_security_mode",
        "token_exchange",
        "token_quota",
    ],
    inside: &[
        ("jwt_configuration", &JWT_CONFIGURATION),
        ("refresh_token", &REFRESH_TOKEN),
        ("oidc_logout", &CLIENT_LOGOUT),
    ],
};

static JWT_CONFIGURATION: Shape = Shape {
    own: &["lifetime_in_seconds", "alg"],
    foreign: &["secret_encoded", "scopes"],
    inside: &[],
};

static REFRESH_TOKEN: Shape = Shape {
    own: &[
        "rotation_type",
        "expiration_type",
        "leeway",
        "retry_window",
        "token_lifetime",
        "infinite_token_lifetime",
        "idle_token_lifetime",
        "infinite_idle_token_lifetime",
    ],
    foreign: &["policies"],
    inside: &[],
};

static CLIENT_LOGOUT: Shape = Shape {
    own: &[
        "backchannel_logout_urls",
        "backchannel_logout_initiators",
        "backchannel_logout_include_sub",
    ],
    foreign: &["backchannel_logout_session_metadata"],
    inside: &[("backchannel_logout_initiators", &INITIATORS)],
};

static INITIATORS: Shape = Shape {
    own: &["mode", "selected_initiators"],
    foreign: &[],
    inside: &[],
};

pub static API: Shape = Shape {
    own: &[
        "profile",
        "identifier",
        "name",
        "scopes",
        "signing_alg",
        "allow_offline_access",
        "allow_online_access",
        "skip_consent_for_verifiable_first_party_clients",
        "token_lifetime",
        "token_lifetime_for_web",
        "token_dialect",
        "proof_of_possession",
        "enforce_policies",
        "custom_claims",
    ],
    foreign: &[
        "allow_online_access_with_ephemeral_sessions",
        "authorization_details",
        "authorization_policy",
        "client",
        "client_id",
        "consent_policy",
        "id",
        "is_system",
        "signing_secret",
        "subject_type_authorization",
        "token_encryption",
        "verification_key",
        "verification_location",
    ],
    inside: &[
        ("scopes", &SCOPE),
        ("proof_of_possession", &PROOF_OF_POSSESSION),
    ],
};

static PROOF_OF_POSSESSION: Shape = Shape {
    own: &["mechanism", "required", "required_for"],
    foreign: &[],
    inside: &[],
};

static SCOPE: Shape = Shape {
    own: &["value", "description"],
    foreign: &[],
    inside: &[],
};

pub static CLIENT_GRANT: Shape = Shape {
    own: &["client_id", "audience", "scope"],
    foreign: &[
        "allow_all_scopes",
        "allow_any_organization",
        "authorization_details_types",
        "default_for",
        "id",
        "is_system",
        "organization_usage",
        "subject_type",
    ],
    inside: &[],
};

pub static ROLE: Shape = Shape {
    own: &["name"],
    foreign: &["description", "id", "permissions"],
    inside: &[],
};

pub static USER: Shape = Shape {
    own: &[
        "user_id",
        "email",
        "email_verified",
        "username",
        "phone_number",
        "phone_verified",
        "name",
        "given_name",
        "family_name",
        "nickname",
        "picture",
        "blocked",
        "user_metadata",
        "app_metadata",
        "password",
        "password_hash",
        "permissions",
        "created_at",
        "updated_at",
        "valid_after",
    ],
    foreign: &[
        "blocked_for",
        "connection",
        "guardian_authenticators",
        "identities",
        "last_ip",
        "last_login",
        "last_password_reset",
        "logins_count",
        "multifactor",
        "multifactor_last_modified",
        "passkeys",
        "verify_email",
    ],
    inside: &[("permissions", &PERMISSION)],
};

static PERMISSION: Shape = Shape {
    own: &["resource_server_identifier", "permission_name"],
    foreign: &["description", "resource_server_name", "sources"],
    inside: &[],
};

/// The values of `app_type` that the Management API knows. Those after the first four are taken as web
/// applications.
pub const APP_TYPES: [&str; 26] = [
    "spa",
    "native",
    "regular_web",
    "non_interactive",
    "resource_server",
    "express_configuration",
    "sso_integration",
    "oag",
    "rms",
    "box",
    "cloudbees",
    "concur",
    "dropbox",
    "echosign",
    "egnyte",
    "mscrm",
    "newrelic",
    "office365",
    "salesforce",
    "sentry",
    "sharepoint",
    "slack",
    "springcm",
    "zendesk",
    "zoom",
    "other",
];

/// Warns of every member that nobody knows, with its line. `title` is the object in words.
pub fn check(shape: &Shape, title: &str, node: &Node, findings: &mut Findings) {
    walk(shape, title, "", node, findings);
}

fn walk(shape: &Shape, title: &str, path: &str, node: &Node, findings: &mut Findings) {
    if let Data::List(items) = &node.data {
        for item in items {
            walk(shape, title, path, item, findings);
        }
    }
    for (name, value) in node.entries() {
        let inner = shape.inside.iter().find(|(inside, _)| inside == name);
        if let Some((_, inner)) = inner {
            walk(inner, title, &format!("{path}{name}."), value, findings);
        }
        if shape.has(name) {
            continue;
        }
        let hint = shape
            .near(name)
            .map_or(String::new(), |near| format!("; is {near} meant?"));
        findings.warn(
            value.line,
            format!("{title}: {path}{name} is not known and does nothing{hint}"),
        );
    }
}

/// Whether this is a member of the tenant's settings that means something here.
pub fn is_setting(name: &str) -> bool {
    name != "profile" && TENANT.own.contains(&name)
}

impl Shape {
    fn has(&self, name: &str) -> bool {
        self.own.contains(&name) || self.foreign.contains(&name)
    }

    /// The name that is at most two letters away.
    fn near(&self, name: &str) -> Option<&'static str> {
        let names = self.own.iter().chain(self.foreign).copied();
        names
            .map(|known| (distance(known, name), known))
            .filter(|(letters, known)| *letters <= 2 && known.len() > 3)
            .min()
            .map(|(_, known)| known)
    }
}

/// How many letters must be added, taken away or changed (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (index, letter) in one.chars().enumerate() {
        let mut next = vec![index + 1];
        for ((pair, letter_of_other), left) in row.windows(2).zip(other.chars()).zip(1..) {
            let [diagonal, above] = pair else { continue };
            let before = next.get(left - 1).copied().unwrap_or(left);
            let change = diagonal + usize::from(letter != letter_of_other);
            next.push(change.min(above + 1).min(before + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use tenure_protocol::model::{Api, ApiScope, Client, Connection, Tenant, User};

    #[test]
    fn distances() {
        for (one, other, letters) in [
            ("", "", 0),
            ("", "ab", 2),
            ("callback", "callbacks", 1),
            ("callbacks", "calbacks", 1),
            ("kitten", "sitting", 3),
            ("leeway", "leewya", 2),
        ] {
            assert_eq!(distance(one, other), letters, "{one} {other}");
            assert_eq!(distance(other, one), letters, "{other} {one}");
        }
    }

    /// Whoever adds a setting to a model meets this test.
    #[test]
    fn what_the_models_have_is_known() {
        fn missing(shape: &Shape, value: &Value, path: &str) -> Vec<String> {
            let mut missing = Vec::new();
            for (name, value) in value.as_object().unwrap() {
                if !shape.own.contains(&name.as_str()) {
                    missing.push(format!("{path}{name}"));
                }
                if let Some((_, inner)) = shape.inside.iter().find(|(n, _)| n == name)
                    && value.is_object()
                {
                    missing.extend(missing_inside(inner, value, name));
                }
            }
            missing
        }
        fn missing_inside(shape: &Shape, value: &Value, name: &str) -> Vec<String> {
            missing(shape, value, &format!("{name}."))
        }
        let all = [
            (&TENANT, serde_json::to_value(Tenant::default())),
            (&CLIENT, serde_json::to_value(Client::default())),
            (&API, serde_json::to_value(Api::default())),
            (&SCOPE, serde_json::to_value(ApiScope::default())),
            (
                &OIDC_CONNECTION,
                serde_json::to_value(Connection::default()),
            ),
            (&USER, serde_json::to_value(User::default())),
        ];
        for (shape, value) in all {
            assert_eq!(missing(shape, &value.unwrap(), ""), Vec::<String>::new());
        }
    }
}
