//! Finding the session behind a cookie, and writing it down.

use crate::app::{Inner, Keep};
use crate::cookies;
use crate::life::{Deadline, Limits};
use crate::record::Record;
use crate::seal::{hash, random_text};
use crate::store::{Entry, Key, Mark, StoreError};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use tenure_protocol::Timestamp;

/// Seconds after its last deadline for which a session is still spoken of: why it is over.
const REMEMBERED: i64 = 86_400;

/// A live session.
#[derive(Clone, Debug)]
pub struct Live {
    pub key: Key,
    /// Counts the replacements in the store.
    pub version: i64,
    pub record: Record,
}

/// Why a session is over. On the wire as the provider's `/session/status` says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Over {
    /// The application session's name, as `/session` tells it.
    pub sid: String,
    /// In the provider's vocabulary, such as `idle` or `user_logout`.
    pub reason: String,
    /// The limit or the event that ended it.
    pub rule: String,
    /// Whole seconds on the wire.
    #[serde(serialize_with = "as_seconds")]
    pub ended_at: Timestamp,
}

fn as_seconds<S: serde::Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_i64(at.seconds())
}

impl Over {
    fn by_time(key: &Key, deadline: Deadline) -> Self {
        Self {
            sid: name_of(key),
            reason: deadline.rule.reason().to_owned(),
            rule: deadline.rule.name().to_owned(),
            ended_at: deadline.at,
        }
    }

    /// The mark may be the user's or that of the provider's session; `key` is the session's own.
    pub(crate) fn by_act(key: &Key, mark: &Mark) -> Self {
        let (rule, reason) = mark.reason.split_once(' ').unwrap_or(("", &mark.reason));
        Self {
            sid: name_of(key),
            reason: reason.to_owned(),
            rule: rule.to_owned(),
            ended_at: mark.at,
        }
    }
}

/// What stands behind a request's cookie.
#[derive(Clone, Debug)]
pub enum Found {
    Nothing,
    Live(Box<Live>),
    Over(Over),
}

/// The activity of a session that lives in cookies. It has a cookie of its own, so that a slow request
/// which only writes down an activity never writes old tokens back.
#[derive(Serialize, Deserialize)]
struct Touched {
    id: String,
    at: Timestamp,
}

impl Inner {
    /// The limits of a session under today's configuration.
    pub fn limits_of(&self, record: &Record) -> Limits {
        record.limits.under(self.config.limits())
    }

    /// When a session ends if nothing happens any more.
    pub fn end_of(&self, record: &Record) -> Option<Deadline> {
        let life = record.life(self.config.session.follow_tokens);
        life.end(self.limits_of(record))
    }

    fn over(&self, record: &Record, now: Timestamp) -> Option<Deadline> {
        let life = record.life(self.config.session.follow_tokens);
        life.over(self.limits_of(record), now)
    }

    pub async fn find(&self, headers: &HeaderMap, now: Timestamp) -> Result<Found, StoreError> {
        let Some(text) = self.jar.read_session(headers) else {
            return Ok(Found::Nothing);
        };
        let found = match self.keep {
            Keep::Cookie => self.find_in_cookie(headers, &text).await?,
            Keep::Store => self.find_in_store(&key_of(&text)).await?,
        };
        Ok(match found {
            Found::Live(live) => match self.over(&live.record, now) {
                Some(deadline) => Found::Over(Over::by_time(&live.key, deadline)),
                None => Found::Live(live),
            },
            other => other,
        })
    }

    async fn find_in_cookie(&self, headers: &HeaderMap, text: &str) -> Result<Found, StoreError> {
        let plain = self.seal.open_text(&self.purpose("session"), text);
        let read = plain.and_then(|plain| serde_json::from_slice::<Record>(&plain).ok());
        let Some(mut record) = read else {
            return Ok(Found::Nothing);
        };
        let key = key_of(&record.id);
        if let Some(over) = self.ended(&record, &key).await? {
            return Ok(Found::Over(over));
        }
        if let Some(newer) = self.flights.newer(&key, record.renewals) {
            record = newer;
        }
        if let Some(at) = self.read_touched(headers, &record.id) {
            record.touched_at = record.touched_at.max(at);
        }
        Ok(Found::Live(Box::new(Live {
            key,
            version: 0,
            record,
        })))
    }

    fn read_touched(&self, headers: &HeaderMap, id: &str) -> Option<Timestamp> {
        let text = cookies::read(headers, &self.jar.touched())?;
        let plain = self.seal.open_text(&self.purpose("touched"), text)?;
        let touched: Touched = serde_json::from_slice(&plain).ok()?;
        (touched.id == id).then_some(touched.at)
    }

    /// Whether a session in a cookie was ended: by itself, by its `sid`, or by its user.
    pub async fn ended(&self, record: &Record, key: &Key) -> Result<Option<Over>, StoreError> {
        let mut keys = vec![*key, self.sub_key(record.sub())];
        keys.extend(record.sid().map(|sid| self.sid_key(sid)));
        let marks = self.store.marks(&keys).await?;
        let over = marks.iter().filter(|mark| mark.at >= record.created_at);
        let first = over.min_by_key(|mark| mark.at);
        Ok(first.map(|mark| Over::by_act(key, mark)))
    }

