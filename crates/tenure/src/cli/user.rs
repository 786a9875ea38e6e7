//! `tenure user`.

use super::installation::{Installation, Opened};
use super::{open_named, say, wrong};
use crate::entropy::Entropy;
use crate::passwords::{Hasher, MAX_PASSWORD};
use crate::tenantfile::plan::user_id;
use crate::tenantfile::user::{self, Stored};
use crate::{import, users};
use anyhow::{Context, anyhow, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::io::{BufRead as _, IsTerminal as _, Read as _};
use std::path::PathBuf;
use tenure_protocol::model::User;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Add a user, and print the new user's id. The password is asked for, or read from standard input
    Add {
        /// The e-mail address to sign in with
        email: String,
        #[command(flatten)]
        installation: Installation,
        /// A user name to sign in with as well
        #[arg(long, value_name = "NAME")]
        username: Option<String>,
        /// The address is known to be the user's
        #[arg(long)]
        email_verified: bool,
        /// Without a password: the user cannot sign in until one is set
        #[arg(long)]
        no_password: bool,
    },
    /// List users
    List {
        #[command(flatten)]
        installation: Installation,
        /// Begin after this user id: the last one of the page before
        #[arg(
            long,
            value_name = "USER_ID",
            default_value = "",
            hide_default_value = true
        )]
        after: String,
        /// List at most so many
        #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..))]
        limit: i64,
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Import users from a JSON array in the shape of Auth0's bulk import
    Import {
        /// The JSON file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        installation: Installation,
        /// Change users who are there already by what their entries name (never their password);
        /// without this they are skipped
        #[arg(long)]
        upsert: bool,
    },
    /// Block a user: every session and refresh token is over
    Block(Named),
    /// Let a blocked user sign in again
    Unblock(Named),
    /// Set a password, asked for or read from standard input: every session and refresh token is over
    SetPassword(Named),
    /// Delete a user: every session and refresh token is over
    Delete(Named),
}

#[derive(Debug, clap::Args)]
pub struct Named {
    /// A user id, e-mail address or user name
    user: String,
    #[command(flatten)]
    installation: Installation,
}

pub fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Add {
            email,
            installation,
            username,
            email_verified,
            no_password,
        } => {
            wrong(check_names(&email, username.as_deref()))?;
            let user = User {
                email: Some(email),
                username,
                email_verified,
                ..User::default()
            };
            add(&installation.open(true)?, user, no_password)
        }
        Command::List {
            installation,
            after,
            limit,
            json,
        } => list(&installation.open(false)?, after, limit, json),
        Command::Import {
            file,
            installation,
            upsert,
        } => import_file(&installation.open(true)?, &file, upsert),
        Command::Block(named) => named.change(Act::Block),
        Command::Unblock(named) => named.change(Act::Unblock),
        Command::SetPassword(named) => named.change(Act::SetPassword),
        Command::Delete(named) => named.change(Act::Delete),
    }
}

fn add(opened: &Opened, user: User, no_password: bool) -> anyhow::Result<()> {
    let password_hash = if no_password {
        None
    } else {
        Some(hash_from_input()?)
    };
    let now = opened.now()?;
    let id = user_id(&Entropy::system().token(18));
    let user = User {
        user_id: id.clone(),
        ..user
    };
    let stored = opened.store.write_blocking(move |tx| {
        user::store(
            tx,
            None,
            user,
            password_hash,
            users::Occasion::command_line(now),
        )
    })?;
    if stored == Stored::Taken {
        return wrong(Err(anyhow!("another user has this email or username")));
    }
    say(id);
    Ok(())
}

fn check_names(email: &str, username: Option<&str>) -> anyhow::Result<()> {
    if !users::is_email(email) {
        bail!("{email:?} is not an e-mail address such as ada@example.com");
    }
    if username.is_some_and(|name| name.trim().is_empty()) {
        bail!("--username must not be empty");
    }
    Ok(())
}

