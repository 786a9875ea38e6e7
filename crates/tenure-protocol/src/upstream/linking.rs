//! Whose account a login at an identity provider leads to.

use crate::model::LinkPolicy;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// What is known when the account is chosen.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The user whom this subject of this provider led to before.
    pub identity: Option<&'a str>,
    /// The address that the provider sent.
    pub email: Option<&'a str>,
    /// Whether the provider says that it verified it.
    pub email_verified: bool,
    /// Whether the address lies in a domain assigned to the connection.
    pub owns_domain: bool,
    /// Whether the address lies in a domain assigned to another connection, and not to this.
    pub foreign_domain: bool,
    /// The user who has this address here, and whether it was verified here.
    pub holder: Option<(&'a str, bool)>,
    pub linking: LinkPolicy,
    pub may_sign_up: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision<'a> {
    /// Known.
    SignIn(&'a str),
    /// From now on this subject leads to this user.
    Link(&'a str),
    Create,
    Refuse(Fault),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Somebody has this address, and nothing proves that it is the same person.
    AddressTaken,
    /// The address belongs to another connection: this one has no say about it.
    ForeignDomain,
    SignUpDisabled,
}

impl Fault {
    pub const fn name(self) -> &'static str {
        match self {
            Self::AddressTaken => {
                "another account has this e-mail address, and the connection may not link to it"
            }
            Self::ForeignDomain => "the e-mail domain is assigned to another connection",
            Self::SignUpDisabled => "nobody signed in this way before, and sign-up is disabled",
        }
    }
}

/// A known subject signs in. Otherwise a verified address in an assigned domain joins the account that
/// has it, if it was verified here as well: or whoever registered it first would own what is linked.
pub fn decide<'a>(facts: &Facts<'a>) -> Decision<'a> {
    if let Some(user_id) = facts.identity {
        return Decision::SignIn(user_id);
    }
    if facts.foreign_domain {
        return Decision::Refuse(Fault::ForeignDomain);
    }
    if let Some((user_id, verified_here)) = facts.holder {
        let proven = facts.email_verified && facts.owns_domain && verified_here;
        return if proven && facts.linking == LinkPolicy::VerifiedEmail {
            Decision::Link(user_id)
        } else {
            Decision::Refuse(Fault::AddressTaken)
        };
    }
    if facts.may_sign_up {
        Decision::Create
    } else {
        Decision::Refuse(Fault::SignUpDisabled)
    }
}

/// Whether two addresses are one, whatever the case of their plain letters. Users are found by their
/// addresses in small letters, which are those of other characters too (U+212A becomes a k): whoever has
/// such an address at a provider must not get the account of another.
pub fn is_same_address(theirs: Option<&str>, ours: Option<&str>) -> bool {
    let (Some(theirs), Some(ours)) = (theirs, ours) else {
        return false;
    };
    theirs.trim().eq_ignore_ascii_case(ours.trim())
}

/// Whether a verified address of this user counts for linking by a connection. The user whom another
/// connection made has it on the word of that provider, which has no say about this one's domains: or
/// whoever signed up there with the address, before it was assigned, would own what is linked.
pub fn is_verified_for(connection: &str, user_id: &str, email_verified: bool) -> bool {
    let made_by = user_id
        .strip_prefix("oidc|")
        .and_then(|rest| rest.split_once('|'))
        .map(|(name, _)| name);
    email_verified && made_by.is_none_or(|name| name == connection)
}

/// The id of a user whom a login creates: `oidc|connection|subject`, as Auth0's are. It is the `sub` of
/// our own tokens, so a subject that would not fit there (Core section 2: 255 ASCII characters) is hashed.
pub fn user_id(connection: &str, subject: &str) -> String {
    let plain = format!("oidc|{connection}|{subject}");
    let printable = subject.bytes().all(|b| b.is_ascii_graphic());
    // Nobody's subject can pass for another's hash: that begins with a bar.
    let fits = plain.len() <= 255 && printable && !subject.starts_with('|') && !subject.is_empty();
    if fits {
        return plain;
    }
    let hash = Sha256::digest(subject.as_bytes());
    format!("oidc|{connection}||{}", URL_SAFE_NO_PAD.encode(hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_one_by_their_plain_letters_alone() {
        for (theirs, ours, same) in [
            (Some("Kate@Example.com"), Some("kate@example.com"), true),
            (Some(" kate@example.com"), Some("kate@example.com "), true),
            (
                Some("\u{212a}ate@example.com"),
                Some("kate@example.com"),
                false,
            ),
            (
                Some("k\u{e5}te@example.com"),
                Some("k\u{c5}te@example.com"),
                false,
            ),
            (
                Some("k\u{e5}te@example.com"),
                Some("k\u{e5}te@example.com"),
                true,
            ),
            (Some("kate+x@example.com"), Some("kate@example.com"), false),
            (None, Some("kate@example.com"), false),
            (None, None, false),
        ] {
            assert_eq!(is_same_address(theirs, ours), same, "{theirs:?} {ours:?}");
        }
    }

    #[test]
    fn the_word_of_another_provider_verifies_no_address_for_this_one() {
        for (user_id, verified, counts) in [
            ("auth0|ada", true, true),
            ("auth0|ada", false, false),
            ("oidc|corp|7", true, true),
            ("oidc|corp|7", false, false),
            ("oidc|lax|7", true, false),
            ("oidc|corp2|corp|7", true, false),
            ("oidc|", true, true),
        ] {
            let found = is_verified_for("corp", user_id, verified);
            assert_eq!(found, counts, "{user_id} {verified}");
        }
    }
}
