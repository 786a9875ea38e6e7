//! Why we said no, and what the wire says of it. A refusal is a value: what it changes is committed.

use crate::dpop::ProofFault;
use crate::session::EndReason;

/// Everything Tenure refuses, for the log and the tenant's log entries. The wire gets
/// [`RefusalReason::oauth_error`], which says less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefusalReason {
    AccessDenied,
    AccessTokenBound,
    AccessTokenInvalid,
    AccessTokenTwice,
    AccountSelectionRequired,
    AssertionInvalid,
    AssertionReplayed,
    AudienceNotGranted,
    AudienceUnknown,
    ClientAuthFailed,
    ClientAuthMissing,
    ClientAuthTwice,
    ClientUnknown,
    CodeExpired,
    CodeForeignClient,
    CodeReplayed,
    CodeSessionOver(EndReason),
    CodeUnknown,
    CodeVerifierMissing,
    CodeVerifierUnexpected,
    CodeVerifierWrong,
    ConnectionNotEnabled,
    ConnectionUnknown,
    ConsentRequired,
    CredentialsWrong,
    DpopNonceNeeded,
    DpopProof(ProofFault),
    GrantNotAllowed,
    GrantTypeMissing,
    GrantTypeUnsupported,
    IdTokenHintInvalid,
    InteractionRequired,
    JsonRequired,
    LoginRequired,
    MalformedRequest,
    MissingParameter(&'static str),
    NonceMissing,
    OriginNotOfParticipant,
    ParNotBound,
    ParRequired,
    PkceMethodUnsupported,
    PkceRequired,
    PromptInvalid,
    PromptUnsupported,
    PushedTooOften,
    RedirectUriMismatch,
    RedirectUriMissing,
    RedirectUriNotRegistered,
    RefreshTokenExpired,
    RefreshTokenFamilyEnded(EndReason),
    RefreshTokenFromTheFuture,
    RefreshTokenOtherKey,
    RefreshTokenReused,
    RefreshTokenSessionOver(EndReason),
    RefreshTokenUnknown,
    RegistrationNotSupported,
    RepeatedParameter,
    RequestNotSupported,
    RequestTooLarge,
    RequestUriInvalid,
    RequestUriNotSupported,
    ResponseModeUnsupported,
    ResponseTypeMissing,
    ResponseTypeNotAllowed,
    ResponseTypeUnsupported,
    ScopeConflict,
    ScopeInvalid,
    ThirdPartyExtension,
    TokenTypeUnsupported,
    UnmetAuthenticationRequirements,
    UserBlocked,
    UserGone,
    WebOriginNotRegistered,
    WrongMediaType,
}

/// What the wire says: RFC 6749 sections 4.1.2.1 and 5.2, OpenID Connect Core 3.1.2.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OAuthError {
    pub code: &'static str,
    /// Fixed text: nothing of a request can leak into it.
    pub description: &'static str,
    /// HTTP status where the error is not redirected.
    pub status: u16,
}

impl RefusalReason {
    /// The one mapping from reasons to the wire.
    pub fn oauth_error(self) -> OAuthError {
        let (code, description) = self.wire();
        let status = match self {
            // RFC 6749 section 5.2: 401 for failed client authentication, and for nothing else there.
            Self::ClientAuthFailed
            | Self::ClientAuthMissing
            | Self::AssertionInvalid
            | Self::AssertionReplayed
            | Self::AccessTokenBound
            | Self::AccessTokenInvalid => 401,
            // RFC 6750 section 3.1: a credential that does not reach so far.
            Self::OriginNotOfParticipant | Self::ThirdPartyExtension => 403,
            // RFC 9126 section 2.3.
            Self::PushedTooOften => 429,
            _ => 400,
        };
        OAuthError {
            code,
            description,
            status,
        }
    }

