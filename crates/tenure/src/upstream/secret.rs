//! Our secrets at other providers: readable again, so they are sealed and not hashed.

use crate::crypto::mac::MacKey;
use crate::crypto::master::Master;
use crate::entropy::Entropy;
use tenure_protocol::model::Connection;

/// What a sealed secret is bound to: it opens for no other connection.
fn context(connection: &str) -> String {
    format!("connection secret {connection}")
}

pub fn seal_secret(master: &Master, connection: &str, secret: &str, entropy: &Entropy) -> String {
    master.seal_text(&context(connection), secret.as_bytes(), entropy)
}

/// By which a file's secret is recognised as the one that is stored.
pub fn secret_mac(key: &MacKey, connection: &str, secret: &str) -> [u8; 32] {
    key.mac(&[b"connection", connection.as_bytes(), secret.as_bytes()])
}

/// `None`: there is none, or the row is damaged.
pub(super) fn open_secret(master: &Master, connection: &Connection) -> Option<String> {
    let sealed = connection.sealed_secret.as_deref()?;
    let bytes = master.open_text(&context(&connection.name), sealed)?;
    String::from_utf8(bytes).ok()
}
