//! What the wire says of a refusal: total, fixed, and no more than it should (design 1.6, 1.8).

use tenure_protocol::RefusalReason;
use tenure_protocol::dpop::ProofFault;
use tenure_protocol::session::EndReason;

/// Every reason once. The match has no wildcard: a new reason does not compile until it is listed.
macro_rules! every_reason {
    ($($name:ident $(($value:expr))?),* $(,)?) => {
        const ALL: &[RefusalReason] = &[$(RefusalReason::$name $(($value))?),*];

        const fn is_listed(reason: RefusalReason) -> bool {
            match reason {
                $(every_reason!(@pattern $name $($value)?) => true,)*
            }
        }
    };
    (@pattern $name:ident) => { RefusalReason::$name };
    (@pattern $name:ident $value:expr) => { RefusalReason::$name(_) };
}

every_reason! {
    AccessDenied, AccessTokenBound, AccessTokenInvalid, AccessTokenTwice, AccountSelectionRequired, AssertionInvalid, AssertionReplayed,
    AudienceNotGranted, AudienceUnknown, ClientAuthFailed, ClientAuthMissing, ClientAuthTwice,
    ClientUnknown, CodeExpired, CodeForeignClient, CodeReplayed, CodeSessionOver(EndReason::Idle),
    CodeUnknown, CodeVerifierMissing, CodeVerifierUnexpected, CodeVerifierWrong, ConnectionNotEnabled,
    ConnectionUnknown, ConsentRequired,
    CredentialsWrong, DpopNonceNeeded, DpopProof(ProofFault::Key), GrantNotAllowed, GrantTypeMissing, GrantTypeUnsupported, IdTokenHintInvalid,
    InteractionRequired, JsonRequired, LoginRequired, MalformedRequest, MissingParameter("code"), NonceMissing, OriginNotOfParticipant,
    ParNotBound, ParRequired, PkceMethodUnsupported, PkceRequired, PromptInvalid, PromptUnsupported,
    PushedTooOften, RedirectUriMismatch, RedirectUriMissing, RedirectUriNotRegistered, RefreshTokenExpired,
    RefreshTokenFamilyEnded(EndReason::AdminRevoked), RefreshTokenFromTheFuture, RefreshTokenOtherKey, RefreshTokenReused,
    RefreshTokenSessionOver(EndReason::Absolute), RefreshTokenUnknown, RegistrationNotSupported,
    RepeatedParameter, RequestNotSupported, RequestTooLarge, RequestUriInvalid, RequestUriNotSupported,
    ResponseModeUnsupported, ResponseTypeMissing, ResponseTypeNotAllowed, ResponseTypeUnsupported,
    ScopeConflict, ScopeInvalid, ThirdPartyExtension, TokenTypeUnsupported, UnmetAuthenticationRequirements, UserBlocked,
    UserGone, WebOriginNotRegistered, WrongMediaType,
}

/// RFC 6749 sections 4.1.2.1 and 5.2, OpenID Connect Core 3.1.2.6, RFC 7009 section 2.2.1, RFC 6750
/// section 3.1, RFC 9449 sections 5 and 8, and OpenID Connect's `unmet_authentication_requirements`.
const CODES: [&str; 23] = [
    "access_denied",
    "account_selection_required",
    "consent_required",
    "interaction_required",
    "invalid_client",
    "invalid_dpop_proof",
    "invalid_grant",
    "invalid_request",
    "invalid_request_object",
    "invalid_request_uri",
    "invalid_scope",
    "invalid_token",
    "login_required",
    "registration_not_supported",
    "request_not_supported",
    "request_uri_not_supported",
    "unauthorized_client",
    "unmet_authentication_requirements",
    "unsupported_grant_type",
    "unsupported_response_type",
    "unsupported_token_type",
    "temporarily_unavailable",
    "use_dpop_nonce",
];

