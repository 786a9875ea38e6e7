//! Plain values to start a test from. Times are seconds after one arbitrary instant.

use proptest::test_runner::{Config as ProptestConfig, RngSeed};
use tenure_protocol::limits::Limits;
use tenure_protocol::model::{AppType, Client};
use tenure_protocol::refresh::{Family, FamilyKind, Origin, Policy};
use tenure_protocol::session::{Device, End, EndReason, Factor, Login, Session, UserStanding};
use tenure_protocol::{FamilyId, Sid, Timestamp};

pub const HOUR: i64 = 3_600;
pub const DAY: i64 = 86_400;

/// Where every test begins.
pub const START: Timestamp = Timestamp::from_seconds(1_700_000_000);

pub const fn at(seconds: i64) -> Timestamp {
    START.plus(seconds)
}

pub const fn limits(idle_timeout: i64, absolute_lifetime: i64) -> Limits {
    Limits {
        idle_timeout,
        absolute_lifetime,
    }
}

pub const GOOD: UserStanding = UserStanding {
    exists: true,
    blocked: false,
    valid_after: Timestamp::from_millis(0),
};

pub fn sid() -> Sid {
    Sid::from_bytes([7; 16])
}

pub fn family_id() -> FamilyId {
    FamilyId::from_bytes([8; 16])
}

pub fn login(limits: Limits) -> Login {
    Login {
        user_id: "auth0|ada".to_owned(),
        secret_hash: [1; 32],
        limits,
        upstream_deadline: None,
        persistent: true,
        factors: vec![Factor {
            name: "pwd".to_owned(),
            at: START,
            ..Factor::default()
        }],
        device: Device {
            initial_ip: "192.0.2.1".to_owned(),
            ..Device::default()
        },
    }
}

/// A session that started at [`START`].
pub fn session(idle_timeout: i64, absolute_lifetime: i64) -> Session {
    Session::start(sid(), login(limits(idle_timeout, absolute_lifetime)), START)
}

pub fn end(reason: EndReason, at: Timestamp) -> End {
    End {
        at,
        reason,
        by: "cli".to_owned(),
        from: String::new(),
        rule: String::new(),
    }
}

pub fn client(app_type: AppType) -> Client {
    Client {
        client_id: "app".to_owned(),
        app_type,
        ..Client::default()
    }
}

pub fn strings(list: &[&str]) -> Vec<String> {
    list.iter().map(|&text| text.to_owned()).collect()
}

pub fn origin(address: &str, user_agent: &str) -> Origin {
    Origin {
        address: address.to_owned(),
        user_agent: user_agent.to_owned(),
        jkt: None,
    }
}

/// The browser that holds the family.
pub fn home() -> Origin {
    origin("192.0.2.1", "Firefox")
}

/// A rotating policy of a public client: 60 s for the predecessor, no leeway, 1 h idle, 24 h in all.
pub const ROTATING: Policy = Policy {
    rotating: true,
    public: true,
    leeway: 0,
    retry_window: 60,
    idle_timeout: Some(HOUR),
    absolute_lifetime: Some(DAY),
};

/// An offline family that started at [`START`] under [`ROTATING`].
pub fn family() -> Family {
    Family {
        sid: sid(),
        family_id: family_id(),
        client_id: "app".to_owned(),
        user_id: "auth0|ada".to_owned(),
        kind: FamilyKind::Offline,
        secret: [9; 32],
        key_id: 1,
        generation: 1,
        consumed: Vec::new(),
        created_at: START,
        last_exchanged_at: START,
        idle_deadline: Some(at(HOUR)),
        absolute_deadline: Some(at(DAY)),
        scope: "openid offline_access".to_owned(),
        audience: None,
        auth_time: START,
        amr: strings(&["pwd"]),
        acr: None,
        claims: None,
        rotated_by: home(),
        bearer_until: 0,
        foreign_repeats: 0,
        foreign_repeat_generation: 0,
        end: None,
    }
}

/// The same histories on every machine; another seed is tried by editing it here.
pub fn properties() -> ProptestConfig {
    ProptestConfig {
        cases: 300,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(20_240_229),
        ..ProptestConfig::default()
    }
}
