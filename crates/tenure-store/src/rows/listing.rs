//! Pages of sessions and families, for whoever looks at many: each is found by an index, and bounded by
//! what is looked at, not only by what is found.

use super::joined::{self, SessionAndUser};
use super::metadata::{AT_ONCE, marks, padded};
use super::{family, id, session, user};
use crate::value::Row;
use crate::{StoreError, Tx};
use tenure_protocol::refresh::Family;
use tenure_protocol::{FamilyId, Sid, Timestamp};

/// Which families of a user to list.
#[derive(Clone, Debug, Default)]
pub struct FamilyFilter {
    pub user_id: String,
    pub client_id: Option<String>,
    /// Only families whose deadlines lie after this instant.
    pub alive_at: Option<Timestamp>,
    /// Families after this one, for the next page.
    pub after: Option<(Sid, FamilyId)>,
    pub limit: i64,
}

/// Enough of a family to tell whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FamilyName {
    pub sid: Sid,
    pub family_id: FamilyId,
    pub client_id: String,
    pub has_ended: bool,
}

/// Sorts after every id.
const TOP: [u8; 17] = [0xff; 17];

impl Tx<'_> {
    /// The session that is so many after this one, ended or not: as far as one look reaches.
    pub fn sid_after(&self, after: Option<Sid>, count: i64) -> Result<Option<Sid>, StoreError> {
        let after = after.map_or(Vec::new(), |sid| sid.as_bytes().to_vec());
        self.query_first(
            "SELECT sid FROM sessions WHERE sid > $1 ORDER BY sid LIMIT 1 OFFSET $2",
            &[after.as_slice().into(), (count - 1).max(0).into()],
            |row| Ok(Sid::from_bytes(id("sessions", row.blob(0)?)?)),
        )
    }

    /// Sessions that have not ended and whose deadlines lie after `now`, with their users, in the order
    /// of their ids, after the first of `between` up to the second: a page for whoever looks at all of
    /// them.
    pub fn live_sessions(
        &self,
        between: (Option<Sid>, Option<Sid>),
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<SessionAndUser>, StoreError> {
        let bound = |sid: Option<Sid>, none: &[u8]| {
            sid.map_or(none.to_vec(), |sid| sid.as_bytes().to_vec())
        };
        let (after, until) = (bound(between.0, &[]), bound(between.1, &TOP));
        let (columns, user) = (session::COLUMNS, user::COLUMNS);
        self.query(
            &format!(
                "SELECT {columns}, {user} FROM sessions LEFT JOIN users \
                 ON users.user_id = sessions.user_id \
                 WHERE sessions.sid > $1 AND sessions.sid <= $2 AND sessions.ended_at IS NULL \
                 AND sessions.idle_deadline > $3 AND sessions.absolute_deadline > $3 \
                 ORDER BY sessions.sid LIMIT $4"
            ),
            &[
                after.as_slice().into(),
                until.as_slice().into(),
                now.into(),
                limit.into(),
            ],
            joined::session_and_user,
        )
    }

    /// How many sessions of a user have not ended and have deadlines after `now`.
    pub fn count_sessions_of_user(&self, user_id: &str, now: Timestamp) -> Result<i64, StoreError> {
        let count = self.query_first(
            "SELECT count(*) FROM sessions WHERE user_id = $1 AND ended_at IS NULL \
             AND idle_deadline > $2 AND absolute_deadline > $2",
            &[user_id.into(), now.into()],
            |row| row.int(0),
        )?;
        Ok(count.unwrap_or(0))
    }

    /// The relying parties of each of these sessions, in the order in which they took part.
    pub fn participants_of(&self, sids: &[Sid]) -> Result<Vec<(Sid, String)>, StoreError> {
        let sql = format!(
            "SELECT sid, client_id FROM participants WHERE sid IN ({}) \
             ORDER BY sid, first_seen_at, client_id",
            marks(AT_ONCE)
        );
        let mut found = Vec::new();
        for values in padded(sids) {
            found.extend(self.query(&sql, &values, |row| {
                let sid = Sid::from_bytes(id("participants", row.blob(0)?)?);
                Ok((sid, row.text(1)?))
            })?);
        }
        Ok(found)
    }

    /// Families of a user that have not ended, in the order of their keys.
    pub fn families_page(&self, filter: &FamilyFilter) -> Result<Vec<Family>, StoreError> {
        let (sid, family_id) = key(filter.after);
        let alive = filter.alive_at.map_or(i64::MIN, Timestamp::millis);
        let client_id = filter.client_id.as_deref().unwrap_or_default();
        self.query(
            &format!(
                "SELECT {} FROM families WHERE user_id = $1 AND ($2 = '' OR client_id = $2) \
                 AND (sid, family_id) > ($3, $4) AND ended_at IS NULL \
                 AND (idle_deadline IS NULL OR idle_deadline > $5) \
                 AND (absolute_deadline IS NULL OR absolute_deadline > $5) \
                 ORDER BY sid, family_id LIMIT $6",
                family::COLUMNS
            ),
            &[
                (&filter.user_id).into(),
                client_id.into(),
                sid.as_slice().into(),
                family_id.as_slice().into(),
                alive.into(),
                filter.limit.into(),
            ],
            family::read,
        )
    }

    /// Families of anybody, ended or not, in the order of their keys: for whoever must look at all.
    pub fn family_names(
        &self,
        after: Option<(Sid, FamilyId)>,
        most: i64,
    ) -> Result<Vec<FamilyName>, StoreError> {
        let (sid, family_id) = key(after);
        self.query(
            "SELECT sid, family_id, client_id, ended_at FROM families \
             WHERE (sid, family_id) > ($1, $2) ORDER BY sid, family_id LIMIT $3",
            &[
                sid.as_slice().into(),
                family_id.as_slice().into(),
                most.into(),
            ],
            read_name,
        )
    }
}

fn key(after: Option<(Sid, FamilyId)>) -> (Vec<u8>, Vec<u8>) {
    after.map_or((Vec::new(), Vec::new()), |(sid, family_id)| {
        (sid.as_bytes().to_vec(), family_id.as_bytes().to_vec())
    })
}

fn read_name(row: &Row<'_>) -> Result<FamilyName, StoreError> {
    Ok(FamilyName {
        sid: Sid::from_bytes(id("families", row.blob(0)?)?),
        family_id: FamilyId::from_bytes(id("families", row.blob(1)?)?),
        client_id: row.text(2)?,
        has_ended: row.optional_int(3)?.is_some(),
    })
}
