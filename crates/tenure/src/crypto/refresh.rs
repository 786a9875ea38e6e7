//! Refresh tokens are derived, not minted: a MAC under a server key over the family's random secret,
//! so that forging one needs key and database.

use super::keys::KeyRing;
use super::mac;
use tenure_protocol::refresh::{Family, Presented, RefreshToken};

/// The current token of a family. `None`: the key it was made under is gone.
pub fn current(family: &Family, issuer: &str, ring: &KeyRing) -> Option<String> {
    let mut token = RefreshToken {
        key_id: family.key_id,
        sid: family.sid,
        family_id: family.family_id,
        generation: family.generation,
        mac: [0; 32],
    };
    token.mac = expected(&token, family, issuer, ring)?;
    Some(token.encode())
}

/// The generation that a presented token names, if its MAC is valid for this family and its client.
pub fn check(
    token: &RefreshToken,
    family: &Family,
    issuer: &str,
    ring: &KeyRing,
) -> Option<Presented> {
    let expected = expected(token, family, issuer, ring)?;
    mac::equal(&expected, &token.mac).then_some(Presented {
        generation: token.generation,
    })
}

fn expected(
    token: &RefreshToken,
    family: &Family,
    issuer: &str,
    ring: &KeyRing,
) -> Option<[u8; 32]> {
    let key = ring.refresh_key(token.key_id)?;
    Some(key.mac_bytes(&token.mac_input(&family.secret, issuer, &family.client_id)))
}
