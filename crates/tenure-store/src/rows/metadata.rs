//! What an operator's programs note about sessions and refresh token families.

use super::{from_json, id, to_json};
use crate::value::{Row, Value};
use crate::{StoreError, Tx};
use serde_json::Map;
use tenure_protocol::{FamilyId, Sid, Timestamp};

/// What is noted about a session, or about a family of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    pub sid: Sid,
    /// `None`: about the session itself.
    pub family_id: Option<FamilyId>,
    pub entries: Map<String, serde_json::Value>,
    pub updated_at: Timestamp,
}

/// Sessions in one look of [`Tx::metadata_of`].
pub(super) const AT_ONCE: usize = 100;

impl Tx<'_> {
    /// Whatever is noted about these sessions and their families.
    pub fn metadata_of(&self, sids: &[Sid]) -> Result<Vec<Metadata>, StoreError> {
        let sql = format!(
            "SELECT sid, family_id, body, updated_at FROM metadata WHERE sid IN ({}) \
             ORDER BY sid, family_id",
            marks(AT_ONCE)
        );
        let mut found = Vec::new();
        for values in padded(sids) {
            found.extend(self.query(&sql, &values, read)?);
        }
        Ok(found)
    }

    /// Notes this in the place of what was noted before; without entries, nothing is left.
    pub fn put_metadata(&self, metadata: &Metadata) -> Result<(), StoreError> {
        let family_id = metadata.family_id.map(|id| *id.as_bytes());
        let family_id: &[u8] = family_id.as_ref().map_or(&[], |id| id.as_slice());
        if metadata.entries.is_empty() {
            self.execute(
                "DELETE FROM metadata WHERE sid = $1 AND family_id = $2",
                &[metadata.sid.as_bytes().into(), family_id.into()],
            )?;
            return Ok(());
        }
        let body = to_json(&metadata.entries)?;
        self.execute(
            "INSERT INTO metadata (sid, family_id, body, updated_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (sid, family_id) \
             DO UPDATE SET body = excluded.body, updated_at = excluded.updated_at",
            &[
                metadata.sid.as_bytes().into(),
                family_id.into(),
                (&body).into(),
                metadata.updated_at.into(),
            ],
        )?;
        Ok(())
    }
}

pub(super) fn marks(count: usize) -> String {
    let marks: Vec<String> = (1..=count).map(|n| format!("${n}")).collect();
    marks.join(", ")
}

/// The ids as parameters, always as many, so that one text stays prepared.
pub(super) fn padded(sids: &[Sid]) -> impl Iterator<Item = Vec<Value<'_>>> {
    sids.chunks(AT_ONCE).map(|some| {
        let last = some.last().into_iter();
        let padded = some.iter().chain(last.cycle());
        padded
            .take(AT_ONCE)
            .map(|sid| sid.as_bytes().into())
            .collect()
    })
}

fn read(row: &Row<'_>) -> Result<Metadata, StoreError> {
    let sid = Sid::from_bytes(id("metadata", row.blob(0)?)?);
    let family_id = Some(row.blob(1)?).filter(|bytes| !bytes.is_empty());
    Ok(Metadata {
        sid,
        family_id: family_id
            .map(|bytes| id("metadata", bytes).map(FamilyId::from_bytes))
            .transpose()?,
        entries: from_json("metadata", sid, &row.text(2)?)?,
        updated_at: row.instant(3)?,
    })
}
