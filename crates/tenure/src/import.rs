//! Auth0's bulk-import JSON: an array of users, read one at a time, so that a million of them need
//! no more memory than a few hundred.

use crate::entropy::Entropy;
use crate::password_cost::Cost;
use crate::passwords;
use crate::tenantfile::plan::user_id;
use anyhow::{Context, anyhow, bail};
use serde::Deserialize as _;
use serde::de::{SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;
use std::io::Read;
use tenure_protocol::Timestamp;
use tenure_protocol::model::User;
use tenure_store::{Store, StoreError, Tx, UserRow};

/// Users written in one transaction.
const BATCH: usize = 500;

/// What an import did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    pub created: usize,
    pub updated: usize,
    /// Were there already, and `--upsert` was not given.
    pub skipped: usize,
    pub refused: usize,
}

/// Imports from `input`. `refuse` hears the number of each entry that cannot be used, and why.
///
/// # Errors
/// The input is not an array of objects, or the database failed.
pub fn run(
    store: &Store,
    input: impl Read,
    upsert: bool,
    now: Timestamp,
    mut refuse: impl FnMut(usize, &str),
    mut progress: impl FnMut(&Imported),
) -> anyhow::Result<Imported> {
    let mut batch: Vec<(usize, UserRow)> = Vec::with_capacity(BATCH);
    let mut total = Imported::default();
    let mut number = 0;
    let flush = |batch: &mut Vec<(usize, UserRow)>,
                 total: &mut Imported,
                 refuse: &mut dyn FnMut(usize, &str)| {
        let rows = std::mem::take(batch);
        let written = store.write_blocking(move |tx| write_batch(tx, rows, upsert))?;
        total.created += written.0.created;
        total.updated += written.0.updated;
        total.skipped += written.0.skipped;
        for number in written.1 {
            total.refused += 1;
            refuse(number, "another user has this email or username");
        }
        Ok::<(), StoreError>(())
    };
    each_user(input, |entry| {
        number += 1;
        match read_user(entry, now) {
            Ok(row) => batch.push((number, row)),
            Err(problem) => {
                total.refused += 1;
                refuse(number, &format!("{problem:#}"));
            }
        }
        if batch.len() == BATCH {
            flush(&mut batch, &mut total, &mut refuse)?;
            progress(&total);
        }
        Ok(())
    })?;
    flush(&mut batch, &mut total, &mut refuse)?;
    progress(&total);
    Ok(total)
}

fn write_batch(
    tx: &Tx<'_>,
    rows: Vec<(usize, UserRow)>,
    upsert: bool,
) -> Result<(Imported, Vec<usize>), StoreError> {
    let mut done = Imported::default();
    let mut refused = Vec::new();
    for (number, row) in rows {
        if let Some(hash) = &row.password_hash {
            Cost::record(tx, hash)?;
        }
        let present = match tx.user(&row.user.user_id)? {
            Some(present) => Some(present),
            None => match &row.user.identifiers().email {
                Some(email) => tx.user_by_identifier("email", email)?,
                None => None,
            },
        };
        match present {
            Some(_) if !upsert => done.skipped += 1,
            Some(present) => {
                // An import never changes a password that is there, nor brings back what was ended.
                let user = User {
                    user_id: present.user.user_id.clone(),
                    valid_after: present.user.valid_after,
                    created_at: present.user.created_at,
                    ..row.user
                };
                let password_hash = present.password_hash.or(row.password_hash);
                match tx.put_user(&UserRow {
                    user,
                    password_hash,
                })? {
                    true => done.updated += 1,
                    false => refused.push(number),
                }
            }
            None => match tx.put_user(&row)? {
                true => done.created += 1,
                false => refused.push(number),
            },
        }
    }
    Ok((done, refused))
}

/// Calls `each` with every element of a JSON array, one at a time.
fn each_user(
    input: impl Read,
    each: impl FnMut(Map<String, Value>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    struct Each<F>(F);
    impl<'de, F: FnMut(Map<String, Value>) -> anyhow::Result<()>> Visitor<'de> for Each<F> {
        type Value = ();
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array of users")
        }
        fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
            while let Some(entry) = seq.next_element()? {
                (self.0)(entry).map_err(|error| serde::de::Error::custom(format!("{error:#}")))?;
            }
            Ok(())
        }
    }
    let mut json = serde_json::Deserializer::from_reader(std::io::BufReader::new(input));
    serde::Deserializer::deserialize_seq(&mut json, Each(each)).context("reading the users")?;
    json.end().context("after the array of users")?;
    Ok(())
}

fn read_user(mut entry: Map<String, Value>, now: Timestamp) -> anyhow::Result<UserRow> {
    let hash = take_hash(&mut entry)?;
    if let Some(hash) = &hash {
        passwords::acceptable(hash)?;
    }
    for name in [
        "password",
        "mfa_factors",
        "created_at",
        "updated_at",
        "valid_after",
    ] {
        entry.remove(name);
    }
    let id = entry.get("user_id").and_then(Value::as_str).map(user_id);
    let id = id.unwrap_or_else(|| user_id(&Entropy::system().token(18)));
    entry.insert("user_id".to_owned(), id.into());
    entry.retain(|_, value| !value.is_null());
    let user = User::deserialize(Value::Object(entry)).map_err(|error| anyhow!("{error}"))?;
    if user.email.is_none() && user.username.is_none() {
        bail!("a user needs an email or a username");
    }
    let user = User {
        created_at: now,
        updated_at: now,
        ..user
    };
    Ok(UserRow {
        user,
        password_hash: hash,
    })
}

/// `password_hash` (bcrypt), or `custom_password_hash` with an algorithm and a PHC string.
fn take_hash(entry: &mut Map<String, Value>) -> anyhow::Result<Option<String>> {
    if let Some(Value::String(hash)) = entry
        .remove("password_hash")
        .or_else(|| entry.remove("passwordHash"))
    {
        return Ok(Some(hash));
    }
    let Some(custom) = entry
        .remove("custom_password_hash")
        .filter(|v| !v.is_null())
    else {
        return Ok(None);
    };
    let text = |pointer: &str| custom.pointer(pointer).and_then(Value::as_str);
    let algorithm = text("/algorithm").unwrap_or_default();
    if !matches!(algorithm, "bcrypt" | "argon2" | "pbkdf2") {
        bail!(
            "custom_password_hash: the algorithm {algorithm:?} is not supported: bcrypt, argon2 and pbkdf2 are"
        );
    }
    if text("/hash/encoding").is_some_and(|encoding| encoding != "utf8") {
        bail!("custom_password_hash: hash.encoding must be utf8");
    }
    text("/hash/value")
        .map(|hash| Some(hash.to_owned()))
        .context("custom_password_hash: hash.value is missing")
}
