//! What connections may have: those of other kinds, which are only kept, and those that are interpreted.

use super::Shape;

pub static CONNECTION: Shape = Shape {
    own: &["name"],
    foreign: &[
        "authentication",
        "connected_accounts",
        "cross_app_access_requesting_app",
        "directory_provisioning_configuration",
        "display_name",
        "enabled_clients",
        "id",
        "is_domain_connection",
        "metadata",
        "options",
        "provisioning_ticket_url",
        "realms",
        "scim_configuration",
        "show_as_button",
        "strategy",
    ],
    inside: &[],
};

pub static OIDC_CONNECTION: Shape = Shape {
    own: &[
        "name",
        "display_name",
        "strategy",
        "enabled_clients",
        "show_as_button",
        "preset",
        "options",
        "upstream",
    ],
    foreign: &[
        "authentication",
        "connected_accounts",
        "cross_app_access_requesting_app",
        "id",
        "is_domain_connection",
        "metadata",
        "provisioning_ticket_url",
        "realms",
        "scim_configuration",
    ],
    inside: &[("options", &OPTIONS), ("upstream", &UPSTREAM)],
};

static OPTIONS: Shape = Shape {
    own: &[
        "issuer",
        "domain",
        "realm",
        "discovery_url",
        "client_id",
        "client_secret",
        "scope",
        "token_endpoint_auth_method",
        "domain_aliases",
        "icon_url",
        "disable_signup",
        "id_token_session_expiry_supported",
    ],
    foreign: &[
        "attribute_map",
        "authorization_endpoint",
        "connection_settings",
        "dpop_signing_alg",
        "federated_connections_access_tokens",
        "id_token_signed_response_algs",
        "jwks_uri",
        "non_persistent_attrs",
        "oidc_metadata",
        "schema_version",
        "send_back_channel_nonce",
        "set_user_root_attributes",
        "tenant_domain",
        "token_endpoint",
        "token_endpoint_auth_signing_alg",
        "token_endpoint_jwtca_aud_format",
        "type",
        "upstream_params",
        "userinfo_endpoint",
    ],
    inside: &[],
};

static UPSTREAM: Shape = Shape {
    own: &[
        "session_expiry",
        "linking",
        "demand_fresh_auth_time",
        "amr_values",
        "acr_mapping",
        "backchannel_logout",
        "global_token_revocation",
        "confirm_after_minutes",
        "confirm_grace_minutes",
    ],
    foreign: &[],
    inside: &[],
};
