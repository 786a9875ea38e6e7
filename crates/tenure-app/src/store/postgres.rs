//! Sessions in PostgreSQL, shared by any number of processes.

use super::{Answer, Entry, Key, Mark, Replaced, Store, StoreError, sql};
use crate::fetch::tls;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tenure_protocol::Timestamp;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Config, NoTls, Row, Transaction};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Connections that one process holds at most.
const MOST_CONNECTIONS: usize = 8;

/// The longest that one step may take, waiting for a connection included.
const DEADLINE: Duration = Duration::from_secs(5);

/// A few connections, made when they are needed. With the feature `postgres`.
pub struct PostgresStore {
    config: Config,
    tls: Option<MakeRustlsConnect>,
    idle: Mutex<Vec<Client>>,
    permits: Semaphore,
}

impl std::fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PostgresStore")
    }
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::new(error)
    }
}

impl PostgresStore {
    /// Connects, and makes the two tables where they are missing.
    ///
    /// A server on another host is spoken to over TLS, and its certificate checked against the system's
    /// authorities and those of `ca_file`, unless the URL says `sslmode=disable`; a local one in plain, unless
    /// it says `sslmode=require`.
    ///
    /// # Errors
    /// The URL is not understood, or the server cannot be used.
    pub async fn open(url: &str, ca_file: Option<&Path>) -> Result<Self, StoreError> {
        let mut config: Config = url.parse()?;
        let local = config.get_hosts().iter().all(is_local);
        let encrypt = match config.get_ssl_mode() {
            SslMode::Disable => false,
            SslMode::Prefer => !local,
            _ => true,
        };
        config
            .ssl_mode(if encrypt {
                SslMode::Require
            } else {
                SslMode::Disable
            })
            .connect_timeout(DEADLINE);
        let tls = if encrypt {
            Some(MakeRustlsConnect::new(
                tls(ca_file).map_err(StoreError::new)?,
            ))
        } else {
            None
        };
        let store = Self {
            config,
            tls,
            idle: Mutex::default(),
            permits: Semaphore::new(MOST_CONNECTIONS),
        };
        let client = store.connect().await?;
        // Processes that start at once make the tables one after the other.
        let schema = sql::POSTGRES_SCHEMA;
        let alone = "SELECT pg_advisory_xact_lock(hashtext('tenure_app'))";
        client
            .batch_execute(&format!("BEGIN; {alone}; {schema} COMMIT"))
            .await?;
        store.idle().push(client);
        Ok(store)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Client>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn connect(&self) -> Result<Client, StoreError> {
        match &self.tls {
            None => {
                let (client, connection) = self.config.connect(NoTls).await?;
                tokio::spawn(connection);
                Ok(client)
            }
            Some(tls) => {
                let (client, connection) = self.config.connect(tls.clone()).await?;
                tokio::spawn(connection);
                Ok(client)
            }
        }
    }

    /// A connection of one's own; whoever is done with it gives it back. One on which anything failed is
    /// dropped instead.
    async fn take(&self) -> Result<Held<'_>, StoreError> {
        let permit = self.permits.acquire().await.map_err(StoreError::new)?;
        let kept = {
            let mut idle = self.idle();
            idle.retain(|client| !client.is_closed());
            idle.pop()
        };
        let client = match kept {
            Some(client) => client,
            None => self.connect().await?,
        };
        Ok(Held {
            client,
            store: self,
            _permit: permit,
        })
    }
}

struct Held<'s> {
    client: Client,
    store: &'s PostgresStore,
    _permit: SemaphorePermit<'s>,
}

impl Held<'_> {
    fn give_back(self) {
        self.store.idle().push(self.client);
    }
}

/// A step within the deadline.
fn timed<'a, T: Send + 'a>(
    step: impl Future<Output = Result<T, StoreError>> + Send + 'a,
) -> Answer<'a, T> {
    Box::pin(async move {
        let done = tokio::time::timeout(DEADLINE, step).await;
        done.unwrap_or_else(|_| Err(StoreError::new("PostgreSQL does not answer in time")))
    })
}

/// Nobody else creates or ends a session of these names until the transaction is over: a session that is
/// being created while its user is logged out would otherwise be seen by neither of the two.
async fn lock(transaction: &Transaction<'_>, names: &[Key]) -> Result<(), StoreError> {
    let mut numbers: Vec<i64> = names.iter().map(number).collect();
    // In one order everywhere, so that two transactions never wait for each other.
    numbers.sort_unstable();
    for number in numbers {
        transaction
            .execute("SELECT pg_advisory_xact_lock($1)", &[&number])
            .await?;
    }
    Ok(())
}

fn number(key: &Key) -> i64 {
    let first = key.first_chunk::<8>().copied().unwrap_or_default();
    i64::from_be_bytes(first)
}

fn is_local(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            let literal = name.parse::<std::net::IpAddr>();
            name == "localhost" || literal.is_ok_and(|ip| ip.is_loopback())
        }
        Host::Unix(_) => true,
    }
}

fn at(row: &Row, column: usize) -> Result<Timestamp, tokio_postgres::Error> {
    Ok(Timestamp::from_millis(row.try_get(column)?))
}

fn key_from(bytes: &[u8]) -> Result<Key, StoreError> {
    Key::try_from(bytes).map_err(|_| StoreError::new("a key of the wrong length"))
}

