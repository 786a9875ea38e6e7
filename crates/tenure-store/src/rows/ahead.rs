//! Changes of closures that ran on what was read ahead (see `crate::ahead`): one statement each, which
//! changes everything or nothing, and nothing if a row is no longer what was read.
//!
//! The session comes first, as wherever several rows are locked. What follows hangs on its count, so
//! that the usual loser of a race makes no error that the database would log.

use super::together::renumber;
use super::{code, family, joined, session, to_json};
use crate::StoreError;
use crate::ahead::{Change, Foresight};
use crate::value::Value;
use std::sync::LazyLock;
use tenure_protocol::Timestamp;
use tenure_protocol::code::Code;
use tenure_protocol::refresh::Family;
use tenure_protocol::session::Session;

/// A family, its history as text, and the generation that it has.
type Advanced<'a> = (&'a Family, &'a str, u32);

/// A session and its body as text.
type Active<'a> = (&'a Session, &'a str);

/// Parameters of [`SESSION`].
const SESSION_WIDTH: isize = 18;

/// A session is active.
static SESSION: LazyLock<String> =
    LazyLock::new(|| format!("{} AND {}", session::UPDATE, session::AS_READ));

/// A family advances; parameters 1 to 19.
static FAMILY: LazyLock<String> =
    LazyLock::new(|| format!("{} AND {}", family::UPDATE, family::AS_READ));

fn session_values(
    foresight: &Foresight,
    (session, body): Active<'_>,
) -> Result<Vec<Value<'static>>, StoreError> {
    let row = joined::session_ahead(foresight)?;
    let mut values = owned(session::update_values(session, body));
    values.extend(session::as_read_values(&row)?);
    Ok(values)
}

fn family_values(
    foresight: &Foresight,
    (family, history, expected): Advanced<'_>,
) -> Result<Vec<Value<'static>>, StoreError> {
    let row = joined::family_ahead(foresight)?;
    let mut values = owned(family::update_values(family, history, expected));
    values.extend(family::as_read_values(&row, joined::FAMILY)?);
    Ok(values)
}

