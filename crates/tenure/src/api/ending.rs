//! What the management API ends: in the one way in which everything ends, with who, why and from where.

use super::error::ApiError;
use super::gate::Call;
use crate::oidc::sessions::{self, Judge};
use std::sync::Arc;
use tenure_protocol::management::RefreshTokenId;
use tenure_protocol::refresh::{Family, FamilyKind};
use tenure_protocol::session::{End, EndReason};
use tenure_protocol::{FamilyId, Sid};
use tenure_store::{StoreError, Tx};

/// Sessions, or families, in one transaction; each is some rows.
const BATCH: usize = 50;

/// Families that are looked at in one read, where all must be looked at.
const LOOK: i64 = 1_000;

/// Which families of a session end with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Families {
    /// Those that end with it by the rules, as when an operator ends it on the command line.
    ByRule,
    /// All of them.
    All,
    /// Only those that cannot be without it.
    Bound,
}

/// What was found under an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    Nothing,
    /// It is over: it was ended, or had been before.
    Over,
}

impl Found {
    pub fn or(self, nothing: fn() -> ApiError) -> Result<(), ApiError> {
        match self {
            Self::Over => Ok(()),
            Self::Nothing => Err(nothing()),
        }
    }
}

impl Call {
    fn judge(&self) -> Judge<'_> {
        Judge {
            settings: &self.settings,
            caps: &self.app.config.caps,
            entropy: &self.app.entropy,
            metrics: Some(&self.app.metrics),
            now: self.now,
        }
    }

    fn end(&self) -> End {
        End {
            at: self.now,
            reason: EndReason::AdminRevoked,
            by: self.client_id.clone(),
            from: self.caller.address.clone(),
            rule: "management API".to_owned(),
        }
    }

    /// Ends a session, of this user if one is named. Once more does no harm.
    pub async fn end_session(
        &self,
        sid: Sid,
        user_id: Option<String>,
        families: Families,
    ) -> Result<Found, StoreError> {
        let call = self.clone();
        let ended = self.app.store.write(move |tx| {
            let session = tx.session(&sid)?;
            let whose = |owner: &str| user_id.as_deref().is_none_or(|user_id| user_id == owner);
            if !session.is_some_and(|session| whose(&session.user_id)) {
                return Ok(Found::Nothing);
            }
            end_session(tx, &sid, &call, families)?;
            Ok(Found::Over)
        });
        ended.await
    }

    /// Ends all sessions that a user has now.
    pub async fn end_sessions(&self, user_id: &str, families: Families) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let (call, user_id) = (self.clone(), user_id.to_owned());
            let most = i64::try_from(BATCH).unwrap_or(i64::MAX);
            let ended = self.app.store.write(move |tx| {
                let sids = tx.unended_sessions(&user_id, after.as_ref(), most)?;
                for sid in &sids {
                    end_session(tx, sid, &call, families)?;
                }
                Ok(sids)
            });
            let ended = ended.await?;
            if ended.len() < BATCH {
                return Ok(());
            }
            after = ended.last().copied();
        }
    }

    /// Revokes one refresh token, with everything that descends from the same grant.
    pub async fn end_family(&self, id: RefreshTokenId) -> Result<Found, StoreError> {
        let call = self.clone();
        let ended = self.app.store.write(move |tx| {
            // The session first: whoever changes its families holds it.
            tx.session(&id.sid)?;
            let Some(family) = tx.family(&id.sid, &id.family_id)? else {
                return Ok(Found::Nothing);
            };
            if family.end.is_none() {
                sessions::end_family(tx, family, call.end(), call.judge())?;
            }
            Ok(Found::Over)
        });
        ended.await
    }

    /// Revokes those of a user's refresh tokens that are picked.
    pub async fn end_families_of_user(
        &self,
        user_id: &str,
        picked: impl Fn(&Family) -> bool + Send + Sync + 'static,
    ) -> Result<(), StoreError> {
        let (mut after, picked) = (None, Arc::new(picked));
        loop {
            let (call, user_id, picked) = (self.clone(), user_id.to_owned(), Arc::clone(&picked));
            let most = i64::try_from(BATCH).unwrap_or(i64::MAX);
            let ended = self.app.store.write(move |tx| {
                let sids = tx.sessions_with_unended_families(&user_id, after.as_ref(), most)?;
                for sid in &sids {
                    tx.session(sid)?;
                    let families = tx.families_of_session(sid)?.into_iter();
                    end_all(tx, families.filter(|family| picked(family)), &call)?;
                }
                Ok(sids)
            });
            let ended = ended.await?;
            if ended.len() < BATCH {
                return Ok(());
            }
            after = ended.last().copied();
        }
    }

    /// Revokes all refresh tokens of a client. There is no index for it, which every new family would
    /// pay for: all are looked at, a page at a time, by readers.
    pub async fn end_families_of_client(&self, client_id: &str) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let page = self.app.store.read(move |tx| tx.family_names(after, LOOK));
            let page = page.await?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = Some((last.sid, last.family_id));
            let of_client = page
                .iter()
                .filter(|name| name.client_id == client_id && !name.has_ended);
            let names: Vec<(Sid, FamilyId)> =
                of_client.map(|name| (name.sid, name.family_id)).collect();
            for some in names.chunks(BATCH) {
                let (call, some) = (self.clone(), some.to_vec());
                let ended = self.app.store.write(move |tx| {
                    for (sid, family_id) in &some {
                        tx.session(sid)?;
                        end_all(tx, tx.family(sid, family_id)?.into_iter(), &call)?;
                    }
                    Ok(())
                });
                ended.await?;
            }
        }
    }
}

/// Ends one session, if nothing has; one whose time was over before is told the truth about that.
fn end_session(tx: &Tx<'_>, sid: &Sid, call: &Call, families: Families) -> Result<(), StoreError> {
    let Some(session) = tx.session(sid)? else {
        return Ok(());
    };
    let (end, judge) = (call.end(), call.judge());
    if session.end.is_none() {
        let standing = tx.user_standing(&session.user_id)?;
        match session.verdict(None, standing, call.now) {
            Some(verdict) => {
                sessions::expire(tx, &session, verdict, judge)?;
            }
            None => {
                let ends = |family: &Family| match families {
                    Families::ByRule => sessions::family_ends(family, end.reason, judge.settings),
                    Families::All => true,
                    Families::Bound => family.kind == FamilyKind::Online,
                };
                let ending = sessions::families_that_end(tx, &session, &end, ends)?;
                return sessions::end_session_and(tx, &session, ending, (end, judge));
            }
        }
    }
    if families == Families::All {
        end_all(tx, tx.families_of_session(sid)?.into_iter(), call)?;
    }
    Ok(())
}

fn end_all(
    tx: &Tx<'_>,
    families: impl Iterator<Item = Family>,
    call: &Call,
) -> Result<(), StoreError> {
    for family in families.filter(|family| family.end.is_none()) {
        sessions::end_family(tx, family, call.end(), call.judge())?;
    }
    Ok(())
}