fn read(key: &Key, row: &Row) -> Result<Entry, StoreError> {
    let sid: Option<&[u8]> = row.try_get(0)?;
    Ok(Entry {
        key: *key,
        sid: sid.map(key_from).transpose()?,
        sub: key_from(row.try_get(1)?)?,
        version: row.try_get(2)?,
        created_at: at(row, 3)?,
        touched_at: at(row, 4)?,
        expires_at: at(row, 5)?,
        body: row.try_get(6)?,
    })
}

/// The types of [`sql::CREATE`], of which the server cannot guess all.
const CREATED: [Type; 8] = [
    Type::BYTEA,
    Type::BYTEA,
    Type::BYTEA,
    Type::INT8,
    Type::INT8,
    Type::INT8,
    Type::INT8,
    Type::BYTEA,
];

impl Store for PostgresStore {
    fn create<'a>(&'a self, entry: &'a Entry) -> Answer<'a, bool> {
        timed(async move {
            let mut held = self.take().await?;
            let tx = held.client.transaction().await?;
            let names = [Some(entry.key), entry.sid, Some(entry.sub)];
            lock(&tx, &names.into_iter().flatten().collect::<Vec<_>>()).await?;
            let statement = tx.prepare_typed(sql::CREATE, &CREATED).await?;
            let created = tx
                .execute(
                    &statement,
                    &[
                        &entry.key.as_slice(),
                        &entry.sid.as_ref().map(<[u8; 32]>::as_slice),
                        &entry.sub.as_slice(),
                        &entry.version,
                        &entry.created_at.millis(),
                        &entry.touched_at.millis(),
                        &entry.expires_at.millis(),
                        &entry.body,
                    ],
                )
                .await?;
            tx.commit().await?;
            held.give_back();
            Ok(created == 1)
        })
    }

    fn load<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Entry>> {
        timed(async move {
            let held = self.take().await?;
            let row = held.client.query_opt(sql::LOAD, &[&key.as_slice()]).await?;
            held.give_back();
            row.as_ref().map(|row| read(key, row)).transpose()
        })
    }

    fn replace<'a>(&'a self, entry: &'a Entry) -> Answer<'a, Replaced> {
        timed(async move {
            let held = self.take().await?;
            let key = entry.key.as_slice();
            let values: [&(dyn tokio_postgres::types::ToSql + Sync); 4] = [
                &entry.body,
                &entry.expires_at.millis(),
                &key,
                &entry.version,
            ];
            let mut replaced = Replaced::Done;
            if held.client.execute(sql::REPLACE, &values).await? == 0 {
                let there = held.client.query_opt(sql::EXISTS, &[&key]).await?;
                replaced = there.map_or(Replaced::Gone, |_| Replaced::Changed);
            }
            held.give_back();
            Ok(replaced)
        })
    }

    fn touch<'a>(
        &'a self,
        key: &'a Key,
        touched_at: Timestamp,
        expires_at: Timestamp,
    ) -> Answer<'a, bool> {
        timed(async move {
            let held = self.take().await?;
            let (touched, expires) = (touched_at.millis(), expires_at.millis());
            let touched = held
                .client
                .execute(sql::TOUCH, &[&touched, &expires, &key.as_slice()])
                .await?;
            held.give_back();
            Ok(touched == 1)
        })
    }

    fn end<'a>(&'a self, mark: &'a Mark) -> Answer<'a, u64> {
        timed(async move {
            let mut held = self.take().await?;
            let tx = held.client.transaction().await?;
            lock(&tx, &[mark.key]).await?;
            let (at, expires_at) = (mark.at.millis(), mark.expires_at.millis());
            let rows = tx.query(sql::ENDING, &[&mark.key.as_slice(), &at]).await?;
            let mut ended: Vec<&[u8]> = Vec::new();
            for row in &rows {
                ended.push(row.try_get(0)?);
            }
            // In one order everywhere, for the same reason as the locks.
            let mut keys = ended.clone();
            keys.push(&mark.key);
            keys.sort_unstable();
            keys.dedup();
            let insert = tx.prepare(sql::MARK).await?;
            for key in keys {
                tx.execute(&insert, &[&key, &at, &mark.reason, &expires_at])
                    .await?;
            }
            let count = ended.len() as u64;
            tx.commit().await?;
            held.give_back();
            Ok(count)
        })
    }

    fn marks<'a>(&'a self, keys: &'a [Key]) -> Answer<'a, Vec<Mark>> {
        timed(async move {
            let held = self.take().await?;
            let select = held.client.prepare(sql::MARKED).await?;
            let mut found = Vec::new();
            for key in keys {
                if let Some(row) = held.client.query_opt(&select, &[&key.as_slice()]).await? {
                    found.push(Mark {
                        key: *key,
                        at: at(&row, 0)?,
                        reason: row.try_get(1)?,
                        expires_at: at(&row, 2)?,
                    });
                }
            }
            held.give_back();
            Ok(found)
        })
    }

    fn sweep(&self, now: Timestamp) -> Answer<'_, u64> {
        timed(async move {
            let held = self.take().await?;
            let mut swept = 0;
            for statement in sql::SWEEP {
                swept += held.client.execute(statement, &[&now.millis()]).await?;
            }
            held.give_back();
            Ok(swept)
        })
    }
}
