//! `tenure user import` of many users: how fast, and in how much memory.

use super::server;
use crate::run::{root, say};
use anyhow::{Context, bail};
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What an import took.
#[derive(Clone, Copy, Debug)]
pub struct Import {
    pub users: usize,
    pub seconds: f64,
    /// Bytes that were resident at the most.
    pub peak_memory: u64,
}

impl Import {
    /// Users per second.
    pub fn rate(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "for reading")]
        let users = self.users as f64;
        users / self.seconds.max(1e-9)
    }
}

pub fn measure(users: usize) -> anyhow::Result<Import> {
    say(&format!("importing {users} users …"));
    let folder = server::folder("import")?;
    let measured =
        write_users(&folder.join("users.json"), users).and_then(|()| import(&folder, users));
    std::fs::remove_dir_all(&folder)?;
    measured
}

fn write_users(file: &Path, users: usize) -> anyhow::Result<()> {
    let mut out = BufWriter::new(std::fs::File::create(file)?);
    for n in 0..users {
        let mark = if n == 0 { '[' } else { ',' };
        writeln!(
            out,
            "{mark}{{\"user_id\": \"{n:08}\", \"email\": \"user{n}@example.com\", \"email_verified\": true, \
             \"name\": \"User Number {n}\", \"app_metadata\": {{\"plan\": \"free\"}}, \"password_hash\": \
             \"$2b$10$EGdrhbKUv8Oc9vGiXX0HQOxSg445d458Muh7DAHskb6QbtCvdxcie\"}}"
        )?;
    }
    writeln!(out, "]")?;
    Ok(out.flush()?)
}

fn import(folder: &Path, users: usize) -> anyhow::Result<Import> {
    let began = Instant::now();
    let mut child = Command::new(root().join("target/release/tenure"))
        .args(["user", "import", "users.json"])
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("starting the import")?;
    let mut peak_memory = 0;
    let status = loop {
        // The peak is gone with the process, so it is read until then.
        peak_memory = peak(child.id()).unwrap_or(peak_memory);
        if let Some(status) = child.try_wait()? {
            break status;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    if !status.success() {
        bail!("the import failed: {status}");
    }
    Ok(Import {
        users,
        seconds: began.elapsed().as_secs_f64(),
        peak_memory,
    })
}

/// The most memory that was resident so far, in bytes.
fn peak(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kib * 1024)
}
