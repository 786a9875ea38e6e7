//! What is left at the end of a simulation: each layer with its end, if nothing more happens.

use super::world::{Held, Upstream, World};
use super::{Layer, LayerEnd, LayerKind};
use crate::Timestamp;
use crate::refresh::{Family, FamilyKind, Policy};
use crate::session::{End, EndReason, Session, UserStanding, Verdict};

/// An instant at which every deadline has passed: whose verdict is the first that will come.
const AFTER_ALL: Timestamp = Timestamp::from_millis(i64::MAX);

pub(super) fn of(mut world: World) -> Vec<Layer> {
    let refused = Refused::at_the_end(&world);
    // What ends by itself takes along what is bound to it.
    world.pass_to_the_end(AFTER_ALL);
    let world = &world;
    let mut layers: Vec<Layer> = world.upstream.iter().map(upstream_layer).collect();
    let sessions = world
        .lives
        .iter()
        .zip(refused.sessions)
        .map(|(life, refused)| {
            let end = session_end(&life.session, world.user);
            let refused_from = refused.filter(|refused| is_before(refused, end.as_ref()));
            Layer {
                kind: LayerKind::Session,
                browser: named(&life.browser),
                client: None,
                connection: None,
                since: life.session.created_at,
                activities: life.activities.clone(),
                deadlines: life.deadlines.clone(),
                end,
                refused_from,
            }
        });
    layers.extend(sessions);
    let owner = |held: &Held| (browser(world, held), held.client.clone());
    let mut owners: Vec<(Option<String>, String)> = Vec::new();
    for held in &world.held {
        if !owners.contains(&owner(held)) {
            owners.push(owner(held));
        }
    }
    for client in owners {
        let mine = || world.held.iter().filter(|held| owner(held) == client);
        let families = world.held.iter().zip(&refused.families);
        layers.extend(
            families
                .filter(|(held, _)| owner(held) == client)
                .filter_map(|(held, refused)| family_layer(world, held, refused.clone())),
        );
        layers.extend(last_token(world, mine(), LayerKind::AccessToken));
        layers.extend(last_token(world, mine(), LayerKind::IdToken));
    }
    layers
}

/// What the settings of the end refuse before its stored deadlines do.
struct Refused {
    sessions: Vec<Option<LayerEnd>>,
    families: Vec<Option<LayerEnd>>,
}

impl Refused {
    fn at_the_end(world: &World) -> Self {
        let stricter = |stored: Option<Verdict>, today: Option<Verdict>| {
            let (stored, today) = (stored?, today?);
            let since = today.since.max(world.settings_since);
            (since < stored.since).then(|| layer_end(Verdict { since, ..today }, None))
        };
        let sessions = world.lives.iter().map(|life| {
            // What a provider says later may put this off; the settings do not wait for it.
            let session = &Session {
                confirm_deadline: None,
                idle_deadline: life.session.unconfirmed_idle_deadline(),
                ..life.session.clone()
            };
            let today = world.settings.limits(session.persistent);
            stricter(
                session.verdict(None, world.user, AFTER_ALL),
                session.verdict(Some(&today), world.user, AFTER_ALL),
            )
        });
        let families = world.held.iter().map(|held| {
            let family = held.family.as_ref()?;
            let client = world.settings.clients.get(&held.client)?;
            let today = Policy::of(&client.refresh_token, client.is_public());
            stricter(
                family.verdict(None, AFTER_ALL),
                family.verdict(Some(&today), AFTER_ALL),
            )
        });
        Self {
            sessions: sessions.collect(),
            families: families.collect(),
        }
    }
}

fn is_before(refused: &LayerEnd, end: Option<&LayerEnd>) -> bool {
    end.is_none_or(|end| refused.at < end.at)
}

fn named(browser: &str) -> Option<String> {
    (!browser.is_empty()).then(|| browser.to_owned())
}

/// Where a client holds it.
fn browser(world: &World, held: &Held) -> Option<String> {
    named(&world.lives.get(held.session)?.browser)
}

fn upstream_layer(upstream: &Upstream) -> Layer {
    let expires = upstream.expiry.map(|at| LayerEnd {
        at,
        by: "expired",
        rule: "session_expiry of the provider".to_owned(),
    });
    Layer {
        kind: LayerKind::Upstream,
        browser: named(&upstream.browser),
        client: None,
        connection: named(&upstream.connection),
        since: upstream.since,
        activities: upstream.activities.clone(),
        deadlines: upstream.deadlines.clone(),
        end: upstream.end.clone().or(expires),
        refused_from: None,
    }
}

fn family_layer(world: &World, held: &Held, refused_from: Option<LayerEnd>) -> Option<Layer> {
    let family = held.family.as_ref()?;
    Some(Layer {
        kind: match family.kind {
            FamilyKind::Offline => LayerKind::OfflineFamily,
            FamilyKind::Online => LayerKind::OnlineFamily,
        },
        browser: browser(world, held),
        client: Some(held.client.clone()),
        connection: None,
        since: held.since,
        activities: held.activities.clone(),
        deadlines: held.deadlines.clone(),
        end: family_end(family),
        refused_from,
    })
}

/// The token of a kind that expires last, of all that the client was given.
fn last_token<'h>(
    world: &World,
    held: impl Iterator<Item = &'h Held>,
    kind: LayerKind,
) -> Option<Layer> {
    let (held, exp) = held
        .filter_map(|held| match kind {
            LayerKind::AccessToken => Some((held, held.access_expiry)),
            _ => Some((held, held.id_expiry?)),
        })
        .max_by_key(|(_, exp)| *exp)?;
    let session = world.lives.get(held.session).map(|life| &life.session)?;
    let offline = held
        .family
        .as_ref()
        .filter(|family| family.kind == FamilyKind::Offline);
    let (limit, carrier) = match offline {
        Some(family) => (family.absolute_deadline, family_end(family)),
        None => (
            Some(session.absolute_deadline),
            session_end(session, world.user),
        ),
    };
    let rule = if limit == Some(exp) {
        "absolute deadline of what it hangs on"
    } else {
        "token lifetime"
    };
    Some(Layer {
        kind,
        browser: browser(world, held),
        client: Some(held.client.clone()),
        connection: None,
        since: held.since,
        activities: Vec::new(),
        deadlines: Vec::new(),
        end: Some(LayerEnd {
            at: exp,
            by: "expired",
            rule: rule.to_owned(),
        }),
        refused_from: carrier.filter(|end| end.at < exp),
    })
}

fn session_end(session: &Session, user: UserStanding) -> Option<LayerEnd> {
    let verdict = session.verdict(None, user, AFTER_ALL)?;
    Some(layer_end(verdict, session.end.as_ref()))
}

/// Its own limits, or the act that ended it before: the earlier one.
fn family_end(family: &Family) -> Option<LayerEnd> {
    let unended = Family {
        end: None,
        ..family.clone()
    };
    let limit = unended.verdict(None, AFTER_ALL);
    match (&family.end, limit) {
        (Some(end), limit) if limit.is_none_or(|limit| end.at <= limit.since) => {
            let verdict = family.verdict(None, AFTER_ALL)?;
            Some(layer_end(verdict, Some(end)))
        }
        (_, limit) => limit.map(|limit| layer_end(limit, None)),
    }
}

fn layer_end(verdict: Verdict, end: Option<&End>) -> LayerEnd {
    let by: EndReason = verdict.reason;
    LayerEnd {
        at: verdict.since,
        by: by.name(),
        rule: end
            .map_or(verdict.rule.name(), |end| end.rule.as_str())
            .to_owned(),
    }
}
