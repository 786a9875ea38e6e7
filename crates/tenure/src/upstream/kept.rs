//! The tokens of an upstream session, sealed in its row.

use super::Tokens;
use crate::app::App;
use serde_json::json;
use tenure_protocol::Sid;
use tenure_store::UpstreamSession;

/// What sealed tokens are bound to: they open for no other row.
fn context((sid, connection): (Sid, &str)) -> String {
    format!("upstream session {sid} {connection}")
}

/// Access tokens are not kept: nothing is asked with them later.
pub fn seal_tokens(app: &App, session: (Sid, &str), tokens: &Tokens) -> Vec<u8> {
    let kept = json!({ "id_token": tokens.id_token, "refresh_token": tokens.refresh_token });
    let plain = kept.to_string();
    app.master
        .seal(&context(session), plain.as_bytes(), &app.entropy)
}

/// `None`: there are none, or the row is damaged.
pub fn open_tokens(app: &App, row: &UpstreamSession) -> Option<Tokens> {
    let context = context((row.sid, &row.connection));
    let plain = app.master.open(&context, row.sealed.as_deref()?)?;
    serde_json::from_slice(&plain).ok()
}