#[test]
fn every_refusal_has_a_registered_code_and_a_clean_description() {
    for reason in ALL {
        assert!(is_listed(*reason));
        let error = reason.oauth_error();
        assert!(CODES.contains(&error.code), "{reason:?}: {}", error.code);
        // RFC 6749 section 5.2: %x20-21 / %x23-5B / %x5D-7E.
        let clean = |b: u8| matches!(b, 0x20 | 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        assert!(
            !error.description.is_empty() && error.description.bytes().all(clean),
            "{reason:?}"
        );
        assert_eq!(error.description.trim(), error.description, "{reason:?}");
    }
}

/// 400, but for what a credential does not reach (403), for failed client authentication, for a resource server's 401 (RFC 6750 section 3.1) and
/// for a body that is not read. An unknown client at `/authorize` or a logout has nothing to prove: 400.
#[test]
fn only_failed_authentication_is_401() {
    use RefusalReason as No;
    for reason in ALL {
        let error = reason.oauth_error();
        let expected = match reason {
            No::AccessTokenBound | No::AccessTokenInvalid => 401,
            No::ClientUnknown => 400,
            No::OriginNotOfParticipant | No::ThirdPartyExtension => 403,
            No::PushedTooOften => 429,
            _ if error.code == "invalid_client" => 401,
            _ => 400,
        };
        assert_eq!(error.status, expected, "{reason:?}");
    }
}

fn refresh_token_refusals() -> Vec<RefusalReason> {
    use RefusalReason as No;
    let with_reason = EndReason::ALL.into_iter().flat_map(|reason| {
        [
            No::RefreshTokenFamilyEnded(reason),
            No::RefreshTokenSessionOver(reason),
        ]
    });
    [
        No::RefreshTokenExpired,
        No::RefreshTokenFromTheFuture,
        No::RefreshTokenOtherKey,
        No::RefreshTokenReused,
    ]
    .into_iter()
    .chain(with_reason)
    .collect()
}

/// Design 1.3, rule 2: a thief cannot tell reuse from an unknown token.
#[test]
fn the_refresh_token_refusals_are_one_on_the_wire() {
    let unknown = RefusalReason::RefreshTokenUnknown.oauth_error();
    assert_eq!((unknown.code, unknown.status), ("invalid_grant", 400));
    assert_eq!(unknown.description, "Unknown or invalid refresh token.");
    for reason in refresh_token_refusals() {
        assert_eq!(reason.oauth_error(), unknown, "{reason:?}");
    }
}

#[test]
fn the_code_refusals_do_not_tell_whose_code_it_was() {
    use RefusalReason as No;
    let unknown = No::CodeUnknown.oauth_error();
    for reason in [
        No::CodeExpired,
        No::CodeForeignClient,
        No::CodeReplayed,
        No::CodeSessionOver(EndReason::Idle),
        No::UserGone,
    ] {
        assert_eq!(reason.oauth_error(), unknown, "{reason:?}");
    }
}

/// Auth0's SDKs look for these words.
#[test]
fn descriptions_that_sdks_read() {
    use RefusalReason as No;
    for (reason, code, description) in [
        (No::LoginRequired, "login_required", "Login required"),
        (No::ConsentRequired, "consent_required", "Consent required"),
        (
            No::CodeUnknown,
            "invalid_grant",
            "Invalid authorization code",
        ),
        (
            No::CodeVerifierWrong,
            "invalid_grant",
            "Failed to verify code verifier",
        ),
        (No::UserBlocked, "access_denied", "user is blocked"),
    ] {
        let error = reason.oauth_error();
        assert_eq!((error.code, error.description), (code, description));
    }
}

#[test]
fn the_end_reason_behind_a_refusal() {
    use RefusalReason as No;
    for reason in EndReason::ALL {
        for refusal in [
            No::RefreshTokenFamilyEnded(reason),
            No::RefreshTokenSessionOver(reason),
            No::CodeSessionOver(reason),
        ] {
            assert_eq!(refusal.end_reason(), Some(reason));
        }
    }
    assert_eq!(
        No::UserBlocked.end_reason(),
        Some(EndReason::AccountDisabled)
    );
    assert_eq!(
        No::RefreshTokenReused.end_reason(),
        Some(EndReason::ReuseDetected)
    );
    assert_eq!(
        No::RefreshTokenFromTheFuture.end_reason(),
        Some(EndReason::PolicyChange)
    );
    // An unknown or expired token says nothing of a family.
    assert_eq!(No::RefreshTokenUnknown.end_reason(), None);
    assert_eq!(No::RefreshTokenExpired.end_reason(), None);
}
