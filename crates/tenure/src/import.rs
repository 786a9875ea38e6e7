//! Auth0's bulk-import JSON: an array of users, read one at a time, so that a million of them need
//! no more memory than a few hundred.

use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::passwords;
use crate::tenantfile::plan::user_id;
use crate::tenantfile::typed::Fault;
use crate::tenantfile::user::{self, Said, Stored};
use crate::users::Occasion;
use anyhow::{Context, anyhow, bail};
use serde::de::{SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;
use std::io::Read;
use tenure_protocol::Timestamp;
use tenure_protocol::model::User;
use tenure_store::{Store, StoreError, Tx, UserRow};

/// Users written in one transaction.
const BATCH: usize = 500;

/// A user as the file has it.
struct Entry {
    number: usize,
    user_id: Option<String>,
    said: Said,
    hash: Option<String>,
}

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
    clock: &Clock,
    mut refuse: impl FnMut(usize, &str),
    mut progress: impl FnMut(&Imported),
) -> anyhow::Result<Imported> {
    let mut batch: Vec<Entry> = Vec::with_capacity(BATCH);
    let mut total = Imported::default();
    let mut number = 0;
    let flush =
        |batch: &mut Vec<Entry>, total: &mut Imported, refuse: &mut dyn FnMut(usize, &str)| {
            let (entries, now) = (std::mem::take(batch), clock.now());
            let (done, refused) =
                store.write_blocking(move |tx| write_batch(tx, entries, upsert, now))?;
            total.created += done.created;
            total.updated += done.updated;
            total.skipped += done.skipped;
            for (number, why) in refused {
                total.refused += 1;
                refuse(number, &why);
            }
            Ok::<(), StoreError>(())
        };
    each_user(input, |members| {
        number += 1;
        match read_user(number, members) {
            Ok(entry) => batch.push(entry),
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

/// What was done, and the numbers of those that cannot be used, with the reason.
fn write_batch(
    tx: &Tx<'_>,
    entries: Vec<Entry>,
    upsert: bool,
    now: Timestamp,
) -> Result<(Imported, Vec<(usize, String)>), StoreError> {
    let mut done = Imported::default();
    let mut refused = Vec::new();
    for entry in entries {
        let present = find(tx, &entry)?;
        if present.is_some() && !upsert {
            done.skipped += 1;
            continue;
        }
        let user = match entry.said.over(present.as_ref().map(|row| &row.user)) {
            Ok(user) if user.email.is_none() && user.username.is_none() => {
                let why = "a user needs an email or a username".to_owned();
                refused.push((entry.number, why));
                continue;
            }
            Ok(user) => user,
            Err(faults) => {
                refused.push((entry.number, in_one_line(&faults)));
                continue;
            }
        };
        let id = entry.user_id;
        let user = User {
            user_id: id.unwrap_or_else(|| user_id(&Entropy::system().token(18))),
            ..user
        };
        match user::store(
            tx,
            present.as_ref(),
            user,
            entry.hash,
            Occasion::command_line(now),
        )? {
            Stored::Taken => {
                let why = "another user has this email or username".to_owned();
                refused.push((entry.number, why));
            }
            Stored::Done if present.is_some() => done.updated += 1,
            Stored::Done => done.created += 1,
        }
    }
    Ok((done, refused))
}

/// The user whom an entry means: by id, else by e-mail address, else by user name.
fn find(tx: &Tx<'_>, entry: &Entry) -> Result<Option<UserRow>, StoreError> {
    if let Some(id) = &entry.user_id
        && let Some(row) = tx.user(id)?
    {
        return Ok(Some(row));
    }
    for kind in ["email", "username"] {
        if let Some(text) = entry.said.text(kind)
            && let Some(row) = tx.user_by_identifier(kind, &text.trim().to_lowercase())?
        {
            return Ok(Some(row));
        }
    }
    Ok(None)
}

fn in_one_line(faults: &[Fault]) -> String {
    let lines: Vec<String> = faults.iter().map(Fault::to_string).collect();
    lines.join("; ")
}

/// Whether the file is at fault: it is not the JSON that was expected.
pub fn is_malformed(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<serde_json::Error>()
        .is_some_and(|error| !error.is_io())
}

/// Calls `each` with every element of a JSON array, one at a time.
fn each_user(
    input: impl Read,
    mut each: impl FnMut(Map<String, Value>) -> Result<(), StoreError>,
) -> anyhow::Result<()> {
    struct Each<F>(F);
    impl<'de, F: FnMut(Map<String, Value>) -> bool> Visitor<'de> for Each<F> {
        type Value = ();
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array of users")
        }
        fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
            while let Some(entry) = seq.next_element()? {
                if !(self.0)(entry) {
                    return Err(serde::de::Error::custom("stopped"));
                }
            }
            Ok(())
        }
    }
    let mut json = serde_json::Deserializer::from_reader(std::io::BufReader::new(input));
    // A failure of the database keeps its own type, apart from what is wrong with the file.
    let mut failure = None;
    let take = |entry| match each(entry) {
        Ok(()) => true,
        Err(error) => {
            failure = Some(error);
            false
        }
    };
    let read = serde::Deserializer::deserialize_seq(&mut json, Each(take));
    if let Some(failure) = failure {
        return Err(failure.into());
    }
    read.context("reading the users")?;
    json.end().context("after the array of users")?;
    Ok(())
}

fn read_user(number: usize, mut members: Map<String, Value>) -> anyhow::Result<Entry> {
    let hash = take_hash(&mut members)?;
    if let Some(hash) = &hash {
        passwords::acceptable(hash)?;
    }
    for name in ["password", "mfa_factors"] {
        members.remove(name);
    }
    let user_id = match members.get("user_id") {
        None | Some(Value::Null) => None,
        Some(Value::String(id)) => Some(user_id(id)),
        Some(other) => bail!("user_id: {other} must be text: put it in quotes"),
    };
    let said = Said::new(members);
    // Judged before the transaction, against nobody.
    said.over(None)
        .map_err(|faults| anyhow!(in_one_line(&faults)))?;
    Ok(Entry {
        number,
        user_id,
        said,
        hash,
    })
}

/// `password_hash` (bcrypt), or `custom_password_hash` with an algorithm and a PHC string.
fn take_hash(entry: &mut Map<String, Value>) -> anyhow::Result<Option<String>> {
    match entry
        .remove("password_hash")
        .or_else(|| entry.remove("passwordHash"))
    {
        Some(Value::String(hash)) => return Ok(Some(hash)),
        None | Some(Value::Null) => {}
        Some(_) => bail!("password_hash must be text: put it in quotes"),
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
