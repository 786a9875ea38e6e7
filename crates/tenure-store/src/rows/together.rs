//! What the hot paths change together. The embedded engine runs the statements one after the other,
//! which costs it nothing; PostgreSQL gets them as one, since each would be a round trip.

use super::session::must_be_one;
use super::{ahead, code, delivery, family, log, session, to_json};
use crate::value::Value;
use crate::{LogRow, Notice, StoreError, Tx};
use tenure_protocol::Timestamp;
use tenure_protocol::code::Code;
use tenure_protocol::refresh::Family;
use tenure_protocol::session::{EndReason, Session};

/// Statements that become one: `WITH s0 AS (… RETURNING 1), … SELECT (SELECT count(*) FROM s0) + …`.
#[derive(Default)]
struct Together<'v> {
    parts: Vec<String>,
    values: Vec<Value<'v>>,
    /// Those that must find their row.
    changes: Vec<usize>,
}

impl<'v> Together<'v> {
    /// Adds a statement whose parameters are numbered from 1.
    fn add(&mut self, sql: &str, values: Vec<Value<'v>>) {
        self.parts
            .push(renumber(sql, self.values.len().cast_signed()));
        self.values.extend(values);
    }

    /// Adds one that changes one row, by its key.
    fn change(&mut self, sql: &str, values: Vec<Value<'v>>) {
        self.changes.push(self.parts.len());
        self.add(sql, values);
    }

    /// Runs them and tells whether every change found its row.
    fn run(self, tx: &Tx<'_>) -> Result<bool, StoreError> {
        let names: Vec<String> = (0..self.parts.len()).map(|i| format!("s{i}")).collect();
        let with: Vec<String> = names
            .iter()
            .zip(&self.parts)
            .map(|(name, part)| format!("{name} AS ({part} RETURNING 1)"))
            .collect();
        let found: Vec<String> = self
            .changes
            .iter()
            .map(|i| format!("(SELECT count(*) FROM s{i})"))
            .collect();
        let sql = format!("WITH {} SELECT {}", with.join(", "), found.join(" + "));
        let found = tx.query_first(&sql, &self.values, |row| row.int(0))?;
        Ok(found.and_then(|found| usize::try_from(found).ok()) == Some(self.changes.len()))
    }
}

/// `$n` becomes `$(n + by)`.
pub(super) fn renumber(sql: &str, by: isize) -> String {
    let mut parts = sql.split('$');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.len() - part.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, rest) = part.split_at(digits);
        let number: usize = number.parse().unwrap_or(0);
        out.push_str(&format!("${}{rest}", number.saturating_add_signed(by)));
    }
    out
}

