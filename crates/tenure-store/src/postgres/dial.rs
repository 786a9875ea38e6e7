//! Making a connection, and what its errors mean.

use super::Mode;
use super::connect::{Target, cause};
use crate::StoreError;
use std::future::Future;
use std::time::Instant;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};

/// Connects to the first host that is what the URL wants, and sets the session up.
pub(super) async fn connect(target: &Target, deadline: Instant) -> Result<Client, StoreError> {
    tokio::time::timeout_at(deadline.into(), set_up(target))
        .await
        .map_err(|_| {
            StoreError::Unavailable("connecting to the database took too long".to_owned())
        })?
        .map_err(|error| StoreError::Unavailable(cause(&error)))
}

async fn set_up(target: &Target) -> Result<Client, tokio_postgres::Error> {
    let client = match &target.tls {
        None => {
            let (client, connection) = target.config.connect(NoTls).await?;
            tokio::spawn(run(connection));
            client
        }
        Some(tls) => {
            let (client, connection) = target.config.connect(tls.clone()).await?;
            tokio::spawn(run(connection));
            client
        }
    };
    // The server gives up a statement by itself, and a transaction that nobody continues.
    let milliseconds = target.deadline.as_millis();
    let setup = format!(
        "SET statement_timeout = {milliseconds}; SET idle_in_transaction_session_timeout = {}",
        milliseconds * 2
    );
    client.batch_execute(&setup).await?;
    Ok(client)
}

/// Drives the connection; its end is noticed by whoever uses the client next.
async fn run(connection: impl Future<Output = Result<(), tokio_postgres::Error>>) {
    if let Err(error) = connection.await {
        tracing::debug!(error = cause(&error), "a database connection ended");
    }
}

/// No answer by the deadline.
pub(super) fn late() -> StoreError {
    StoreError::Unavailable("the database did not answer in time".to_owned())
}

/// What kind of error it is, and whether the connection is of no use after it.
pub(super) fn judge(error: &tokio_postgres::Error, mode: Mode) -> (StoreError, bool) {
    let text = cause(error);
    let Some(code) = error.code() else {
        // No answer of the server: the connection is gone, unless the driver could not read a value.
        let closed = error.is_closed() || error.source_is_io();
        let kind = if closed {
            StoreError::Unavailable
        } else {
            StoreError::Engine
        };
        return (kind(text), closed);
    };
    // A server that became a standby: the primary is elsewhere.
    let gone = (*code == SqlState::READ_ONLY_SQL_TRANSACTION && mode == Mode::Write)
        || code.code().starts_with("08")
        || matches!(code.code(), "57P01" | "57P02" | "57P03" | "57P05" | "25P03");
    // Out of resources, a statement that took too long, a lock that was not to be had, a deadlock:
    // trying again is right.
    let passing = gone
        || code.code().starts_with("53")
        || matches!(code.code(), "57014" | "55P03" | "40001" | "40P01");
    let kind = if passing {
        StoreError::Unavailable
    } else {
        StoreError::Engine
    };
    (kind(text), gone)
}

trait SourceIsIo {
    fn source_is_io(&self) -> bool;
}

impl SourceIsIo for tokio_postgres::Error {
    fn source_is_io(&self) -> bool {
        std::error::Error::source(self).is_some_and(|source| source.is::<std::io::Error>())
    }
}
