//! Why we said no, and what the wire says of it. A refusal is a value: what it changes is committed.

use crate::session::EndReason;

/// Everything Tenure refuses, for the log and the tenant's log entries. The wire gets
/// [`RefusalReason::oauth_error`], which says less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefusalReason {
    AccessDenied,
    AccessTokenInvalid,
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
    ConsentRequired,
    CredentialsWrong,
    GrantNotAllowed,
    GrantTypeMissing,
    GrantTypeUnsupported,
    IdTokenHintInvalid,
    InteractionRequired,
    LoginRequired,
    MalformedRequest,
    MissingParameter(&'static str),
    NonceMissing,
    ParNotBound,
    ParRequired,
    PkceMethodUnsupported,
    PkceRequired,
    PromptInvalid,
    PromptUnsupported,
    RedirectUriMismatch,
    RedirectUriMissing,
    RedirectUriNotRegistered,
    RefreshTokenExpired,
    RefreshTokenFamilyEnded(EndReason),
    RefreshTokenFromTheFuture,
    RefreshTokenReused,
    RefreshTokenSessionOver(EndReason),
    RefreshTokenUnknown,
    RegistrationNotSupported,
    RepeatedParameter,
    RequestNotSupported,
    RequestUriInvalid,
    RequestUriNotSupported,
    ResponseModeUnsupported,
    ResponseTypeMissing,
    ResponseTypeNotAllowed,
    ResponseTypeUnsupported,
    ScopeConflict,
    ScopeInvalid,
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
        todo!()
    }
}
