//! The end of everything of one user: after a credential change, a block or a deletion (design 1.6).

use crate::refresh::Family;
use crate::session::{EndReason, Rule, Session, UserStanding, Verdict};
use crate::{Sid, Timestamp};

/// A user of whom every session and family is over and is to be ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserEnd {
    pub user_id: String,
    pub reason: EndReason,
    pub by: String,
    pub from: String,
    /// The one session that stays: in which a person changed their own password.
    pub keep: Option<Sid>,
    /// What was authenticated before this instant is over.
    pub at: Timestamp,
}

impl UserEnd {
    /// Why the session ends, or `None` for one that stays: the kept one, and one that began after the
    /// change. A session whose time was over before is told the truth about that.
    pub fn ends_session(&self, session: &Session, user: UserStanding) -> Option<Verdict> {
        if session.end.is_some() {
            return None;
        }
        let is_kept = self.keep == Some(session.sid);
        let is_older = session.proven_at() < self.at && !is_kept;
        if !is_older && user.exists && !user.blocked {
            return None;
        }
        let unchanged = UserStanding {
            exists: true,
            blocked: false,
            valid_after: Timestamp::from_millis(i64::MIN),
        };
        Some(
            session
                .verdict(None, unchanged, self.at)
                .unwrap_or(Verdict {
                    reason: self.reason,
                    rule: self.rule(),
                    since: self.at,
                }),
        )
    }

    /// Whether the family ends. A kept session keeps no families: their tokens may be what the person
    /// changed the password for.
    pub fn ends_family(&self, family: &Family, user: UserStanding) -> bool {
        let is_older = family.created_at < self.at;
        family.end.is_none() && (is_older || !user.exists || user.blocked)
    }

    pub const fn rule(&self) -> Rule {
        match self.reason {
            EndReason::AccountDisabled => Rule::User,
            _ => Rule::ValidAfter,
        }
    }
}
