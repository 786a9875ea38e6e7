//! Plain rows, numbered, for tests that care about what happens to them and not what is in them.

use tenure_protocol::code::Code;
use tenure_protocol::limits::Limits;
use tenure_protocol::model::User;
use tenure_protocol::refresh::{Family, FamilyKind, Origin};
use tenure_protocol::session::{Device, End, EndReason, Factor, Login, Session};
use tenure_protocol::{FamilyId, Sid, Timestamp};
use tenure_store::{LogRow, UserRow};

pub const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
pub const HOUR: i64 = 3600;
pub const DAY: i64 = 24 * HOUR;

pub fn id_bytes(n: u32) -> [u8; 16] {
    let mut bytes = [0x5a; 16];
    bytes[..4].copy_from_slice(&n.to_be_bytes());
    bytes
}

pub fn sid(n: u32) -> Sid {
    Sid::from_bytes(id_bytes(n))
}

pub fn family_id(n: u32) -> FamilyId {
    FamilyId::from_bytes(id_bytes(n))
}

pub fn user_id(n: u32) -> String {
    format!("auth0|{n:04}")
}

/// Starts at `NOW`, idle after an hour, over after a day.
pub fn session(n: u32) -> Session {
    session_at(n, NOW)
}

pub fn session_at(n: u32, now: Timestamp) -> Session {
    Session::start(
        sid(n),
        Login {
            user_id: user_id(n),
            secret_hash: [7; 32],
            limits: Limits {
                idle_timeout: HOUR,
                absolute_lifetime: DAY,
            },
            upstream_deadline: None,
            persistent: true,
            factors: vec![Factor {
                name: "pwd".to_owned(),
                at: now,
                ..Factor::default()
            }],
            device: Device::default(),
        },
        now,
    )
}

/// The `n`th family, in the `n`th session: it never ends by itself.
pub fn family(n: u32) -> Family {
    Family {
        sid: sid(n),
        family_id: family_id(n),
        client_id: "spa".to_owned(),
        user_id: user_id(n),
        kind: FamilyKind::Offline,
        secret: [9; 32],
        key_id: 1,
        generation: 0,
        consumed: Vec::new(),
        created_at: NOW,
        last_exchanged_at: NOW,
        idle_deadline: None,
        absolute_deadline: None,
        scope: "openid offline_access".to_owned(),
        audience: None,
        auth_time: NOW,
        amr: vec!["pwd".to_owned()],
        acr: None,
        claims: None,
        rotated_by: Origin::default(),
        bearer_until: 0,
        foreign_repeats: 0,
        foreign_repeat_generation: 0,
        end: None,
    }
}

/// The `n`th code, in the `n`th session: it expires a minute after `NOW`.
pub fn code(n: u32) -> Code {
    Code {
        sid: sid(n),
        hash: [n.to_be_bytes()[3]; 32],
        client_id: "spa".to_owned(),
        user_id: user_id(n),
        redirect_uri: "https://app.example/cb".to_owned(),
        redirect_uri_sent: true,
        code_challenge: None,
        dpop_jkt: None,
        nonce: None,
        scope: "openid".to_owned(),
        audience: None,
        auth_time: NOW,
        amr: Vec::new(),
        acr: None,
        claims: None,
        expires_at: NOW.plus(60),
        consumed_at: None,
        family_id: None,
        access_token_id: None,
    }
}

pub fn user(n: u32) -> UserRow {
    UserRow {
        user: User {
            user_id: user_id(n),
            email: Some(format!("person-{n:04}@example.com")),
            ..User::default()
        },
        password_hash: None,
    }
}

pub fn log(id: &str, user_id: &str) -> LogRow {
    LogRow {
        log_id: id.to_owned(),
        at: NOW,
        kind: "s".to_owned(),
        user_id: user_id.to_owned(),
        sid: String::new(),
        body: "{}".to_owned(),
    }
}

pub fn end(reason: EndReason) -> End {
    End {
        at: NOW.plus(10),
        reason,
        by: "cli".to_owned(),
        from: "192.0.2.1".to_owned(),
        rule: "command line".to_owned(),
    }
}

/// The same family, one rotation later.
pub fn rotated(family: &Family) -> Family {
    Family {
        generation: family.generation + 1,
        last_exchanged_at: family.last_exchanged_at.plus(1),
        ..family.clone()
    }
}
