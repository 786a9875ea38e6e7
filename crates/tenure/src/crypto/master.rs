//! The master key, kept outside the database: everything secret at rest is sealed under it, and
//! its fingerprint in the database makes a wrong or absent key a refusal to start.

use crate::entropy::Entropy;
use anyhow::{Context, bail};
use aws_lc_rs::{aead, hkdf, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use std::fs::OpenOptions;
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

    /// From `TENURE_KEY`: 32 bytes as base64.
    pub fn from_text(text: &str) -> anyhow::Result<Self> {
        let bytes = STANDARD
            .decode(text.trim())
            .or_else(|_| URL_SAFE_NO_PAD.decode(text.trim()));
        match bytes.ok().and_then(|bytes| bytes.try_into().ok()) {
            Some(key) => Ok(Self { key }),
            None => bail!(
                "TENURE_KEY must be 32 random bytes in base64, such as `openssl rand -base64 32` prints"
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

    /// `create_new` never overwrites: when two processes start at once, one makes the file and the other fails loudly.
    fn create_file(path: &Path, entropy: &Entropy) -> anyhow::Result<Self> {
        let key = entropy.bytes::<32>();
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .with_context(|| format!("cannot create the key file {}", path.display()))?;
        file.write_all(STANDARD.encode(key).as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        Ok(Self { key })
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
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"tenure");
        let prk = salt.extract(&self.key);
        let mut key = [0; 32];
        let info = [label.as_bytes()];
        let filled = prk
            .expand(&info, hmac::HMAC_SHA256)
            .and_then(|okm| okm.fill(&mut key));
        // 32 bytes are within HKDF's bounds; an all-zero key must never be used instead.
        if filled.is_err() {
            std::process::abort();
        }
        key
    }

    /// Encrypts and authenticates (AES-256-GCM); `context` names what it is, and must be given again.
    pub fn seal(&self, context: &str, plain: &[u8], entropy: &Entropy) -> Vec<u8> {
        let nonce = entropy.bytes::<12>();
        let mut sealed = plain.to_vec();
        let done = self.aead_key().seal_in_place_append_tag(
            aead::Nonce::assume_unique_for_key(nonce),
            aead::Aad::from(context.as_bytes()),
            &mut sealed,
        );
        if done.is_err() {
            std::process::abort();
        }
        let mut out = nonce.to_vec();
        out.append(&mut sealed);
        out
    }

    /// `None`: made under another key, for another context, or changed.
    pub fn open(&self, context: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, rest) = sealed.split_first_chunk::<12>()?;
        let mut rest = rest.to_vec();
        let nonce = aead::Nonce::assume_unique_for_key(*nonce);
        let aad = aead::Aad::from(context.as_bytes());
        let plain = self.aead_key().open_in_place(nonce, aad, &mut rest).ok()?;
        Some(plain.to_vec())
    }

    /// [`Master::seal`] as text for a URL or a form.
    pub fn seal_text(&self, context: &str, plain: &[u8], entropy: &Entropy) -> String {
        URL_SAFE_NO_PAD.encode(self.seal(context, plain, entropy))
    }

    pub fn open_text(&self, context: &str, text: &str) -> Option<Vec<u8>> {
        self.open(context, &URL_SAFE_NO_PAD.decode(text).ok()?)
    }

    fn aead_key(&self) -> aead::LessSafeKey {
        let key = self.derive("seal");
        match aead::UnboundKey::new(&aead::AES_256_GCM, &key) {
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
        let mut changed = sealed.clone();
        changed.replace_range(20..21, if &sealed[20..21] == "A" { "B" } else { "A" });
        assert!(a.open_text("login", &changed).is_none());
        assert!(a.open_text("login", "").is_none());
        assert_ne!(a.fingerprint(), b.fingerprint());
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
