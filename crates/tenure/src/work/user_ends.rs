//! Ends the sessions and refresh token families of users whose credentials changed, who are blocked or
//! gone. They are over by that one write already; this tells everyone who relied on them.

use super::expiry::judge;
use crate::app::App;
use crate::entropy::Entropy;
use crate::facts;
use crate::oidc::sessions::{self, Judge};
use crate::settings::Settings;
use std::sync::Arc;
use std::time::Duration;
use tenure_protocol::session::{End, UserStanding};
use tenure_protocol::user_end::UserEnd;
use tenure_protocol::{Sid, Timestamp};
use tenure_store::{StoreError, Tx};

/// Sessions in one transaction; each is some rows.
const BATCH: usize = 50;

/// Between looks. The wish may come from the command line, of which no server hears.
const MOMENT: Duration = Duration::from_millis(400);

pub async fn run(app: Arc<App>) {
    loop {
        if let Err(error) = round(&app).await {
            tracing::warn!(%error, "ending what users were signed in to failed; trying again");
        }
        tokio::time::sleep(MOMENT).await;
    }
}

/// Ends everything that waits to be ended.
pub async fn round(app: &Arc<App>) -> Result<(), StoreError> {
    if !app.background.read(|tx| tx.has_user_ends()).await? {
        return Ok(());
    }
    let mut progress = Progress::Next;
    while progress != Progress::Nothing {
        let before = progress;
        let (inner, settings, now) = (app.clone(), app.settings.current(), app.clock.now());
        let done = app
            .background
            .write(move |tx| step(tx, before, judge(&inner, &settings, now)));
        progress = done.await?;
    }
    Ok(())
}

/// How far a round got.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Progress {
    /// To whatever is next.
    Next,
    /// In the middle of a user.
    Within(Place),
    /// Nothing is left, or other servers work on it.
    Nothing,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    user_id: String,
    at: Timestamp,
    /// Sessions come first, then what outlives them.
    families: bool,
    after: Option<Sid>,
}

impl Place {
    fn begin(wish: &UserEnd) -> Self {
        Self {
            user_id: wish.user_id.clone(),
            at: wish.at,
            families: false,
            after: None,
        }
    }
}

fn step(tx: &Tx<'_>, before: Progress, judge: Judge<'_>) -> Result<Progress, StoreError> {
    let Some(wish) = tx.user_ends(1)?.pop() else {
        return Ok(Progress::Nothing);
    };
    let place = match before {
        Progress::Within(place) if place.user_id == wish.user_id && place.at == wish.at => place,
        _ => Place::begin(&wish),
    };
    Ok(match page(tx, &wish, place, judge)? {
        Some(place) => Progress::Within(place),
        None => Progress::Next,
    })
}

/// Ends everything at once, in the caller's transaction: somebody is about to get the id of a deleted
/// user, and at the same instant what is left could not be told from what is new.
pub fn finish(tx: &Tx<'_>, wish: &UserEnd, now: Timestamp) -> Result<(), StoreError> {
    let (settings, caps, entropy) = (Settings::load(tx)?, facts::caps(tx)?, Entropy::system());
    let judge = Judge {
        settings: &settings,
        caps: &caps,
        entropy: &entropy,
        metrics: None,
        now,
    };
    let mut place = Some(Place::begin(wish));
    while let Some(reached) = place {
        place = page(tx, wish, reached, judge)?;
    }
    Ok(())
}

/// Ends some, and answers where to go on; `None` when nothing is left.
fn page(
    tx: &Tx<'_>,
    wish: &UserEnd,
    place: Place,
    judge: Judge<'_>,
) -> Result<Option<Place>, StoreError> {
    let standing = tx.user_standing(&wish.user_id)?;
    let most = i64::try_from(BATCH).unwrap_or(i64::MAX);
    let (user_id, after) = (&wish.user_id, place.after.as_ref());
    let sids = if place.families {
        tx.sessions_with_unended_families(user_id, after, most)?
    } else {
        tx.unended_sessions(user_id, after, most)?
    };
    for sid in &sids {
        let ended = if place.families {
            end_families(tx, sid, wish, standing, judge)
        } else {
            end_session(tx, sid, wish, standing, judge)
        };
        match ended {
            // Nobody can use it; it must not keep the others waiting.
            Err(error @ StoreError::Corrupt { .. }) => {
                tracing::error!(%error, "what a user was signed in to cannot be ended");
            }
            other => other?,
        }
    }
    if sids.len() == BATCH {
        let after = sids.last().copied();
        return Ok(Some(Place { after, ..place }));
    }
    if !place.families {
        return Ok(Some(Place {
            families: true,
            after: None,
            ..place
        }));
    }
    tx.drop_user_end(&wish.user_id)?;
    Ok(None)
}

fn end_session(
    tx: &Tx<'_>,
    sid: &Sid,
    wish: &UserEnd,
    user: UserStanding,
    judge: Judge<'_>,
) -> Result<(), StoreError> {
    let Some(session) = tx.session(sid)? else {
        return Ok(());
    };
    match wish.ends_session(&session, user) {
        Some(verdict) => sessions::end_with_user(tx, &session, wish, verdict, judge),
        None => Ok(()),
    }
}

/// Families that outlived their session, or whose session stays.
fn end_families(
    tx: &Tx<'_>,
    sid: &Sid,
    wish: &UserEnd,
    user: UserStanding,
    judge: Judge<'_>,
) -> Result<(), StoreError> {
    // Whoever changes a family holds its session.
    tx.session(sid)?;
    for family in tx.families_of_session(sid)? {
        if !wish.ends_family(&family, user) {
            continue;
        }
        let end = End {
            at: wish.at,
            reason: wish.reason,
            by: wish.by.clone(),
            from: wish.from.clone(),
            rule: wish.rule().name().to_owned(),
        };
        sessions::end_family(tx, family, end, judge)?;
    }
    Ok(())
}
