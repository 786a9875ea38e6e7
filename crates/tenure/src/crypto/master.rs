//! The master key, kept outside the database: everything secret at rest is sealed under it, and
//! its fingerprint in the database makes a wrong or absent key a refusal to start.

use crate::entropy::Entropy;
use anyhow::{Context, bail};
use aws_lc_rs::{aead, hkdf, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// 32 bytes that never reach the database, a log or a backup.
#[derive(Clone)]
pub struct Master {
    key: [u8; 32],
}

impl std::fmt::Debug for Master {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Master(…)")
    }
}

impl Master {
    pub const fn from_bytes(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// From the text of `TENURE_KEY` or of a key file: 32 bytes as base64.
    pub fn from_text(text: &str) -> anyhow::Result<Self> {
        let bytes = STANDARD
            .decode(text.trim())
            .or_else(|_| URL_SAFE_NO_PAD.decode(text.trim()));
        match bytes.ok().and_then(|bytes| bytes.try_into().ok()) {
            Some(key) => Ok(Self { key }),
            None => bail!(
                "the master key must be 32 random bytes in base64, such as `openssl rand -base64 32` prints"
            ),
        }
    }

    /// Reads the key file; with `create`, makes one that only its owner can read.
    pub fn from_file(path: &Path, create: bool, entropy: &Entropy) -> anyhow::Result<Self> {
        match std::fs::metadata(path) {
            Ok(metadata) => {
                let mode = metadata.permissions().mode() & 0o777;
                if mode & 0o077 != 0 {
                    bail!(
                        "the key file {} can be read by others (mode {mode:o}): run chmod 600 on it",
                        path.display()
                    );
                }
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("cannot read the key file {}", path.display()))?;
                Self::from_text(&text)
                    .with_context(|| format!("in the key file {}", path.display()))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && create => {
                Self::create_file(path, entropy)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!(
                "the key file {} is missing. Without it the keys in the database cannot be read: \
                 put it back (backups leave it out on purpose), or name it with --key-file",
                path.display()
            ),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// The file appears whole or not at all: it is written under another name and linked to its own,
    /// which fails where a file is already. Then another process was faster, and its key is the key.
    fn create_file(path: &Path, entropy: &Entropy) -> anyhow::Result<Self> {
        let mut draft = path.as_os_str().to_owned();
        draft.push(format!(".{}", entropy.token(6)));
        let draft = PathBuf::from(draft);
        let linked =
            Self::write_draft(&draft, entropy).and_then(|()| std::fs::hard_link(&draft, path));
        drop(std::fs::remove_file(&draft));
        match linked {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                Err(error).with_context(|| format!("cannot create the key file {}", path.display()))
            }
            _ => {
                // The name must be on disk before anything is sealed under the key.
                let folder = path.parent().filter(|folder| *folder != Path::new(""));
                File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
                Self::from_file(path, false, entropy)
            }
        }
    }

    fn write_draft(draft: &Path, entropy: &Entropy) -> std::io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(draft)?;
        writeln!(file, "{}", STANDARD.encode(entropy.bytes::<32>()))?;
        file.sync_all()
    }

    /// The file beside a SQLite database.
    pub fn file_beside(database: &Path) -> PathBuf {
        let mut name = database.as_os_str().to_owned();
        name.push(".key");
        PathBuf::from(name)
    }

    /// Tells two keys apart and says nothing about either.
    pub fn fingerprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.derive("fingerprint"))
    }

    /// A key of its own for each purpose (HKDF-SHA-256, RFC 5869).
    pub fn derive(&self, label: &str) -> [u8; 32] {
        self.expand(&[label.as_bytes()])
    }

