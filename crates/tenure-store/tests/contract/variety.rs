//! Rows of all shapes from seeded dice: empty and odd texts, the ends of every range, something and nothing.

use serde_json::{Map, Value, json};
use tenure_protocol::code::Code;
use tenure_protocol::limits::Limits;
use tenure_protocol::model::User;
use tenure_protocol::refresh::{Consumed, Family, FamilyKind, Origin};
use tenure_protocol::session::{AuthState, Device, End, EndReason, Factor, Session};
use tenure_protocol::{FamilyId, Sid, Timestamp};

/// U+0000 is left out: PostgreSQL has no room for it in a TEXT.
const TEXTS: [&str; 12] = [
    "",
    " ",
    "a",
    "auth0|5f7c8ec7c33c6c004bbafe82",
    "O'Brien -- \"quoted\"; DROP TABLE sessions",
    "$1 ? :name @x %s \\ \\u0000 \\x00",
    "Zoë Ångström, ß, İstanbul",
    "اسم المستخدم",
    "日本語 𠮷 👩‍👩‍👧",
    "e\u{301} \u{feff}\u{202e}",
    "line\nbreak\ttab\r\n\u{1}\u{7f}",
    "{\"json\": [null]}",
];

const NUMBERS: [i64; 9] = [
    i64::MIN,
    -1_800_000_000_000,
    -1,
    0,
    1,
    999,
    1_800_000_000_123,
    i64::MAX - 1,
    i64::MAX,
];

const COUNTS: [u32; 5] = [0, 1, 2, u32::MAX - 1, u32::MAX];

pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// SplitMix64.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        let index = self.roll() % from.len() as u64;
        from[usize::try_from(index).unwrap()].clone()
    }

    pub fn flip(&mut self) -> bool {
        self.roll() & 1 == 0
    }

    pub fn text(&mut self) -> String {
        if self.roll().is_multiple_of(16) {
            return "long ü ".repeat(3000);
        }
        self.pick(&TEXTS).to_owned()
    }

    pub fn number(&mut self) -> i64 {
        self.pick(&NUMBERS)
    }

    pub fn count(&mut self) -> u32 {
        self.pick(&COUNTS)
    }

    pub fn instant(&mut self) -> Timestamp {
        Timestamp::from_millis(self.number())
    }

    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        match self.roll() % 4 {
            0 => [0; N],
            1 => [0xff; N],
            _ => std::array::from_fn(|_| self.roll().to_be_bytes()[0]),
        }
    }

    pub fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.flip().then(|| make(self))
    }

    pub fn some<T>(&mut self, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.roll() % 4).map(|_| make(self)).collect()
    }

    pub fn end(&mut self) -> Option<End> {
        self.maybe(|dice| End {
            at: dice.instant(),
            reason: dice.pick(&EndReason::ALL),
            by: dice.text(),
            from: dice.text(),
            rule: dice.text(),
        })
    }

    pub fn session(&mut self, sid: Sid) -> Session {
        // The idle deadline never lies past the absolute one: such a row would be corrupt.
        let (a, b) = (self.instant(), self.instant());
        Session {
            sid,
            user_id: format!("u{}", self.text()),
            secret_hash: self.bytes(),
            created_at: self.instant(),
            authenticated_at: self.instant(),
            last_active_at: self.instant(),
            limits_since: self.instant(),
            limits: Limits {
                idle_timeout: self.number(),
                absolute_lifetime: self.number(),
            },
            idle_deadline: a.min(b),
            absolute_deadline: a.max(b),
            upstream_deadline: self.flip().then(|| self.instant()),
            confirm_deadline: self.flip().then(|| self.instant()),
            persistent: self.flip(),
            state: self.pick(&[AuthState::Pending, AuthState::Partial, AuthState::Full]),
            factors: self.some(|dice| Factor {
                name: dice.text(),
                at: dice.instant(),
                connection: dice.maybe(Dice::text),
                acr: dice.maybe(Dice::text),
            }),
            device: Device {
                initial_ip: self.text(),
                initial_user_agent: self.text(),
                last_ip: self.text(),
                last_user_agent: self.text(),
            },
            end: self.end(),
        }
    }

    pub fn family(&mut self, sid: Sid, family_id: FamilyId) -> Family {
        Family {
            sid,
            family_id,
            client_id: self.text(),
            user_id: self.text(),
            kind: self.pick(&[FamilyKind::Offline, FamilyKind::Online]),
            secret: self.bytes(),
            key_id: self.count(),
            generation: self.count(),
            consumed: self.some(|dice| Consumed {
                generation: dice.count(),
                at: dice.instant(),
            }),
            created_at: self.instant(),
            last_exchanged_at: self.instant(),
            idle_deadline: self.maybe(Self::instant),
            absolute_deadline: self.maybe(Self::instant),
            scope: self.text(),
            audience: self.maybe(Self::text),
            auth_time: self.instant(),
            amr: self.some(Self::text),
            acr: self.maybe(Self::text),
            claims: self.maybe(Self::text),
            rotated_by: Origin {
                address: self.text(),
                user_agent: self.text(),
                jkt: self.maybe(Self::text),
            },
            bearer_until: self.count(),
            foreign_repeats: self.count(),
            foreign_repeat_generation: self.count(),
            end: self.end(),
        }
    }

    pub fn code(&mut self, sid: Sid, hash: [u8; 32]) -> Code {
        Code {
            sid,
            hash,
            client_id: self.text(),
            user_id: self.text(),
            redirect_uri: self.text(),
            redirect_uri_sent: self.flip(),
            code_challenge: self.maybe(Self::text),
            dpop_jkt: self.maybe(Self::text),
            nonce: self.maybe(Self::text),
            scope: self.text(),
            audience: self.maybe(Self::text),
            auth_time: self.instant(),
            amr: self.some(Self::text),
            acr: self.maybe(Self::text),
            claims: self.maybe(Self::text),
            expires_at: self.instant(),
            consumed_at: self.maybe(Self::instant),
            family_id: self.maybe(|dice| FamilyId::from_bytes(dice.bytes())),
            access_token_id: self.maybe(Self::text),
        }
    }

    /// `email` and `username` must be unique and are left to the caller.
    pub fn user(&mut self, user_id: String) -> User {
        User {
            user_id,
            email: None,
            email_verified: self.flip(),
            username: None,
            phone_number: self.maybe(Self::text),
            phone_verified: self.flip(),
            name: self.maybe(Self::text),
            given_name: self.maybe(Self::text),
            family_name: self.maybe(Self::text),
            nickname: self.maybe(Self::text),
            picture: self.maybe(Self::text),
            blocked: self.flip(),
            valid_after: self.instant(),
            created_at: self.instant(),
            updated_at: self.instant(),
            user_metadata: self.json_object(),
            app_metadata: self.json_object(),
            extra: self.json_object(),
        }
    }

    fn json_object(&mut self) -> Map<String, Value> {
        // A prefix, so that none of them is the name of a column of its own.
        self.some(|dice| (format!("x-{}", dice.text()), dice.json()))
            .into_iter()
            .collect()
    }

    fn json(&mut self) -> Value {
        match self.roll() % 7 {
            0 => Value::Null,
            1 => json!(self.flip()),
            2 => json!(self.number()),
            3 => json!(u64::MAX),
            4 => json!([0.5, -1.25e10, [], {}]),
            5 => json!({ self.text(): { self.text(): [self.number()] } }),
            _ => json!(self.text()),
        }
    }
}