/// The first line of standard input; on a terminal it is asked for and not shown.
fn hash_from_input() -> anyhow::Result<String> {
    let mut password = String::new();
    if std::io::stdin().is_terminal() {
        password = rpassword::prompt_password("Password: ").context("reading the password")?;
        let again = rpassword::prompt_password("Again: ").context("reading the password")?;
        if password != again {
            return wrong(Err(anyhow!("the two passwords differ")));
        }
    } else {
        std::io::stdin()
            .lock()
            .take(4096)
            .read_line(&mut password)
            .context("reading the password")?;
    }
    let password = password.trim_end_matches(['\n', '\r']);
    if password.is_empty() || password.len() > MAX_PASSWORD {
        return wrong(Err(anyhow!(
            "a password must have 1 to {MAX_PASSWORD} bytes: type it, or pipe it in with printf '%s' \"$PASSWORD\" | tenure user …"
        )));
    }
    Hasher::default().hash(password, &Entropy::system())
}

fn list(opened: &Opened, after: String, limit: i64, as_json: bool) -> anyhow::Result<()> {
    let rows = opened
        .store
        .read_blocking(move |tx| tx.users(&after, limit))?;
    if as_json {
        let list: Vec<_> = rows
            .iter()
            .map(|row| {
                json!({"user_id": row.user.user_id, "email": row.user.email,
                              "username": row.user.username, "blocked": row.user.blocked})
            })
            .collect();
        say(json!(list));
        return Ok(());
    }
    for row in rows {
        let name = row.user.email.or(row.user.username).unwrap_or_default();
        let blocked = if row.user.blocked { "  blocked" } else { "" };
        say(format_args!("{}  {name}{blocked}", row.user.user_id));
    }
    Ok(())
}

fn import_file(opened: &Opened, file: &std::path::Path, upsert: bool) -> anyhow::Result<()> {
    let input = open_named(file)?;
    let bar = ProgressBar::new(input.metadata()?.len());
    bar.set_style(ProgressStyle::with_template(
        "{bar:40} {bytes}/{total_bytes} {msg}",
    )?);
    let clock = opened.clock()?;
    let shown = bar.clone();
    let total = import::run(
        &opened.store,
        bar.wrap_read(input),
        upsert,
        &clock,
        |number, why| shown.suspend(|| say(format_args!("! user {number}: {why}"))),
        |so_far| shown.set_message(format!("{} users", so_far.created + so_far.updated)),
    )
    .with_context(|| format!("importing {}", file.display()));
    bar.finish_and_clear();
    let total = match total {
        Err(error) if import::is_malformed(&error) => return wrong(Err(error)),
        total => total?,
    };
    say(format_args!(
        "{} created, {} updated, {} were there already, {} refused",
        total.created, total.updated, total.skipped, total.refused
    ));
    opened.store.close();
    if total.refused > 0 && total.created + total.updated + total.skipped == 0 {
        return wrong(Err(anyhow!(
            "{}: no user of it could be used",
            file.display()
        )));
    }
    Ok(())
}

enum Act {
    Block,
    Unblock,
    SetPassword,
    Delete,
}

impl Named {
    fn change(self, act: Act) -> anyhow::Result<()> {
        let opened = self.installation.open(false)?;
        let hash = match act {
            Act::SetPassword => Some(hash_from_input()?),
            _ => None,
        };
        let occasion = users::Occasion::command_line(opened.now()?);
        let (name, tail) = (self.user.clone(), Entropy::system().token(9));
        let found = opened.store.write_blocking(move |tx| {
            let Some(row) = users::find(tx, &name)? else {
                return Ok(false);
            };
            match (&act, hash) {
                (Act::Block, _) => users::set_blocked(tx, row, true, occasion, &tail)?,
                (Act::Unblock, _) => users::set_blocked(tx, row, false, occasion, &tail)?,
                (Act::SetPassword, Some(hash)) => {
                    users::set_password(tx, row, hash, occasion, &tail)?
                }
                (Act::SetPassword, None) => {}
                (Act::Delete, _) => {
                    users::delete(tx, &row.user.user_id, occasion, &tail)?;
                }
            }
            Ok(true)
        })?;
        if !found {
            return wrong(Err(anyhow!("there is no user {:?}", self.user)));
        }
        say("done");
        Ok(())
    }
}
