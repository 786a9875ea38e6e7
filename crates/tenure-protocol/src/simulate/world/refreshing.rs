//! A refresh in the simulation, in the order in which the server judges it.

use super::*;
use crate::refresh::Outcome as Decided;

impl World {
    pub(super) fn refresh(
        &mut self,
        client_id: &str,
        generation: Option<u32>,
        elsewhere: bool,
        now: Timestamp,
    ) -> Outcome {
        let Some(client) = self.settings.clients.get(client_id).cloned() else {
            return Outcome::refused(RefusalReason::ClientUnknown);
        };
        if !client.allows_grant("refresh_token") {
            return Outcome::refused(RefusalReason::GrantNotAllowed);
        }
        let found = self.held.iter().rposition(|held| {
            self.is_here(held) && held.client == client_id && held.family.is_some()
        });
        let family = found
            .and_then(|index| self.held.get(index))
            .and_then(|held| held.family.clone());
        let (Some(index), Some(family)) = (found, family) else {
            return Outcome {
                note: "it never got a refresh token".to_owned(),
                ..Outcome::refused(RefusalReason::RefreshTokenUnknown)
            };
        };
        if self.user.blocked {
            return Outcome::refused(RefusalReason::UserBlocked);
        }
        let presented = Presented {
            generation: generation.unwrap_or(family.generation),
        };
        let policy = Policy::of(&client.refresh_token, client.is_public());
        let (next, repeat) = match decide(&family, presented, &policy, &origin(elsewhere), now) {
            Decided::Refused(refusal) => {
                let expired = family.verdict(Some(&policy), now);
                return Outcome::refused(refusal).because(expired.map(|verdict| verdict.reason));
            }
            Decided::Ended { family, reason } => {
                self.keep(index, family, None);
                return Outcome::refused(reason);
            }
            Decided::Repeat { family, .. } => (family, true),
            Decided::Exchange { family, .. } => (family, false),
        };
        if let Err(reason) = self.follow_session(index, &family, repeat, now) {
            self.end_family(index, reason, now);
            return Outcome::refused(RefusalReason::RefreshTokenSessionOver(reason));
        }
        let api = match self.ground(&family, &client) {
            Ok(api) => api,
            Err(refusal) => {
                self.end_family(index, EndReason::PolicyChange, now);
                return Outcome::refused(refusal);
            }
        };
        self.keep(index, next, (!repeat).then_some(now));
        self.renew(index, (&client, api.as_ref()), now);
        if repeat {
            return Outcome {
                word: "repeat",
                ..Outcome::ok("tolerated: the current token once more, no deadline moves")
            };
        }
        Outcome::ok("")
    }

    /// Whether this browser holds it.
    fn is_here(&self, held: &Held) -> bool {
        let life = self.lives.get(held.session);
        life.is_some_and(|life| life.browser == self.browser)
    }

    /// A session-bound family lives by its session, and its exchanges are activity.
    fn follow_session(
        &mut self,
        index: usize,
        family: &Family,
        repeat: bool,
        now: Timestamp,
    ) -> Result<(), EndReason> {
        let Some(session) = self.held.get(index).map(|held| held.session) else {
            return Ok(());
        };
        if family.kind == FamilyKind::Offline {
            return Ok(());
        }
        if let Some(end) = self.session(session).and_then(|s| s.end.as_ref()) {
            return Err(end.reason);
        }
        match self.judge(session, now) {
            Some(reason) => Err(reason),
            None if repeat => Ok(()),
            None => self
                .touch(session, now)
                .map_err(|reason| reason.unwrap_or(EndReason::PolicyChange)),
        }
    }

    /// What the family's grant is worth today: without its ground it ends.
    fn ground(&self, family: &Family, client: &Client) -> Result<Option<Api>, RefusalReason> {
        let ended = RefusalReason::RefreshTokenFamilyEnded(EndReason::PolicyChange);
        let api = match &family.audience {
            Some(audience) => Some(self.settings.apis.get(audience).ok_or(ended)?),
            None => None,
        };
        let granted = scope::grant(&family.scope, client, api, Ground::FirstParty, None);
        let has_ground = match family.kind {
            FamilyKind::Offline => granted.offline,
            FamilyKind::Online => granted.online,
        };
        if has_ground {
            Ok(api.cloned())
        } else {
            Err(ended)
        }
    }

    fn end_family(&mut self, index: usize, reason: EndReason, now: Timestamp) {
        let held = self.held.get_mut(index);
        if let Some(family) = held.and_then(|held| held.family.as_mut()) {
            family
                .end
                .get_or_insert_with(|| act(reason, "", "refresh", now));
        }
    }

    fn keep(&mut self, index: usize, family: Family, exchanged: Option<Timestamp>) {
        if let Some(held) = self.held.get_mut(index) {
            if let Some(now) = exchanged {
                held.activities.push(now);
                held.deadlines.push(family_deadlines(&family, now));
            }
            held.family = Some(family);
        }
    }

    /// Every answer carries new tokens.
    fn renew(&mut self, index: usize, (client, api): (&Client, Option<&Api>), now: Timestamp) {
        let Some(held) = self.held.get(index) else {
            return;
        };
        let Some(session) = self.session(held.session) else {
            return;
        };
        let family = held.family.as_ref();
        let access = tokens::access_token_expiry(api, client, Some(session), family, now);
        let id = tokens::id_token_expiry(client, session, family, now);
        if let Some(held) = self.held.get_mut(index) {
            held.access_expiry = held.access_expiry.max(access);
            held.id_expiry = held.id_expiry.map(|before| before.max(id));
        }
    }
}
