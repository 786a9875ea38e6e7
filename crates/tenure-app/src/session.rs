//! The session of a request, as handlers see it.

use crate::app::{Inner, Keep};
use crate::keeping::{Found, Live, Over};
use crate::record::{Record, text};
use crate::renew::Renewal;
use crate::store::{Replaced, StoreError};
use http::HeaderMap;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tenure_protocol::Timestamp;

/// The session of a request: an extractor that never refuses. Cheap to clone.
#[derive(Clone)]
pub struct Session {
    pub(crate) inner: Arc<Inner>,
    state: Arc<Mutex<State>>,
}

struct State {
    now: Timestamp,
    live: Option<Live>,
    over: Option<Over>,
    /// Whether the request is an activity that is worth writing down.
    touched: bool,
    /// Whether the cookie no longer says what the session is.
    changed: bool,
    /// The application's own data, as handlers changed it.
    data: Vec<(String, Option<Value>)>,
}

/// A signed-in user: an extractor that sends everybody else to the login, or answers scripts with 401.
#[derive(Clone, Debug)]
pub struct User {
    /// The user's name at the provider, which never changes.
    pub sub: String,
    /// The claims of the ID token.
    pub claims: Map<String, Value>,
    /// When they last proved who they are, where the provider says so.
    pub auth_time: Option<Timestamp>,
}

impl User {
    pub(crate) fn of(record: &Record) -> Self {
        Self {
            sub: record.sub().to_owned(),
            claims: record.claims.clone(),
            auth_time: record.auth_time(),
        }
    }

    /// A claim that is text.
    pub fn claim(&self, name: &str) -> Option<&str> {
        text(&self.claims, name)
    }

    /// The connection by which the provider signed the person in with somebody else: a landing page can
    /// say that the sign-in there is still alive.
    pub fn upstream_connection(&self) -> Option<&str> {
        self.claim("connection")
    }
}

/// Why a session's tokens could not be had.
#[derive(Debug)]
pub enum SessionError {
    /// The store is broken or cannot be reached.
    Store(StoreError),
    /// The provider does not answer; the session goes on.
    Unavailable(String),
}

impl std::fmt::Display for SessionError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Store(error) => write!(f, "{error}"),
            Self::Unavailable(why) => write!(f, "the tokens could not be renewed: {why}"),
        }
    }
}

impl std::error::Error for SessionError {}

impl From<StoreError> for SessionError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Session(…)")
    }
}

