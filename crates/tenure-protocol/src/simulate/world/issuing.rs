//! What a client is given for an authorization: tokens, and a family where it may refresh.

use super::*;

impl World {
    /// What the code is exchanged for.
    pub(super) fn issue(
        &mut self,
        index: usize,
        request: &AuthorizeRequest,
        (client, api): (&Client, Option<&Api>),
        now: Timestamp,
    ) -> Outcome {
        let granted = scope::grant(&request.scope, client, api, Ground::FirstParty, None);
        let note = dropped(&granted);
        let Some(session) = self.session(index) else {
            return Outcome::refused(RefusalReason::LoginRequired);
        };
        let audience = api.map(|api| api.identifier.clone());
        let family = self.family(session, &granted, client, audience, now);
        let family_ref = family.as_ref();
        let access_expiry =
            tokens::access_token_expiry(api, client, Some(session), family_ref, now);
        let id_expiry = granted
            .openid
            .then(|| tokens::id_token_expiry(client, session, family_ref, now));
        self.held.push(Held {
            client: client.client_id.clone(),
            session: index,
            since: now,
            deadlines: family.iter().map(|f| family_deadlines(f, now)).collect(),
            family,
            activities: vec![now],
            access_expiry,
            id_expiry,
        });
        Outcome::ok(note)
    }

    fn family(
        &self,
        session: &Session,
        granted: &Granted,
        client: &Client,
        audience: Option<String>,
        now: Timestamp,
    ) -> Option<Family> {
        let kind = match (granted.offline, granted.online) {
            (true, _) => FamilyKind::Offline,
            (false, true) => FamilyKind::Online,
            (false, false) => return None,
        };
        let policy = Policy::of(&client.refresh_token, client.is_public());
        let (idle_deadline, absolute_deadline) = refresh::deadlines(&policy, now);
        let number = u8::try_from(self.held.len()).unwrap_or(u8::MAX);
        Some(Family {
            sid: session.sid,
            family_id: FamilyId::from_bytes([number; 16]),
            client_id: client.client_id.clone(),
            user_id: USER.to_owned(),
            kind,
            secret: [0; 32],
            key_id: 0,
            generation: 1,
            consumed: Vec::<Consumed>::new(),
            created_at: now,
            last_exchanged_at: now,
            idle_deadline,
            absolute_deadline,
            scope: granted.text(),
            audience,
            auth_time: session.authenticated_at,
            amr: session.amr(),
            acr: session.acr(),
            claims: None,
            rotated_by: origin(false),
            bearer_until: 0,
            foreign_repeats: 0,
            foreign_repeat_generation: 0,
            end: None,
        })
    }
}

fn dropped(granted: &Granted) -> String {
    let parts: Vec<String> = granted
        .dropped
        .iter()
        .map(|(scope, why)| format!("without {scope}: {why}"))
        .collect();
    parts.join("; ")
}
