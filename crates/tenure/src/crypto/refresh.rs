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

#[cfg(test)]
mod tests {
    use super::super::keys::KeyRing;
    use super::super::master::Master;
    use super::super::rollover;
    use super::*;
    use crate::entropy::Entropy;
    use tenure_protocol::Timestamp;
    use tenure_protocol::refresh::{FamilyKind, Origin};

    const ISSUER: &str = "https://id.example/";

    fn family() -> Family {
        let entropy = Entropy::seeded(1);
        Family {
            sid: entropy.sid(),
            family_id: entropy.family_id(),
            client_id: "app".to_owned(),
            user_id: "ada".to_owned(),
            kind: FamilyKind::Offline,
            secret: entropy.bytes(),
            key_id: 1,
            generation: 5,
            consumed: Vec::new(),
            created_at: Timestamp::default(),
            last_exchanged_at: Timestamp::default(),
            idle_deadline: None,
            absolute_deadline: None,
            scope: String::new(),
            audience: None,
            auth_time: Timestamp::default(),
            amr: Vec::new(),
            acr: None,
            claims: None,
            rotated_by: Origin::default(),
            bearer_until: 0,
            foreign_repeats: 0,
            foreign_repeat_generation: 0,
            end: None,
        }
    }

    fn ring() -> KeyRing {
        let master = Master::from_bytes([7; 32]);
        let rows = rollover::missing(
            &[],
            "current",
            (&master, &Entropy::system()),
            Timestamp::default(),
        )
        .unwrap();
        KeyRing::open(&rows, &master).unwrap()
    }

    #[test]
    fn a_token_proves_its_generation_and_is_the_same_each_time() {
        let (family, ring) = (family(), ring());
        let text = current(&family, ISSUER, &ring).unwrap();
        assert_eq!(current(&family, ISSUER, &ring).unwrap(), text);
        let token = RefreshToken::decode(&text).unwrap();
        let presented = check(&token, &family, ISSUER, &ring).unwrap();
        assert_eq!(presented.generation, 5);
        // The family went on; an earlier token still tells its generation.
        let later = Family {
            generation: 6,
            ..family
        };
        assert_eq!(check(&token, &later, ISSUER, &ring), Some(presented));
        assert_ne!(current(&later, ISSUER, &ring).unwrap(), text);
    }

    /// CVE-2026-55672: bound to its client; and to its issuer, its family and both secrets.
    #[test]
    fn a_token_is_good_for_nothing_else() {
        let (family, ring) = (family(), ring());
        let text = current(&family, ISSUER, &ring).unwrap();
        let token = RefreshToken::decode(&text).unwrap();
        let client_id = "other".to_owned();
        let strangers = [
            Family {
                client_id,
                ..family.clone()
            },
            Family {
                secret: [0; 32],
                ..family.clone()
            },
        ];
        for stranger in strangers {
            assert!(check(&token, &stranger, ISSUER, &ring).is_none());
        }
        assert!(check(&token, &family, "https://id.example", &ring).is_none());
        assert!(check(&token, &family, ISSUER, &self::ring()).is_none());
        assert!(check(&token, &family, ISSUER, &KeyRing::default()).is_none());
        let entropy = Entropy::seeded(2);
        let forged = [
            RefreshToken {
                generation: 6,
                ..token
            },
            RefreshToken { key_id: 2, ..token },
            RefreshToken {
                sid: entropy.sid(),
                ..token
            },
            RefreshToken {
                family_id: entropy.family_id(),
                ..token
            },
            RefreshToken {
                mac: [0; 32],
                ..token
            },
        ];
        for token in forged {
            assert!(check(&token, &family, ISSUER, &ring).is_none(), "{token:?}");
        }
    }

    /// CVE-2026-27840: neither a truncated nor a changed token counts, wherever the change is.
    #[test]
    fn no_part_of_a_token_is_a_token() {
        let (family, ring) = (family(), ring());
        let text = current(&family, ISSUER, &ring).unwrap();
        for at in 0..text.len() {
            let mut changed = text.clone();
            let other = if &text[at..=at] == "A" { "B" } else { "A" };
            changed.replace_range(at..=at, other);
            for wrong in [&text[..at], &changed, &format!("{text}A")] {
                let token = RefreshToken::decode(wrong);
                let presented = token.and_then(|token| check(&token, &family, ISSUER, &ring));
                assert!(presented.is_none(), "{wrong}");
            }
        }
    }
}
