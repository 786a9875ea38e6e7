//! A transaction that was not opened. What it asks first was read ahead, it decides on that, and its
//! one change is made on the condition that the rows still are what was read: then it is as if it had
//! held them all along. Whatever else it asks, or a row that changed meanwhile, makes it begin again
//! in a transaction that holds the rows. PostgreSQL alone has it: there a transaction is round trips
//! during which rows are held, and this is two statements that stand alone.

use crate::StoreError;
use crate::value::{Row, Value};
use std::cell::{Cell, RefCell};

/// What a closure asks first. Made by the constructors beside the queries it stands for.
#[derive(Clone, Debug)]
pub struct ReadAhead {
    pub(crate) text: &'static str,
    pub(crate) values: Vec<Value<'static>>,
}

/// The one change, to be made if the rows still are what was read: it answers 1 if so, and otherwise 0.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) text: &'static str,
    pub(crate) values: Vec<Value<'static>>,
}

/// What was read, and what is to be changed.
pub(crate) struct Foresight {
    read: ReadAhead,
    row: Option<tokio_postgres::Row>,
    /// The next statement is the last.
    decided: Cell<bool>,
    change: RefCell<Option<Change>>,
    /// The closure asked something else.
    unforeseen: Cell<bool>,
}

/// How it ended.
pub(crate) enum Foreseen {
    /// The closure's result stands once this change is made.
    Change(Change),
    /// It stands: nothing is to be changed.
    Nothing,
    /// It does not: a transaction is needed.
    Unforeseen,
}

impl Foresight {
    pub(crate) const fn new(read: ReadAhead, row: Option<tokio_postgres::Row>) -> Self {
        Self {
            read,
            row,
            decided: Cell::new(false),
            change: RefCell::new(None),
            unforeseen: Cell::new(false),
        }
    }

    pub(crate) fn decide(&self) {
        self.decided.set(true);
    }

    /// The row that one of these queries read ahead, for the condition of a change.
    pub(crate) fn row_of(&self, texts: &[&str]) -> Result<Row<'_>, StoreError> {
        let row = self.row.as_ref();
        let row = row.filter(|_| texts.contains(&self.read.text));
        row.map(Row::Postgres).ok_or_else(|| self.is_unforeseen())
    }

    /// Answers the query that was read ahead.
    pub(crate) fn answer(
        &self,
        text: &str,
        values: &[Value<'_>],
    ) -> Result<Option<Row<'_>>, StoreError> {
        if text == self.read.text && values == self.read.values {
            Ok(self.row.as_ref().map(Row::Postgres))
        } else {
            Err(self.is_unforeseen())
        }
    }

    /// Takes the change, which must be the last statement of a closure that has decided.
    pub(crate) fn change(&self, change: Change) -> Result<(), StoreError> {
        if !self.decided.get() || self.change.borrow().is_some() {
            return Err(self.is_unforeseen());
        }
        self.change.replace(Some(change));
        Ok(())
    }

    /// The closure cannot go on; what it makes of the error does not matter.
    pub(crate) fn is_unforeseen(&self) -> StoreError {
        self.unforeseen.set(true);
        StoreError::Engine("this was not read ahead".to_owned())
    }

    pub(crate) fn outcome(self) -> Foreseen {
        match self.change.into_inner() {
            _ if self.unforeseen.get() => Foreseen::Unforeseen,
            Some(change) => Foreseen::Change(change),
            None => Foreseen::Nothing,
        }
    }
}