fn owned(values: Vec<Value<'_>>) -> Vec<Value<'static>> {
    values.into_iter().map(Value::into_owned).collect()
}

/// An insertion of one row, only if `condition`.
fn only_if(insert: &str, types: &[&str], condition: &str) -> String {
    let (head, rest) = insert.split_once("VALUES (").unwrap_or((insert, ""));
    let (values, tail) = rest.split_once(')').unwrap_or((rest, ""));
    let values: Vec<String> = values
        .split(", ")
        .zip(types)
        .map(|(value, kind)| format!("CAST({value} AS {kind})"))
        .collect();
    format!("{head}SELECT {} WHERE {condition}{tail}", values.join(", "))
}

/// [`crate::Tx::update_family`].
pub(super) fn advance_alone(
    foresight: &Foresight,
    advanced: Advanced<'_>,
) -> Result<(), StoreError> {
    static ALONE: LazyLock<String> =
        LazyLock::new(|| format!("{} RETURNING CAST(1 AS BIGINT)", *FAMILY));
    foresight.change(Change {
        text: &ALONE,
        values: family_values(foresight, advanced)?,
    })
}

/// [`crate::Tx::advance_with_session`]. Where the session matches and the family does not, the last cast
/// fails, which takes the session's change back; its text is what the database's log then says.
pub(super) fn advance_both(
    foresight: &Foresight,
    advanced: Advanced<'_>,
    active: Active<'_>,
) -> Result<(), StoreError> {
    static BOTH: LazyLock<String> = LazyLock::new(|| {
        let family = renumber(&FAMILY, SESSION_WIDTH);
        format!(
            "WITH s AS ({} RETURNING 1), \
             f AS ({family} AND (SELECT count(*) FROM s) = 1 RETURNING 1) \
             SELECT CASE WHEN (SELECT count(*) FROM s) = (SELECT count(*) FROM f) \
             THEN (SELECT count(*) FROM f) \
             ELSE CAST('a row has changed meanwhile, the request begins again: ' \
             || (SELECT count(*) FROM f) AS BIGINT) END",
            *SESSION
        )
    });
    let mut values = session_values(foresight, active)?;
    values.extend(family_values(foresight, advanced)?);
    foresight.change(Change {
        text: &BOTH,
        values,
    })
}

/// [`crate::Tx::record_authorization`], with the parameters of the code's row if there is one.
pub(super) fn authorize(
    foresight: &Foresight,
    active: Active<'_>,
    (client_id, now): (&str, Timestamp),
    code: Option<Vec<Value<'_>>>,
) -> Result<(), StoreError> {
    const ACTIVE: &str = "(SELECT count(*) FROM s) = 1";
    static WITHOUT_CODE: LazyLock<String> = LazyLock::new(|| text(""));
    static WITH_CODE: LazyLock<String> = LazyLock::new(|| {
        let insert = renumber(code::INSERT, SESSION_WIDTH + 3);
        let insert = only_if(&insert, &code::TYPES, ACTIVE);
        text(&format!(", c AS ({insert} RETURNING 1)"))
    });
    fn text(more: &str) -> String {
        let see = renumber(session::SEE, SESSION_WIDTH);
        let see = only_if(&see, &["BYTEA", "TEXT", "BIGINT", "BIGINT"], ACTIVE);
        format!(
            "WITH s AS ({} RETURNING 1), p AS ({see} RETURNING 1){more} SELECT count(*) FROM s",
            *SESSION
        )
    }
    let (session, _) = active;
    let mut values = session_values(foresight, active)?;
    values.extend(owned(vec![
        session.sid.as_bytes().into(),
        client_id.into(),
        now.into(),
    ]));
    let text = if code.is_some() {
        &WITH_CODE
    } else {
        &WITHOUT_CODE
    };
    values.extend(owned(code.unwrap_or_default()));
    foresight.change(Change { text, values })
}

/// [`crate::Tx::redeem_code`]. The session is held and not changed: nobody ends it meanwhile who would
/// not find the family.
pub(super) fn redeem(
    foresight: &Foresight,
    code: &Code,
    family: Option<&Family>,
) -> Result<(), StoreError> {
    /// Parameters of the session: its id, and what was read.
    const HELD: isize = 7;
    /// Those of the code.
    const CODE: isize = 4;
    static WITHOUT_FAMILY: LazyLock<String> = LazyLock::new(|| text(""));
    static WITH_FAMILY: LazyLock<String> = LazyLock::new(|| {
        let insert = renumber(&family::insert(), HELD + CODE);
        let insert = only_if(&insert, &family::TYPES, "(SELECT count(*) FROM c) = 1");
        text(&format!(", f AS ({insert} RETURNING 1)"))
    });
    fn text(more: &str) -> String {
        let as_read = renumber(session::AS_READ, HELD - SESSION_WIDTH);
        let lives = session::LIVES;
        let consume = renumber(code::CONSUME, HELD);
        format!(
            "WITH s AS (SELECT 1 FROM sessions WHERE sid = $1 AND {lives} AND {as_read} \
             FOR UPDATE), \
             c AS ({consume} AND (SELECT count(*) FROM s) = 1 RETURNING 1){more} \
             SELECT count(*) FROM c"
        )
    }
    let row = joined::session_ahead(foresight)?;
    let mut values = vec![Value::from(code.sid.as_bytes()).into_owned()];
    values.extend(session::as_read_values(&row)?);
    values.extend(owned(code::consume_values(code, &to_json(code)?)));
    let Some(family) = family else {
        let text = &WITHOUT_FAMILY;
        return foresight.change(Change { text, values });
    };
    let (body, history) = (family::body(family)?, family::history(family)?);
    values.extend(owned(family::insert_values(family, &body, &history)));
    let text = &WITH_FAMILY;
    foresight.change(Change { text, values })
}

#[cfg(test)]
mod tests {
    use super::only_if;

    #[test]
    fn an_insertion_hangs_on_a_condition() {
        let insert = "INSERT INTO t (a, b, c) VALUES ($1, $2, $2) ON CONFLICT DO NOTHING";
        assert_eq!(
            only_if(insert, &["BIGINT", "TEXT", "TEXT"], "x = 1"),
            "INSERT INTO t (a, b, c) SELECT CAST($1 AS BIGINT), CAST($2 AS TEXT), \
             CAST($2 AS TEXT) WHERE x = 1 ON CONFLICT DO NOTHING"
        );
    }
}
