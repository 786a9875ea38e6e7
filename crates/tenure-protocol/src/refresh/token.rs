//! The text of a refresh token.

use crate::{FamilyId, Sid};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A refresh token's text, taken apart: version, key id, ids, generation, MAC; base64url of a constant length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshToken {
    pub key_id: u32,
    pub sid: Sid,
    pub family_id: FamilyId,
    pub generation: u32,
    /// HMAC-SHA-256 over [`RefreshToken::mac_input`].
    pub mac: [u8; 32],
}

const VERSION: u8 = 1;
const HEAD: usize = 1 + 4 + 16 + 16 + 4;
const LENGTH: usize = HEAD + 32;

impl RefreshToken {
    fn head(&self) -> [u8; HEAD] {
        let mut head = [0; HEAD];
        let parts: [&[u8]; 5] = [
            &[VERSION],
            &self.key_id.to_be_bytes(),
            self.sid.as_bytes(),
            self.family_id.as_bytes(),
            &self.generation.to_be_bytes(),
        ];
        for (to, from) in head.iter_mut().zip(parts.into_iter().flatten()) {
            *to = *from;
        }
        head
    }

    /// What the MAC covers: version, key id, ids, generation, the family's secret, and
    /// length-prefixed issuer and client id.
    pub fn mac_input(&self, secret: &[u8; 32], issuer: &str, client_id: &str) -> Vec<u8> {
        let mut input = Vec::with_capacity(HEAD + 48 + issuer.len() + client_id.len());
        input.extend_from_slice(&self.head());
        input.extend_from_slice(secret);
        for text in [issuer, client_id] {
            input.extend_from_slice(&(text.len() as u64).to_be_bytes());
            input.extend_from_slice(text.as_bytes());
        }
        input
    }

    pub fn encode(&self) -> String {
        let mut bytes = [0; LENGTH];
        for (to, from) in bytes.iter_mut().zip(self.head().iter().chain(&self.mac)) {
            *to = *from;
        }
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// `None` for anything but the exact length and alphabet (lesson CVE-2026-27840).
    pub fn decode(text: &str) -> Option<Self> {
        let bytes: [u8; LENGTH] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        let mut rest = bytes.as_slice();
        if take::<1>(&mut rest)? != [VERSION] {
            return None;
        }
        Some(Self {
            key_id: u32::from_be_bytes(take(&mut rest)?),
            sid: Sid::from_bytes(take(&mut rest)?),
            family_id: FamilyId::from_bytes(take(&mut rest)?),
            generation: u32::from_be_bytes(take(&mut rest)?),
            mac: take(&mut rest)?,
        })
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}
