//! Refresh token families: one row each, however long they live.

use super::ahead;
use super::user::{self, UserRow};
use super::{corrupt, end_values, fixed, from_json, id, read_end, to_json};
use crate::value::{Row, Value};
use crate::{StoreError, Tx};
use serde::{Deserialize, Serialize};
use tenure_protocol::refresh::{Consumed, Family, FamilyKind, Origin};
use tenure_protocol::{FamilyId, Sid, Timestamp};

pub(super) const COLUMNS: &str = "sid, family_id, client_id, user_id, kind, secret, key_id, generation, \
     last_exchanged_at, idle_deadline, absolute_deadline, body, history, ended_at, end_reason, \
     end_by, end_from, end_rule";

/// How many they are: a joined table's columns follow.
const WIDTH: usize = 18;

/// Of which type they are.
pub(super) const TYPES: [&str; WIDTH] = [
    "BYTEA", "BYTEA", "TEXT", "TEXT", "TEXT", "BYTEA", "BIGINT", "BIGINT", "BIGINT", "BIGINT",
    "BIGINT", "TEXT", "TEXT", "BIGINT", "TEXT", "TEXT", "TEXT", "TEXT",
];

/// The columns for a query of several tables.
pub(super) fn qualified() -> String {
    format!("families.{}", COLUMNS.replace(", ", ", families."))
}

/// Parameters 1 to 14. Only the expected generation of a family that has not ended (said as for sessions).
pub(super) const UPDATE: &str = "UPDATE families SET key_id = $1, generation = $2, \
     last_exchanged_at = $3, idle_deadline = $4, absolute_deadline = $5, history = $6, \
     ended_at = $7, end_reason = $8, end_by = $9, end_from = $10, end_rule = $11 \
     WHERE sid = $12 AND family_id = $13 AND generation = $14 \
     AND CASE WHEN ended_at IS NULL THEN 1 ELSE 0 END = 1";

/// With [`UPDATE`], parameters 15 to 19: the family still is what was read ahead. No equality, as for
/// sessions.
pub(super) const AS_READ: &str = "key_id IS NOT DISTINCT FROM $15 \
     AND last_exchanged_at IS NOT DISTINCT FROM $16 AND idle_deadline IS NOT DISTINCT FROM $17 \
     AND absolute_deadline IS NOT DISTINCT FROM $18 AND history IS NOT DISTINCT FROM $19";

/// Fixed at the family's birth.
#[derive(Serialize, Deserialize)]
struct Body {
    created_at: Timestamp,
    scope: String,
    audience: Option<String>,
    auth_time: Timestamp,
    amr: Vec<String>,
    acr: Option<String>,
    claims: Option<String>,
}

/// Changes with every exchange.
#[derive(Serialize, Deserialize)]
struct History {
    consumed: Vec<Consumed>,
    rotated_by: Origin,
    #[serde(default)]
    bearer_until: u32,
    foreign_repeats: u32,
    foreign_repeat_generation: u32,
}