impl Session {
    pub(crate) fn new(inner: Arc<Inner>, found: Found, now: Timestamp) -> Self {
        let (live, over) = match found {
            Found::Nothing => (None, None),
            Found::Live(live) => (Some(*live), None),
            Found::Over(over) => (None, Some(over)),
        };
        let state = State {
            now,
            live,
            over,
            touched: false,
            changed: false,
            data: Vec::new(),
        };
        Self {
            inner,
            state: Arc::new(Mutex::new(state)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn live(&self) -> Option<Live> {
        self.state().live.clone()
    }

    /// Whether somebody is signed in.
    pub fn is_authenticated(&self) -> bool {
        self.state().live.is_some()
    }

    /// Who is signed in.
    pub fn user(&self) -> Option<User> {
        self.state()
            .live
            .as_ref()
            .map(|live| User::of(&live.record))
    }

    /// Why the browser's session is over, where that is known.
    pub fn over(&self) -> Option<Over> {
        self.state().over.clone()
    }

    /// The ID token as the provider signed it. Sessions in cookies keep it only where `idp_logout` is on.
    pub fn id_token(&self) -> Option<String> {
        self.state().live.as_ref()?.record.id_token.clone()
    }

    /// The access token, renewed if it has expired and can be. `None`: nobody is signed in (any more), or
    /// the token has expired and nothing can renew it.
    ///
    /// # Errors
    /// The store or the provider does not answer.
    pub async fn access_token(&self) -> Result<Option<String>, SessionError> {
        let needed = self
            .live()
            .is_some_and(|live| live.record.needs_refresh(self.inner.clock.now()));
        if needed {
            self.refresh().await?;
        }
        let now = self.inner.clock.now();
        let state = self.state();
        let record = state.live.as_ref().map(|live| &live.record);
        let current = record.filter(|record| record.token_expires_at.is_none_or(|at| at > now));
        Ok(current.and_then(|record| record.access_token.clone()))
    }

    /// Renews the tokens with the refresh token, however long the access token would still last. One refresh
    /// serves all requests that ask at once. Where the provider refuses, the person is signed out.
    ///
    /// # Errors
    /// The store or the provider does not answer; the session goes on.
    pub async fn refresh(&self) -> Result<(), SessionError> {
        let Some(live) = self.live() else {
            return Ok(());
        };
        let renewal = self.inner.renew(live).await?;
        let mut state = self.state();
        match renewal {
            Renewal::Done(live) => {
                // The activity of this request is in no store and no cookie yet.
                let touched_at = state.live.as_ref().map(|live| live.record.touched_at);
                let mut live = *live;
                live.record.touched_at = touched_at.unwrap_or_default().max(live.record.touched_at);
                state.live = Some(live);
                state.changed = true;
                Ok(())
            }
            Renewal::Over(over) => {
                state.live = None;
                state.over = Some(over);
                Ok(())
            }
            Renewal::Unavailable(why) => Err(SessionError::Unavailable(why)),
        }
    }

    /// A value of the application's own.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let state = self.state();
        let changed = state.data.iter().rev().find(|(changed, _)| changed == name);
        let value = match changed {
            Some((_, value)) => value.clone(),
            None => state.live.as_ref()?.record.data.get(name).cloned(),
        };
        serde_json::from_value(value?).ok()
    }

    /// Keeps a value with the session; written when the request has been answered. Values are for a few
    /// hundred bytes, above all in cookies. Where nobody is signed in nothing is kept. A value that no JSON can hold is dropped with a warning.
    pub fn set<T: Serialize>(&self, name: &str, value: &T) {
        match serde_json::to_value(value) {
            Ok(value) => self.state().data.push((name.to_owned(), Some(value))),
            Err(error) => tracing::warn!("{name} cannot be kept in a session: {error}"),
        }
    }

    /// Forgets a value of the application's own, when the request has been answered.
    pub fn remove(&self, name: &str) {
        self.state().data.push((name.to_owned(), None));
    }

    /// Records the activity of this request, if it is worth writing down.
    pub(crate) async fn touch(&self) -> Result<(), StoreError> {
        let Some(mut live) = self.live() else {
            return Ok(());
        };
        let now = self.state().now;
        let life = live.record.life(false);
        if !life.is_worth_touching(self.inner.limits_of(&live.record), now) {
            return Ok(());
        }
        live.record.touched_at = now;
        if self.inner.keep == Keep::Store {
            let forgotten_at = self.inner.forgotten_at(&live.record);
            if !self.inner.store.touch(&live.key, now, forgotten_at).await? {
                let found = self.inner.find_in_store(&live.key).await?;
                let mut state = self.state();
                state.live = None;
                if let Found::Over(over) = found {
                    state.over = Some(over);
                }
                return Ok(());
            }
        }
        let mut state = self.state();
        state.live = Some(live);
        state.touched = true;
        Ok(())
    }

    /// Writes down what the request changed, and answers the cookies that say so.
    pub(crate) async fn finish(&self, headers: &HeaderMap) -> Result<Vec<String>, StoreError> {
        let (live, touched, changed, data) = {
            let mut state = self.state();
            let data = std::mem::take(&mut state.data);
            (state.live.clone(), state.touched, state.changed, data)
        };
        // The cookie of a session that is over stays: it tells why, and clearing it here could hit the
        // cookie of a login that was faster than this request.
        let Some(live) = live else {
            return Ok(Vec::new());
        };
        match self.inner.keep {
            Keep::Store => {
                self.inner.write_data(live, &data).await?;
                // The ticket was set at the login and stays: a slow request sets no cookie, so it can
                // neither bring back an old session nor push out a new one.
                Ok(Vec::new())
            }
            Keep::Cookie => {
                let written = Written {
                    touched,
                    changed: changed || !data.is_empty(),
                };
                self.inner
                    .write_cookies(headers, live, &data, written)
                    .await
            }
        }
    }
}

/// What of a session in cookies has changed.
#[derive(Clone, Copy)]
struct Written {
    touched: bool,
    changed: bool,
}

type Data = [(String, Option<Value>)];

fn apply(record: &mut Record, data: &Data) {
    for (name, value) in data {
        match value {
            Some(value) => drop(record.data.insert(name.clone(), value.clone())),
            None => drop(record.data.remove(name)),
        }
    }
}

impl Inner {
    /// Changes a session's data where the session still is; what others changed meanwhile stays.
    async fn write_data(&self, mut live: Live, data: &Data) -> Result<(), StoreError> {
        while !data.is_empty() {
            apply(&mut live.record, data);
            match self.store.replace(&self.entry(&live)).await? {
                Replaced::Done | Replaced::Gone => break,
                Replaced::Changed => match self.find_in_store(&live.key).await? {
                    Found::Live(newer) => live = *newer,
                    Found::Over(_) | Found::Nothing => break,
                },
            }
        }
        Ok(())
    }

    /// No cookie of a session that ended while the request was under way is set again.
    async fn write_cookies(
        &self,
        headers: &HeaderMap,
        mut live: Live,
        data: &Data,
        written: Written,
    ) -> Result<Vec<String>, StoreError> {
        if !written.touched && !written.changed {
            return Ok(Vec::new());
        }
        if self.ended(&live.record, &live.key).await?.is_some() {
            return Ok(Vec::new());
        }
        let now = self.clock.now();
        let age = self.cookie_age(&live.record, now);
        let mut lines = Vec::new();
        if written.touched {
            let value = self.touched_value(&live.record);
            lines.push(self.jar.set(&self.jar.touched(), &value, age));
        }
        if written.changed {
            if let Some(newer) = self.flights.newer(&live.key, live.record.renewals) {
                live.record = newer;
            }
            apply(&mut live.record, data);
            if !data.is_empty() {
                self.flights.know(live.key, &live.record, now);
            }
            lines.extend(self.session_lines(headers, &self.cookie_value(&live.record), age));
        }
        Ok(lines)
    }

    /// The cookies of a session. One that is too large for any browser is not set at all, and the log says
    /// what helps.
    pub fn session_lines(&self, headers: &HeaderMap, value: &str, age: Option<i64>) -> Vec<String> {
        match self.jar.set_session(headers, value, age) {
            Ok(lines) => lines,
            Err(large) => {
                tracing::error!(
                    "a session of {} bytes is too large for cookies: use a store on the server",
                    large.bytes
                );
                Vec::new()
            }
        }
    }

    /// Clears every cookie of the session that the browser sent.
    pub fn clear(&self, headers: &HeaderMap) -> Vec<String> {
        let mut lines = self.jar.clear_session(headers);
        let touched = self.jar.touched();
        if crate::cookies::read(headers, &touched).is_some() {
            lines.push(self.jar.clear(&touched));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_landing_page_can_name_the_sign_in_that_goes_on() {
        let mut record = Record::default();
        assert_eq!(User::of(&record).upstream_connection(), None);
        record.claims.insert("connection".to_owned(), "corp".into());
        assert_eq!(User::of(&record).upstream_connection(), Some("corp"));
    }
}
