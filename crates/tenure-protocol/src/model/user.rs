//! A user. The password hash is not part of it: it is stored beside it and read only to check a password.

use crate::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct User {
    /// The `sub` claim, such as `auth0|5f7c8ec7c33c6c004bbafe82`.
    pub user_id: String,
    pub email: Option<String>,
    pub email_verified: bool,
    pub username: Option<String>,
    pub phone_number: Option<String>,
    pub phone_verified: bool,
    pub name: Option<String>,
    pub given_name: Option<String>,
    pub family_name: Option<String>,
    pub nickname: Option<String>,
    pub picture: Option<String>,
    pub blocked: bool,
    /// Whatever was authenticated before this instant is over: a credential change, a block,
    /// a deletion is this one write (design 1.6).
    pub valid_after: Timestamp,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub user_metadata: Map<String, Value>,
    pub app_metadata: Map<String, Value>,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl User {
    pub fn identifiers(&self) -> UserIdentifiers {
        let fold = |text: &String| text.trim().to_lowercase();
        UserIdentifiers {
            email: self.email.as_ref().map(fold),
            username: self.username.as_ref().map(fold),
        }
    }
}

/// What a person may type to name themselves, folded for comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserIdentifiers {
    pub email: Option<String>,
    pub username: Option<String>,
}
