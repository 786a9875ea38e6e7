//! Changes of closures that ran on what was read ahead (see `crate::ahead`): one statement each, which
//! changes everything or nothing, and nothing if a row is no longer what was read.
//!
//! Each begins by locking the session, as a transaction does: who ends a family, or counts on its not
//! changing, holds that row. It does not wait for it, since others wait behind it on the same connection:
//! a session that somebody holds counts as one that has changed. What follows hangs on the row before it.

use super::together::renumber;
use super::{code, family, joined, session, to_json};
use crate::StoreError;
use crate::ahead::{Change, Foresight};
use crate::value::Value;
use std::sync::LazyLock;
use tenure_protocol::code::Code;
use tenure_protocol::refresh::Family;
use tenure_protocol::session::Session;
use tenure_protocol::{Sid, Timestamp};

/// A family, its history as text, and the generation that it has.
type Advanced<'a> = (&'a Family, &'a str, u32);

/// A session and its body as text.
type Active<'a> = (&'a Session, &'a str);

/// Parameters of [`held`]: the session's id, and what was read of it.
const HELD: isize = 7;

/// The session, if it has not ended and still is what was read.
fn held() -> String {
    let first_of_as_read = 13;
    let (lives, as_read) = (session::LIVES, session::AS_READ);
    let as_read = renumber(as_read, 2 - first_of_as_read);
    format!(
        "s AS (SELECT 1 FROM sessions WHERE sid = $1 AND {lives} AND {as_read} \
         FOR UPDATE SKIP LOCKED)"
    )
}

fn held_values(foresight: &Foresight, sid: &Sid) -> Result<Vec<Value<'static>>, StoreError> {
    let mut values = vec![Value::from(sid.as_bytes()).into_owned()];
    values.extend(session::as_read_values(&joined::session_ahead(foresight)?)?);
    Ok(values)
}

/// Parameters of [`family`].
const FAMILY: isize = 19;

/// A family advances, if it still is what was read.
fn family(by: isize) -> String {
    renumber(&format!("{} AND {}", family::UPDATE, family::AS_READ), by)
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

/// That one row came of the part with this name.
fn one(part: &str) -> String {
    format!("(SELECT count(*) FROM {part}) = 1")
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

/// [`crate::Tx::update_family`]. The session may have changed, or be over: a family outlives it.
pub(super) fn advance_alone(
    foresight: &Foresight,
    advanced: Advanced<'_>,
) -> Result<(), StoreError> {
    static ALONE: LazyLock<String> = LazyLock::new(|| {
        let (advance, held) = (family(1), one("s"));
        format!(
            "WITH s AS (SELECT 1 FROM sessions WHERE sid = $1 FOR UPDATE SKIP LOCKED), \
             f AS ({advance} AND {held} RETURNING 1) SELECT count(*) FROM f"
        )
    });
    let mut values = vec![Value::from(advanced.0.sid.as_bytes()).into_owned()];
    values.extend(family_values(foresight, advanced)?);
    let text = &ALONE;
    foresight.change(Change { text, values })
}

/// [`crate::Tx::advance_with_session`].
pub(super) fn advance_both(
    foresight: &Foresight,
    advanced: Advanced<'_>,
    active: Active<'_>,
) -> Result<(), StoreError> {
    static BOTH: LazyLock<String> = LazyLock::new(|| {
        let activity = renumber(session::UPDATE, HELD + FAMILY);
        format!(
            "WITH {}, f AS ({} AND {} RETURNING 1), a AS ({activity} AND {} RETURNING 1) \
             SELECT count(*) FROM a",
            held(),
            family(HELD),
            one("s"),
            one("f")
        )
    });
    let (session, body) = active;
    let mut values = held_values(foresight, &session.sid)?;
    values.extend(family_values(foresight, advanced)?);
    values.extend(owned(session::update_values(session, body)));
    let text = &BOTH;
    foresight.change(Change { text, values })
}

/// [`crate::Tx::record_authorization`], with the parameters of the code's row if there is one.
pub(super) fn authorize(
    foresight: &Foresight,
    (session, body): Active<'_>,
    (client_id, now): (&str, Timestamp),
    code: Option<Vec<Value<'_>>>,
) -> Result<(), StoreError> {
    /// Parameters of the activity and of the participant.
    const ACTIVITY: isize = 12;
    const SEEN: isize = 3;
    static WITHOUT_CODE: LazyLock<String> = LazyLock::new(|| text(""));
    static WITH_CODE: LazyLock<String> = LazyLock::new(|| {
        let insert = renumber(code::INSERT, HELD + ACTIVITY + SEEN);
        let insert = only_if(&insert, &code::TYPES, &one("a"));
        text(&format!(", c AS ({insert} RETURNING 1)"))
    });
    fn text(more: &str) -> String {
        let activity = renumber(session::UPDATE, HELD);
        let see = renumber(session::SEE, HELD + ACTIVITY);
        let see = only_if(&see, &["BYTEA", "TEXT", "BIGINT", "BIGINT"], &one("a"));
        format!(
            "WITH {}, a AS ({activity} AND {} RETURNING 1), p AS ({see} RETURNING 1){more} \
             SELECT count(*) FROM a",
            held(),
            one("s")
        )
    }
    let mut values = held_values(foresight, &session.sid)?;
    values.extend(owned(session::update_values(session, body)));
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

/// [`crate::Tx::redeem_code`]. The session is not changed; who ends it afterwards finds the family.
pub(super) fn redeem(
    foresight: &Foresight,
    code: &Code,
    family: Option<&Family>,
) -> Result<(), StoreError> {
    /// Parameters of the code.
    const CODE: isize = 4;
    static WITHOUT_FAMILY: LazyLock<String> = LazyLock::new(|| text(""));
    static WITH_FAMILY: LazyLock<String> = LazyLock::new(|| {
        let insert = renumber(&family::insert(), HELD + CODE);
        let insert = only_if(&insert, &family::TYPES, &one("c"));
        text(&format!(", f AS ({insert} RETURNING 1)"))
    });
    fn text(more: &str) -> String {
        let consume = renumber(code::CONSUME, HELD);
        format!(
            "WITH {}, c AS ({consume} AND {} RETURNING 1){more} SELECT count(*) FROM c",
            held(),
            one("s")
        )
    }
    let mut values = held_values(foresight, &code.sid)?;
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
