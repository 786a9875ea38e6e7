//! The protocol's endpoints, a file each.

pub mod access;
pub mod answer;
pub mod authorize;
pub mod backchannel;
pub mod claims;
pub mod consent;
pub mod cors;
pub mod discovery;
pub mod dpop;
pub mod introspect;
pub mod issue;
pub mod knowing;
pub mod login;
pub mod logout;
pub mod par;
pub mod revoke;
pub mod sessions;
pub mod sign_in;
pub mod token;
pub mod transaction;
pub mod upstream;
pub mod userinfo;