impl Tx<'_> {
    /// An authorization: the session's activity, the relying party's part in it, and its code.
    pub fn record_authorization(
        &self,
        session: &Session,
        client_id: &str,
        code: Option<&Code>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.notify(Notice::Session(session.sid))?;
        if !self.is_postgres() {
            self.update_session(session)?;
            self.see_participant(&session.sid, client_id, now)?;
            return code.map_or(Ok(()), |code| self.insert_code(code));
        }
        let body = session::body(session)?;
        let code_body = code.map(to_json).transpose()?.unwrap_or_default();
        if let Some(foresight) = self.foresight() {
            let code = code.map(|code| code::insert_values(code, &code_body));
            let seen = (client_id, now);
            return ahead::authorize(foresight, (session, &body), seen, code);
        }
        let mut all = Together::default();
        all.change(session::UPDATE, session::update_values(session, &body));
        all.add(
            session::SEE,
            vec![session.sid.as_bytes().into(), client_id.into(), now.into()],
        );
        if let Some(code) = code {
            all.add(code::INSERT, code::insert_values(code, &code_body));
        }
        must_be_one(session, all.run(self)?.into())
    }

    /// An explicit extension: the session's activity, the relying party's part in it, and the entry
    /// that names who.
    pub fn record_extension(
        &self,
        session: &Session,
        client_id: &str,
        entry: &LogRow,
    ) -> Result<(), StoreError> {
        self.notify(Notice::Session(session.sid))?;
        if !self.is_postgres() {
            self.update_session(session)?;
            self.see_participant(&session.sid, client_id, entry.at)?;
            return self.insert_log(entry);
        }
        let body = session::body(session)?;
        let mut all = Together::default();
        all.change(session::UPDATE, session::update_values(session, &body));
        let seen = vec![
            session.sid.as_bytes().into(),
            client_id.into(),
            entry.at.into(),
        ];
        all.add(session::SEE, seen);
        all.add(log::INSERT, log::insert_values(entry));
        must_be_one(session, all.run(self)?.into())
    }

    /// A code is used up, and the family that it begets is born. `false`: it was used before, and
    /// nothing happened. `code.consumed_at` must be set.
    pub fn redeem_code(&self, code: &Code, family: Option<&Family>) -> Result<bool, StoreError> {
        if let Some(foresight) = self.foresight() {
            code::must_have_instant(code)?;
            ahead::redeem(foresight, code, family)?;
            return Ok(true);
        }
        let Some(family) = family.filter(|_| self.is_postgres()) else {
            let won = self.consume_code(code)?;
            if let (true, Some(family)) = (won, family) {
                self.insert_family(family)?;
            }
            return Ok(won);
        };
        code::must_have_instant(code)?;
        let code_body = to_json(code)?;
        let (body, history) = (family::body(family)?, family::history(family)?);
        let mut all = Together::default();
        all.change(code::CONSUME, code::consume_values(code, &code_body));
        all.add(
            &family::insert(),
            family::insert_values(family, &body, &history),
        );
        if all.run(self)? {
            return Ok(true);
        }
        // The session was held, so nobody can have been faster; the family must not stay.
        Err(super::changed("codes", code.sid))
    }

    /// An exchange of a session-bound family: it advances, and the session's activity is recorded.
    /// `false`: the stored generation is not `expected`.
    pub fn advance_with_session(
        &self,
        family: &Family,
        expected: u32,
        session: &Session,
    ) -> Result<bool, StoreError> {
        // A hint that goes out for a race that was lost costs its listeners a look.
        self.notify(Notice::Session(session.sid))?;
        if !self.is_postgres() {
            let won = self.update_family(family, expected)?;
            if won {
                self.update_session(session)?;
            }
            return Ok(won);
        }
        let history = family::history(family)?;
        let body = session::body(session)?;
        if let Some(foresight) = self.foresight() {
            ahead::advance_both(foresight, (family, &history, expected), (session, &body))?;
            return Ok(true);
        }
        let mut all = Together::default();
        all.change(
            family::UPDATE,
            family::update_values(family, &history, expected),
        );
        all.change(session::UPDATE, session::update_values(session, &body));
        if all.run(self)? {
            return Ok(true);
        }
        Err(super::changed("families", family.family_id))
    }

    /// A session ends, with the families that end with it, the entry that says so, and a row in the
    /// outbox for each relying party that took part.
    pub fn end_session(
        &self,
        ended: &Session,
        families: &[Family],
        entry: &LogRow,
    ) -> Result<(), StoreError> {
        self.notify(Notice::Session(ended.sid))?;
        let reason = ended
            .end
            .as_ref()
            .map_or(EndReason::AdminRevoked, |end| end.reason);
        let deliveries = delivery::insert_values(&ended.user_id, reason, entry.at, &ended.sid);
        if !self.is_postgres() {
            self.update_session(ended)?;
            for family in families {
                self.change_family(family, family.generation)?;
            }
            self.execute(delivery::INSERT, &deliveries)?;
            return self.insert_log(entry);
        }
        let body = session::body(ended)?;
        let histories = families
            .iter()
            .map(family::history)
            .collect::<Result<Vec<_>, _>>()?;
        let mut all = Together::default();
        all.change(session::UPDATE, session::update_values(ended, &body));
        all.add(log::INSERT, log::insert_values(entry));
        all.add(delivery::INSERT, deliveries);
        // A person with very many families gets the rest one by one.
        let (first, rest) = families.split_at(families.len().min(AT_ONCE));
        for (family, history) in first.iter().zip(&histories) {
            let values = family::update_values(family, history, family.generation);
            all.change(family::UPDATE, values);
        }
        if !all.run(self)? {
            return Err(super::changed("sessions", ended.sid));
        }
        for family in rest {
            self.change_family(family, family.generation)?;
        }
        Ok(())
    }
}

/// Families that are ended in one statement: its texts stay few, so that they stay prepared.
const AT_ONCE: usize = 4;

#[cfg(test)]
mod tests {
    use super::renumber;

    #[test]
    fn parameters_move_up_together() {
        assert_eq!(
            renumber("a = $1 AND b = $12, $1)", 3),
            "a = $4 AND b = $15, $4)"
        );
        assert_eq!(renumber("no parameter", 3), "no parameter");
    }
}
