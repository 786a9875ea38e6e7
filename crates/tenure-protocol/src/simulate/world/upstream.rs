//! The layer above: the session at the identity provider that the person came in through.

use super::World;
use crate::model::ExpiryPolicy;
use crate::session::EndReason;
use crate::simulate::{Ask, Deadlines, LayerEnd, Outcome};
use crate::upstream::expiry;
use crate::upstream::farewell::may_be_alive;
use crate::{RefusalReason, Timestamp};
use serde_json::json;

/// A session at the provider, as far as it tells.
#[derive(Clone, Debug)]
pub struct Upstream {
    pub since: Timestamp,
    /// Logins through it.
    pub activities: Vec<Timestamp>,
    pub deadlines: Vec<Deadlines>,
    /// Its `session_expiry`, where it sends one.
    pub expiry: Option<Timestamp>,
    pub end: Option<LayerEnd>,
}

impl World {
    /// When the provider's word caps the session that a login starts: judged as the server judges the
    /// claim of its ID token. The session there lives on through further logins.
    pub(super) fn come_by_upstream(
        &mut self,
        ask: &Ask,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Outcome> {
        let Some(upstream) = ask.upstream else {
            return Ok(None);
        };
        let claim = upstream
            .session_expiry
            .map(|lifetime| json!(now.plus(lifetime).seconds()));
        let cap =
            expiry::cap(claim.as_ref(), ExpiryPolicy::Honour, now).map_err(|fault| Outcome {
                note: fault.name().to_owned(),
                ..Outcome::refused(RefusalReason::LoginRequired)
            })?;
        let deadlines = Deadlines {
            since: now,
            idle: None,
            absolute: cap,
        };
        match self.upstream.last_mut() {
            Some(last) if last.end.is_none() && may_be_alive(None, last.expiry, now) => {
                last.activities.push(now);
                last.deadlines.push(deadlines);
                last.expiry = cap;
            }
            _ => self.upstream.push(Upstream {
                since: now,
                activities: vec![now],
                deadlines: vec![deadlines],
                expiry: cap,
                end: None,
            }),
        }
        Ok(cap)
    }

    /// The provider tells that its session is over, by a logout token.
    pub(super) fn upstream_logout(&mut self, now: Timestamp) -> Outcome {
        if !self.end_upstream("logout at the provider", now) {
            return Outcome::ok("there was no session at a provider");
        }
        self.end_by(EndReason::UpstreamLogout, "", now)
    }

    /// `false`: there was none that could end.
    pub(super) fn end_upstream(&mut self, rule: &str, now: Timestamp) -> bool {
        let last = self.upstream.last_mut();
        let Some(last) = last.filter(|u| u.end.is_none() && may_be_alive(None, u.expiry, now))
        else {
            return false;
        };
        last.end = Some(LayerEnd {
            at: now,
            by: EndReason::UpstreamLogout.name(),
            rule: rule.to_owned(),
        });
        true
    }
}