    fn wire(self) -> (&'static str, &'static str) {
        match self {
            Self::AccessDenied => ("access_denied", "The resource owner denied the request"),
            Self::AccessTokenBound => (
                "invalid_token",
                "The access token is bound to a key: send it with the DPoP scheme and a proof by that key",
            ),
            Self::AccessTokenInvalid => (
                "invalid_token",
                "The access token is missing, expired, revoked or not for this resource",
            ),
            Self::AccessTokenTwice => (
                "invalid_request",
                "The access token was sent more than once",
            ),
            Self::AccountSelectionRequired => {
                ("account_selection_required", "Account selection required")
            }
            Self::AssertionInvalid => ("invalid_client", "The client assertion is not valid"),
            Self::AssertionReplayed => ("invalid_client", "The client assertion was used before"),
            Self::AudienceNotGranted => (
                "access_denied",
                "Client is not authorized to access the requested audience; create a client grant for it",
            ),
            Self::AudienceUnknown => (
                "invalid_request",
                "The audience names no API of this tenant",
            ),
            Self::ClientAuthFailed => ("invalid_client", "Client authentication failed"),
            Self::ClientAuthMissing => ("invalid_client", "Client authentication is required"),
            Self::ClientAuthTwice => (
                "invalid_request",
                "The client authenticated in more than one way",
            ),
            Self::ClientUnknown => ("invalid_client", "The client is unknown"),
            Self::CodeExpired
            | Self::CodeForeignClient
            | Self::CodeReplayed
            | Self::CodeSessionOver(_)
            | Self::CodeUnknown
            | Self::RedirectUriMismatch
            // RFC 6749 section 5.2 knows no access_denied at the token endpoint.
            | Self::UserGone => ("invalid_grant", "Invalid authorization code"),
            Self::CodeVerifierMissing | Self::CodeVerifierUnexpected | Self::CodeVerifierWrong => {
                ("invalid_grant", "Failed to verify code verifier")
            }
            Self::ConnectionNotEnabled => (
                "invalid_request",
                "the connection is not enabled for the client",
            ),
            Self::ConnectionUnknown => ("invalid_request", "the connection was not found"),
            Self::ConsentRequired => ("consent_required", "Consent required"),
            Self::CredentialsWrong => ("invalid_grant", "Wrong email or password."),
            Self::DpopNonceNeeded => (
                "use_dpop_nonce",
                "The DPoP proof must carry the nonce of the DPoP-Nonce header",
            ),
            Self::DpopProof(fault) => ("invalid_dpop_proof", fault.text()),
            Self::GrantNotAllowed => (
                "unauthorized_client",
                "The client's grant_types do not allow this grant type",
            ),
            Self::GrantTypeMissing => ("invalid_request", "The parameter grant_type is missing"),
            Self::GrantTypeUnsupported => {
                ("unsupported_grant_type", "The grant type is not supported")
            }
            Self::IdTokenHintInvalid => (
                "invalid_request",
                "The id_token_hint is not a token of this issuer for this client",
            ),
            Self::InteractionRequired => ("interaction_required", "Interaction required"),
            Self::JsonRequired => (
                "invalid_request",
                "The Content-Type must be application/json",
            ),
            Self::LoginRequired => ("login_required", "Login required"),
            Self::MalformedRequest => ("invalid_request", "The request is malformed"),
            Self::MissingParameter(name) => ("invalid_request", missing(name)),
            Self::NonceMissing => (
                "invalid_request",
                "The parameter nonce is required for this response type",
            ),
            Self::OriginNotOfParticipant => (
                "access_denied",
                "The request does not come from a registered origin of a participant of the session",
            ),
            Self::ParNotBound => (
                "invalid_request",
                "The request_uri belongs to another client",
            ),
            Self::ParRequired => (
                "invalid_request",
                "The client must use pushed authorization requests",
            ),
            Self::PkceMethodUnsupported => {
                ("invalid_request", "The code_challenge_method must be S256")
            }
            Self::PkceRequired => (
                "invalid_request",
                "Public clients must send a code_challenge (PKCE)",
            ),
            Self::PromptInvalid => (
                "invalid_request",
                "The prompt none cannot be combined with others",
            ),
            Self::PromptUnsupported => ("invalid_request", "The prompt value is not supported"),
            Self::RedirectUriMissing => {
                ("invalid_request", "The parameter redirect_uri is missing")
            }
            Self::RedirectUriNotRegistered => (
                "invalid_request",
                "The redirect_uri is not in the client's callbacks",
            ),
            Self::RefreshTokenExpired
            | Self::RefreshTokenFamilyEnded(_)
            | Self::RefreshTokenFromTheFuture
            | Self::RefreshTokenOtherKey
            | Self::RefreshTokenReused
            | Self::RefreshTokenSessionOver(_)
            | Self::RefreshTokenUnknown => ("invalid_grant", "Unknown or invalid refresh token."),
            Self::PushedTooOften => (
                "temporarily_unavailable",
                "Too many requests were pushed from this network: try again in a second",
            ),
            Self::RegistrationNotSupported => (
                "registration_not_supported",
                "The registration parameter is not supported",
            ),
            Self::RepeatedParameter => ("invalid_request", "A parameter was sent more than once"),
            Self::RequestNotSupported => (
                "request_not_supported",
                "The request parameter is not supported",
            ),
            Self::RequestTooLarge => ("invalid_request", "The request is larger than 16384 bytes"),
            Self::RequestUriInvalid => (
                "invalid_request_uri",
                "The request_uri is unknown, used or expired",
            ),
            Self::RequestUriNotSupported => (
                "request_uri_not_supported",
                "Only a request_uri from the pushed authorization request endpoint is supported",
            ),
            Self::ResponseModeUnsupported => (
                "invalid_request",
                "The response_mode is not supported for this response type",
            ),
            Self::ResponseTypeMissing => {
                ("invalid_request", "The parameter response_type is missing")
            }
            Self::ResponseTypeNotAllowed => (
                "unauthorized_client",
                "The client's grant_types do not allow this response type",
            ),
            Self::ResponseTypeUnsupported => (
                "unsupported_response_type",
                "The response type is not supported",
            ),
            Self::ScopeConflict => (
                "invalid_request",
                "offline_access and online_access exclude each other",
            ),
            Self::ScopeInvalid => ("invalid_scope", "The scope is malformed"),
            Self::ThirdPartyExtension => (
                "access_denied",
                "Only first-party clients may extend a session",
            ),
            Self::TokenTypeUnsupported => {
                ("unsupported_token_type", "The token type is not supported")
            }
            Self::UnmetAuthenticationRequirements => (
                "unmet_authentication_requirements",
                "The requested authentication context cannot be reached",
            ),
            Self::UserBlocked => ("access_denied", "user is blocked"),
            Self::WebOriginNotRegistered => (
                "invalid_request",
                "The origin of the redirect_uri is not in the client's web_origins",
            ),
            Self::WrongMediaType => (
                "invalid_request",
                "The Content-Type must be application/x-www-form-urlencoded or application/json",
            ),
        }
    }

    /// Why, for a client that may know: the end of its own family or session.
    pub const fn end_reason(self) -> Option<EndReason> {
        match self {
            Self::RefreshTokenFamilyEnded(reason)
            | Self::RefreshTokenSessionOver(reason)
            | Self::CodeSessionOver(reason) => Some(reason),
            Self::UserBlocked => Some(EndReason::AccountDisabled),
            Self::RefreshTokenReused => Some(EndReason::ReuseDetected),
            Self::RefreshTokenFromTheFuture => Some(EndReason::PolicyChange),
            _ => None,
        }
    }
}

/// One text for each parameter that may be missed: nothing of a request is part of it.
fn missing(name: &str) -> &'static str {
    match name {
        "audience" => "The parameter audience is missing",
        "client_id" => "The parameter client_id is missing",
        "code" => "The parameter code is missing",
        "refresh_token" => "The parameter refresh_token is missing",
        "token" => "The parameter token is missing",
        _ => "A required parameter is missing",
    }
}