    pub async fn find_in_store(&self, key: &Key) -> Result<Found, StoreError> {
        let Some(entry) = self.store.load(key).await? else {
            let marks = self.store.marks(&[*key]).await?;
            return Ok(marks
                .first()
                .map_or(Found::Nothing, |mark| Found::Over(Over::by_act(key, mark))));
        };
        let plain = self.seal.open(&self.purpose("row"), &entry.body);
        let read = plain.and_then(|plain| serde_json::from_slice::<Record>(&plain).ok());
        let Some(mut record) = read else {
            tracing::warn!("a session in the store cannot be opened: the secret has changed");
            return Ok(Found::Nothing);
        };
        record.touched_at = record.touched_at.max(entry.touched_at);
        Ok(Found::Live(Box::new(Live {
            key: *key,
            version: entry.version,
            record,
        })))
    }

    /// A new session with an id that nobody has seen before (lesson CVE-2021-41246). Answers the cookie's
    /// value; `None`: it has been ended meanwhile.
    pub async fn start(&self, mut record: Record) -> Result<Option<(Live, String)>, StoreError> {
        record.id = random_text::<32>();
        let live = Live {
            key: key_of(&record.id),
            version: 0,
            record,
        };
        let value = match self.keep {
            Keep::Cookie => match self.ended(&live.record, &live.key).await? {
                Some(_) => return Ok(None),
                None => self.cookie_value(&live.record),
            },
            Keep::Store => match self.store.create(&self.entry(&live)).await? {
                false => return Ok(None),
                true => live.record.id.clone(),
            },
        };
        Ok(Some((live, value)))
    }

    /// A session's value for a cookie that holds all of it. The ID token, whose claims are there anyway, is
    /// a third of it: it comes along only where the provider's logout will want it as a hint.
    pub fn cookie_value(&self, record: &Record) -> String {
        let mut small = record.clone();
        small.id_token = small.id_token.filter(|_| self.config.idp_logout);
        let plain = serde_json::to_vec(&small).unwrap_or_default();
        self.seal.seal_text(&self.purpose("session"), &plain)
    }

    pub fn touched_value(&self, record: &Record) -> String {
        let touched = Touched {
            id: record.id.clone(),
            at: record.touched_at,
        };
        let plain = serde_json::to_vec(&touched).unwrap_or_default();
        self.seal.seal_text(&self.purpose("touched"), &plain)
    }

    pub fn entry(&self, live: &Live) -> Entry {
        let record = &live.record;
        let plain = serde_json::to_vec(record).unwrap_or_default();
        Entry {
            key: live.key,
            sid: record.sid().map(|sid| self.sid_key(sid)),
            sub: self.sub_key(record.sub()),
            version: live.version,
            created_at: record.created_at,
            touched_at: record.touched_at,
            expires_at: self.forgotten_at(record),
            body: self.seal.seal(&self.purpose("row"), &plain),
        }
    }

    /// From then on nothing needs to know of a session.
    pub fn forgotten_at(&self, record: &Record) -> Timestamp {
        let end = self.end_of(record).map(|deadline| deadline.at);
        end.unwrap_or(record.created_at).plus(REMEMBERED)
    }

    /// For how long the browser keeps the session's cookies: longer than the session, whose deadlines are
    /// sealed inside (lesson CVE-2025-46344), so that its next request can be told why it is over.
    pub fn cookie_age(&self, record: &Record, now: Timestamp) -> Option<i64> {
        if self.config.session.transient {
            return None;
        }
        // Set at the login, and again only when tokens or data change: it lasts as long as activity alone could
        // carry the session.
        let limits = self.limits_of(record);
        let end = match limits.rolling_duration {
            Some(_) => {
                let life = record.life(false);
                life.hard_end(limits)
                    .map_or(now.plus(MOST_COOKIE_AGE), |end| end.at)
            }
            None => self.end_of(record)?.at,
        };
        let age = end.plus(REMEMBERED).millis_since(now) / 1000;
        Some(age.min(MOST_COOKIE_AGE))
    }

    /// The mark of sessions that end now. It has to be known for as long as a cookie of theirs could come.
    pub fn mark(&self, key: Key, rule: &str, reason: &str, now: Timestamp) -> Mark {
        Mark {
            key,
            at: now,
            reason: format!("{rule} {reason}"),
            expires_at: now.plus(self.longest_life()).plus(REMEMBERED),
        }
    }

    /// The longest that a session which exists now can still live without any activity, which an ended one
    /// has none of.
    fn longest_life(&self) -> i64 {
        let limits = self.config.limits();
        let both = [limits.rolling_duration, limits.absolute_duration];
        both.into_iter().flatten().max().unwrap_or(MOST_COOKIE_AGE)
    }
}

/// 400 days in seconds: browsers keep no cookie for longer (RFC 6265bis).
const MOST_COOKIE_AGE: i64 = 400 * 86_400;

/// The store's name of a session: who reads the store holds no session.
pub fn key_of(id: &str) -> Key {
    hash(&["session", id])
}

/// What pages know a session by. Not the provider's `sid`: that stays the same when somebody signs out here and in
/// again, and a monitor that was told of an end would take the new session for the one that is over.
pub fn name_of(key: &Key) -> String {
    let key = URL_SAFE_NO_PAD.encode(key);
    URL_SAFE_NO_PAD.encode(hash(&["name", &key]))
}
