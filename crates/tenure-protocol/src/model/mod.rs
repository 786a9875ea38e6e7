//! What an installation is configured with. The shapes are the Auth0 Management
//! API's, so that an export reads as it is; fields that Tenure does not interpret are kept in `extra`.

mod api;
mod client;
mod connection;
mod tenant;
mod user;

pub use api::{Api, ApiScope, ProofOfPossession, RequiredFor, SigningAlg, TokenDialect};
pub use client::{
    AppType, AuthMethod, BackchannelInitiators, Client, ExpirationType, JwtConfiguration,
    OidcLogout, RefreshTokenPolicy, RotationType, SessionExpiryClaim,
};
pub use connection::{
    Connection, ConnectionOptions, ExpiryPolicy, LinkPolicy, Preset, STRATEGY, UpstreamAuthMethod,
    UpstreamLogoutPolicy, UpstreamPolicy,
};
pub use tenant::{CookieMode, SessionCookie, SessionSettings, Tenant};
pub use user::{User, UserIdentifiers};