    fn expand(&self, info: &[&[u8]]) -> [u8; 32] {
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, b"tenure").extract(&self.key);
        let mut key = [0; 32];
        let filled = prk
            .expand(info, hmac::HMAC_SHA256)
            .and_then(|okm| okm.fill(&mut key));
        // 32 bytes are within HKDF's bounds; an all-zero key must never be used instead.
        if filled.is_err() {
            std::process::abort();
        }
        key
    }

    /// Encrypts and authenticates; `context` names what it is, and must be given again.
    ///
    /// AES-256-GCM with a key of its own for each message, derived from 12 of its 24 random bytes: a
    /// login page is sealed for whoever asks, and random 12-byte nonces under one key are safe for only
    /// 2^32 messages (NIST SP 800-38D section 8.3).
    pub fn seal(&self, context: &str, plain: &[u8], entropy: &Entropy) -> Vec<u8> {
        let (salt, nonce) = (entropy.bytes::<12>(), entropy.bytes::<12>());
        let mut sealed = plain.to_vec();
        let done = self.aead_key(&salt).seal_in_place_append_tag(
            aead::Nonce::assume_unique_for_key(nonce),
            aead::Aad::from(context.as_bytes()),
            &mut sealed,
        );
        // Nothing may leave unencrypted; GCM fails only for messages of 64 GiB.
        if done.is_err() {
            std::process::abort();
        }
        [&salt, &nonce, sealed.as_slice()].concat()
    }

    /// `None`: made under another key, for another context, or changed.
    pub fn open(&self, context: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (salt, rest) = sealed.split_first_chunk::<12>()?;
        let (nonce, rest) = rest.split_first_chunk::<12>()?;
        let nonce = aead::Nonce::assume_unique_for_key(*nonce);
        let aad = aead::Aad::from(context.as_bytes());
        let mut rest = rest.to_vec();
        let plain = self.aead_key(salt).open_in_place(nonce, aad, &mut rest);
        Some(plain.ok()?.to_vec())
    }

    /// [`Master::seal`] as text for a URL or a form.
    pub fn seal_text(&self, context: &str, plain: &[u8], entropy: &Entropy) -> String {
        URL_SAFE_NO_PAD.encode(self.seal(context, plain, entropy))
    }

    pub fn open_text(&self, context: &str, text: &str) -> Option<Vec<u8>> {
        self.open(context, &URL_SAFE_NO_PAD.decode(text).ok()?)
    }

    fn aead_key(&self, salt: &[u8; 12]) -> aead::LessSafeKey {
        match aead::UnboundKey::new(&aead::AES_256_GCM, &self.expand(&[b"seal", salt])) {
            Ok(key) => aead::LessSafeKey::new(key),
            Err(_) => std::process::abort(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_only_with_its_key_and_context() {
        let (a, b) = (Master::from_bytes([1; 32]), Master::from_bytes([2; 32]));
        let sealed = a.seal_text("login", b"secret", &Entropy::seeded(1));
        assert_eq!(a.open_text("login", &sealed).unwrap(), b"secret");
        assert!(b.open_text("login", &sealed).is_none());
        assert!(a.open_text("consent", &sealed).is_none());
        // Whatever character is changed, or cut off, nothing opens.
        for at in 0..sealed.len() - 1 {
            let mut changed = sealed.clone();
            let other = if &sealed[at..=at] == "A" { "B" } else { "A" };
            changed.replace_range(at..=at, other);
            assert!(a.open_text("login", &changed).is_none(), "{at}");
            assert!(a.open_text("login", &sealed[..at]).is_none(), "{at}");
        }
        assert_ne!(a.fingerprint(), b.fingerprint());
        assert_ne!(a.derive("one"), a.derive("two"));
        assert_eq!(format!("{a:?}"), "Master(…)");
    }

    #[test]
    fn the_same_text_is_never_sealed_alike() {
        let (master, entropy) = (Master::from_bytes([1; 32]), Entropy::seeded(1));
        let [a, b] = [0, 1].map(|_| master.seal("login", b"secret", &entropy));
        assert_ne!(a[..24], b[..24]);
        assert_ne!(a[24..], b[24..]);
    }

    #[test]
    fn a_key_is_read_in_either_base64_and_refused_in_words() {
        let key = STANDARD.encode([251; 32]);
        let expected = Master::from_bytes([251; 32]).fingerprint();
        for text in [
            key.clone(),
            format!(" {key}\n"),
            URL_SAFE_NO_PAD.encode([251; 32]),
        ] {
            assert_eq!(Master::from_text(&text).unwrap().fingerprint(), expected);
        }
        for text in ["", "short", "not base64 !", &STANDARD.encode([1; 31])] {
            let refused = Master::from_text(text).unwrap_err().to_string();
            assert!(refused.contains("openssl rand -base64 32"), "{refused}");
        }
    }

    #[test]
    fn whoever_starts_at_once_gets_the_same_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let prints: Vec<String> = std::thread::scope(|scope| {
            let start = || Master::create_file(&path, &Entropy::system()).unwrap();
            let racers: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
            let keys = racers.into_iter().map(|racer| racer.join().unwrap());
            keys.map(|key| key.fingerprint()).collect()
        });
        assert!(prints.iter().all(|print| *print == prints[0]));
        // No draft is left behind.
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_key_file_is_made_for_its_owner_alone_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = Master::file_beside(&folder.path().join("t.db"));
        assert!(path.ends_with("t.db.key"));
        assert!(Master::from_file(&path, false, &Entropy::system()).is_err());
        let made = Master::from_file(&path, true, &Entropy::system()).unwrap();
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let read = Master::from_file(&path, false, &Entropy::system()).unwrap();
        assert_eq!(made.fingerprint(), read.fingerprint());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let refused = Master::from_file(&path, false, &Entropy::system()).unwrap_err();
        assert!(refused.to_string().contains("chmod 600"), "{refused}");
    }
}