impl Tx<'_> {
    pub fn family(&self, sid: &Sid, family_id: &FamilyId) -> Result<Option<Family>, StoreError> {
        self.query_first(
            &format!("SELECT {COLUMNS} FROM families WHERE sid = $1 AND family_id = $2"),
            &[sid.as_bytes().into(), family_id.as_bytes().into()],
            read,
        )
    }

    pub fn families_of_session(&self, sid: &Sid) -> Result<Vec<Family>, StoreError> {
        self.query(
            &format!("SELECT {COLUMNS} FROM families WHERE sid = $1 ORDER BY family_id"),
            &[sid.as_bytes().into()],
            read,
        )
    }

    pub fn families_of_user(&self, user_id: &str) -> Result<Vec<Family>, StoreError> {
        self.query(
            &format!(
                "SELECT {COLUMNS} FROM families WHERE user_id = $1 ORDER BY client_id, family_id"
            ),
            &[user_id.into()],
            read,
        )
    }

    /// Families that have not ended and whose deadlines lie after `now`, with their sessions' users, in
    /// the order of their keys: a page for whoever looks at all of them.
    pub fn live_families(
        &self,
        after: Option<(Sid, FamilyId)>,
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<(Family, Option<UserRow>)>, StoreError> {
        let (sid, family_id) = after.map_or((Vec::new(), Vec::new()), |(sid, family_id)| {
            (sid.as_bytes().to_vec(), family_id.as_bytes().to_vec())
        });
        let (columns, user) = (qualified(), user::COLUMNS);
        self.query(
            &format!(
                "SELECT {columns}, {user} FROM families LEFT JOIN users \
                 ON users.user_id = families.user_id \
                 WHERE (families.sid, families.family_id) > ($1, $2) \
                 AND families.ended_at IS NULL \
                 AND (families.idle_deadline IS NULL OR families.idle_deadline > $3) \
                 AND (families.absolute_deadline IS NULL OR families.absolute_deadline > $3) \
                 ORDER BY families.sid, families.family_id LIMIT $4"
            ),
            &[
                sid.as_slice().into(),
                family_id.as_slice().into(),
                now.into(),
                limit.into(),
            ],
            |row| {
                let there = row.optional_text(WIDTH)?.is_some();
                let user = there.then(|| user::read_at(row, WIDTH)).transpose()?;
                Ok((read(row)?, user))
            },
        )
    }

    pub fn insert_family(&self, family: &Family) -> Result<(), StoreError> {
        let (body, history) = (body(family)?, history(family)?);
        self.execute(&insert(), &insert_values(family, &body, &history))?;
        Ok(())
    }

    /// Stores what an exchange or an end changed, if the stored generation still is `expected`:
    /// the database decides the winner (lesson CVE-2026-1035). `false`: somebody else was first.
    pub fn update_family(&self, family: &Family, expected: u32) -> Result<bool, StoreError> {
        let history = history(family)?;
        if let Some(foresight) = self.foresight() {
            ahead::advance_alone(foresight, (family, &history, expected))?;
            return Ok(true);
        }
        let changed = self.execute(UPDATE, &update_values(family, &history, expected))?;
        Ok(changed == 1)
    }

    /// As [`Self::update_family`], by a caller that holds the family's session, so that nobody can have
    /// been first.
    ///
    /// # Errors
    /// Somebody was all the same. An end that changed nothing must not be told as done.
    pub fn change_family(&self, family: &Family, expected: u32) -> Result<(), StoreError> {
        if self.update_family(family, expected)? {
            return Ok(());
        }
        Err(super::changed("families", family.family_id))
    }

    /// Whether a family that can still be refreshed at `now` was made under a server key.
    pub fn refresh_key_in_use(&self, key_id: u32, now: Timestamp) -> Result<bool, StoreError> {
        let found = self.query_first(
            "SELECT 1 FROM families WHERE key_id = $1 AND ended_at IS NULL \
             AND (idle_deadline IS NULL OR idle_deadline > $2) \
             AND (absolute_deadline IS NULL OR absolute_deadline > $2) LIMIT 1",
            &[i64::from(key_id).into(), Value::from(now)],
            |_| Ok(()),
        )?;
        Ok(found.is_some())
    }
}

/// Parameters 1 to 18.
pub(super) fn insert() -> String {
    format!(
        "INSERT INTO families ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, \
         $11, $12, $13, $14, $15, $16, $17, $18)"
    )
}

/// The parameters of [`insert`].
pub(super) fn insert_values<'v>(
    family: &'v Family,
    body: &'v str,
    history: &'v str,
) -> Vec<Value<'v>> {
    let [at, reason, by, from, rule] = end_values(family.end.as_ref());
    vec![
        family.sid.as_bytes().into(),
        family.family_id.as_bytes().into(),
        (&family.client_id).into(),
        (&family.user_id).into(),
        kind_name(family.kind).into(),
        (&family.secret).into(),
        i64::from(family.key_id).into(),
        i64::from(family.generation).into(),
        family.last_exchanged_at.into(),
        family.idle_deadline.into(),
        family.absolute_deadline.into(),
        body.into(),
        history.into(),
        at,
        reason,
        by,
        from,
        rule,
    ]
}

