//! Properties of a refresh token family's whole life, over random histories.

use crate::common::{ROTATING, client, properties, session};
use crate::family_history::{Refresh, World, history, run};
use proptest::prelude::*;
use tenure_protocol::model::{Api, AppType};
use tenure_protocol::refresh::{Family, FamilyKind, Outcome};
use tenure_protocol::tokens::{access_token_expiry, id_token_expiry};
use tenure_protocol::{RefusalReason, Timestamp};

proptest! {
    #![proptest_config(properties())]

    /// Lesson CVE-2026-1035: whatever happened, exactly one generation can be exchanged.
    #[test]
    fn cve_2026_1035_a_family_never_has_two_live_branches(history in history()) {
        run(&history, |_, _, after| {
            let exchangeable: Vec<u32> = (0..=after.family.generation + 3)
                .filter(|g| matches!(after.judge(*g, false), Outcome::Exchange { .. }))
                .collect();
            let live = after.family.end.is_none()
                && !matches!(after.judge(after.family.generation, false), Outcome::Refused(_));
            let expected = if live { vec![after.family.generation] } else { vec![] };
            assert_eq!(exchangeable, expected);
        });
    }

    #[test]
    fn a_generation_advances_at_most_once(history in history()) {
        run(&history, |before, refresh, after| {
            let rotated = matches!(refresh, Some(Refresh { outcome: Outcome::Exchange { rotated: true, .. }, .. }));
            assert_eq!(after.family.generation, before.family.generation + u32::from(rotated));
        });
    }

    #[test]
    fn a_repeat_answers_the_current_token_and_moves_nothing(history in history()) {
        run(&history, |before, refresh, after| {
            let Some(Refresh { presented, outcome: Outcome::Repeat { family, presented: told } }) = refresh else {
                return;
            };
            assert_eq!(presented, told);
            assert!(*presented < before.family.generation, "only a consumed token is repeated");
            let uncounted = Family {
                foreign_repeats: before.family.foreign_repeats,
                foreign_repeat_generation: before.family.foreign_repeat_generation,
                ..family.clone()
            };
            assert_eq!(uncounted, before.family);
            assert_eq!(&after.family, family);
        });
    }

    #[test]
    fn expiry_never_ends_anything_but_itself(history in history()) {
        run(&history, |before, refresh, after| {
            let passed = |deadline: Option<Timestamp>| deadline.is_some_and(|at| before.now >= at);
            let expired = passed(before.family.idle_deadline) || passed(before.family.absolute_deadline);
            let told = matches!(refresh, Some(Refresh { outcome: Outcome::Refused(_), .. }));
            if refresh.is_some() && (expired || told) {
                assert!(told, "expired, whatever is presented");
                assert_eq!(after.family, before.family);
            }
        });
    }

    #[test]
    fn an_ended_family_never_comes_back(history in history()) {
        run(&history, |before, refresh, after| {
            let Some(ended) = &before.family.end else { return };
            assert_eq!(&after.family, &before.family);
            if let Some(refresh) = refresh {
                let expected = Outcome::Refused(RefusalReason::RefreshTokenFamilyEnded(ended.reason));
                assert_eq!(refresh.outcome, expected);
            }
        });
    }

    #[test]
    fn the_absolute_deadline_never_moves_away(history in history()) {
        run(&history, |before, _, after| {
            if let Some(old) = before.family.absolute_deadline {
                assert!(after.family.absolute_deadline.is_some_and(|new| new <= old));
            }
            if let (Some(idle), Some(absolute)) = (after.family.idle_deadline, after.family.absolute_deadline) {
                assert!(idle <= absolute);
            }
        });
    }

    #[test]
    fn a_lowered_setting_bites_at_the_next_refresh(history in history()) {
        run(&history, |before, refresh, _| {
            let Some(Refresh { outcome: Outcome::Exchange { .. } | Outcome::Repeat { .. }, .. }) = refresh else {
                return;
            };
            let within = |since: Timestamp, limit: Option<i64>| limit.is_none_or(|s| before.now < since.plus(s));
            assert!(within(before.family.last_exchanged_at, before.policy.idle_timeout));
            assert!(within(before.family.created_at, before.policy.absolute_lifetime));
        });
    }

    /// Tabs of one browser that share what the last of them got, and refresh within the window, are
    /// never signed out by each other.
    #[test]
    fn tabs_that_race_all_hold_the_current_token(racers in 1..40_usize, gap in 0..1_500_i64) {
        let mut world = World::new(ROTATING);
        for _ in 0..racers {
            let refresh = world.refresh(1, false);
            assert!(matches!(refresh.outcome, Outcome::Exchange { .. } | Outcome::Repeat { .. }));
            assert_eq!(world.family.generation, 2);
            world.now = Timestamp::from_millis(world.now.millis() + gap);
        }
    }

    #[test]
    fn no_token_outlives_what_it_hangs_on(history in history(), lifetime in 1..5_000_i64, offline in any::<bool>()) {
        let app = client(AppType::Spa);
        let api = Api { token_lifetime: lifetime, ..Api::default() };
        let bound = session(300, 600);
        let kind = if offline { FamilyKind::Offline } else { FamilyKind::Online };
        run(&history, |_, _, after| {
            let family = Family { kind, ..after.family.clone() };
            let ends = if offline { family.absolute_deadline } else { Some(bound.absolute_deadline) };
            let Some(ends) = ends.filter(|ends| after.now < *ends) else { return };
            for api in [None, Some(&api)] {
                let expiry = access_token_expiry(api, &app, Some(&bound), Some(&family), after.now);
                assert!(after.now < expiry && expiry <= ends);
            }
            let expiry = id_token_expiry(&app, &bound, Some(&family), after.now);
            assert!(after.now < expiry && expiry <= ends);
        });
    }
}