/// The parameters of [`UPDATE`].
pub(super) fn update_values<'v>(
    family: &'v Family,
    history: &'v str,
    expected: u32,
) -> Vec<Value<'v>> {
    let [at, reason, by, from, rule] = end_values(family.end.as_ref());
    vec![
        i64::from(family.key_id).into(),
        i64::from(family.generation).into(),
        family.last_exchanged_at.into(),
        family.idle_deadline.into(),
        family.absolute_deadline.into(),
        history.into(),
        at,
        reason,
        by,
        from,
        rule,
        family.sid.as_bytes().into(),
        family.family_id.as_bytes().into(),
        i64::from(expected).into(),
    ]
}

/// The parameters of [`AS_READ`], for the family whose columns begin at `first`.
pub(super) fn as_read_values(
    row: &Row<'_>,
    first: usize,
) -> Result<Vec<Value<'static>>, StoreError> {
    Ok(vec![
        row.int(first + 6)?.into(),
        row.int(first + 8)?.into(),
        row.optional_int(first + 9)?.into(),
        row.optional_int(first + 10)?.into(),
        Value::Text(row.text(first + 12)?.into()),
    ])
}

pub(super) fn body(family: &Family) -> Result<String, StoreError> {
    to_json(&Body {
        created_at: family.created_at,
        scope: family.scope.clone(),
        audience: family.audience.clone(),
        auth_time: family.auth_time,
        amr: family.amr.clone(),
        acr: family.acr.clone(),
        claims: family.claims.clone(),
    })
}

const fn kind_name(kind: FamilyKind) -> &'static str {
    match kind {
        FamilyKind::Offline => "offline",
        FamilyKind::Online => "online",
    }
}

pub(super) fn history(family: &Family) -> Result<String, StoreError> {
    to_json(&History {
        consumed: family.consumed.clone(),
        rotated_by: family.rotated_by.clone(),
        bearer_until: family.bearer_until,
        foreign_repeats: family.foreign_repeats,
        foreign_repeat_generation: family.foreign_repeat_generation,
    })
}

pub(super) fn read(row: &Row<'_>) -> Result<Family, StoreError> {
    read_at(row, 0)
}

/// The family whose columns begin at `first`.
pub(super) fn read_at(row: &Row<'_>, first: usize) -> Result<Family, StoreError> {
    let family_id = FamilyId::from_bytes(id("families", row.blob(first + 1)?)?);
    let body: Body = from_json("families", family_id, &row.text(first + 11)?)?;
    let history: History = from_json("families", family_id, &row.text(first + 12)?)?;
    let number = |column| {
        u32::try_from(row.int(first + column)?)
            .map_err(|_| corrupt("families", family_id, "a number is out of range"))
    };
    Ok(Family {
        sid: Sid::from_bytes(fixed("families", family_id, row.blob(first)?)?),
        family_id,
        client_id: row.text(first + 2)?,
        user_id: row.text(first + 3)?,
        kind: match row.text(first + 4)?.as_str() {
            "offline" => FamilyKind::Offline,
            "online" => FamilyKind::Online,
            other => {
                return Err(corrupt(
                    "families",
                    family_id,
                    format!("unknown kind {other:?}"),
                ));
            }
        },
        secret: fixed("families", family_id, row.blob(first + 5)?)?,
        key_id: number(6)?,
        generation: number(7)?,
        consumed: history.consumed,
        created_at: body.created_at,
        last_exchanged_at: row.instant(first + 8)?,
        idle_deadline: row.optional_instant(first + 9)?,
        absolute_deadline: row.optional_instant(first + 10)?,
        scope: body.scope,
        audience: body.audience,
        auth_time: body.auth_time,
        amr: body.amr,
        acr: body.acr,
        claims: body.claims,
        rotated_by: history.rotated_by,
        bearer_until: history.bearer_until,
        foreign_repeats: history.foreign_repeats,
        foreign_repeat_generation: history.foreign_repeat_generation,
        end: read_end("families", family_id, row, first + 13)?,
    })
}
