//! Properties of a session's whole life, over random histories.

use crate::common::{at, client, limits, properties};
use crate::session_history::{Event, World, history, run};
use proptest::prelude::*;
use tenure_protocol::Sid;
use tenure_protocol::model::AppType;
use tenure_protocol::tokens::{access_token_expiry, id_token_expiry};

proptest! {
    #![proptest_config(properties())]

    #[test]
    fn no_session_is_alive_past_any_of_its_limits(history in history()) {
        run(&history, |_, event, after| {
            if after.is_alive() {
                assert!(after.now < after.ceiling.absolute, "absolute, after {event:?}");
                assert!(after.now < after.ceiling.idle, "idle, after {event:?}");
                assert!(!after.user.blocked);
            }
            if let Some(session) = &after.session {
                assert!(session.absolute_deadline <= after.ceiling.absolute);
                assert!(session.idle_deadline <= after.ceiling.idle);
                assert!(session.idle_deadline <= session.absolute_deadline);
            }
        });
    }

    #[test]
    fn an_activity_is_accepted_only_within_todays_settings(history in history()) {
        run(&history, |before, event, after| {
            let (Event::Activity, Some(old)) = (event, &before.session) else { return };
            let now = before.now;
            let late = now >= old.last_active_at.plus(before.today.idle_timeout)
                || now >= old.limits_since.plus(before.today.absolute_lifetime)
                || now >= old.idle_deadline
                || now >= old.absolute_deadline;
            assert!(!(late && after.is_alive()), "a lowered limit bites at the next activity");
            // And nothing but a limit, an act or the user's standing refuses one.
            if !late && before.is_alive() {
                assert!(after.is_alive());
            }
        });
    }

    #[test]
    fn raising_a_limit_never_lengthens_a_live_session(
        history in history(),
        more in (0..500_i64, 0..5_000_i64),
    ) {
        run(&history, |_, _, after| {
            let Some(session) = &after.session else { return };
            let raised = limits(
                session.limits.idle_timeout + more.0,
                session.limits.absolute_lifetime + more.1,
            );
            if let Ok(touched) = session.touch(&raised, after.user, after.now) {
                assert_eq!(touched.absolute_deadline, session.absolute_deadline);
                assert_eq!(touched.limits, session.limits);
                let active = touched.last_active_at.plus(session.limits.idle_timeout);
                assert_eq!(touched.idle_deadline, active.min(session.absolute_deadline));
            }
        });
    }

    #[test]
    fn only_a_login_lengthens_a_life(history in history()) {
        run(&history, |before, event, after| {
            let (Some(old), Some(new)) = (&before.session, &after.session) else { return };
            if !matches!(event, Event::Login) {
                assert!(new.absolute_deadline <= old.absolute_deadline);
                assert!(new.limits.idle_timeout <= old.limits.idle_timeout);
                assert!(new.limits.absolute_lifetime <= old.limits.absolute_lifetime);
                assert!(matches!(event, Event::Activity) || new.idle_deadline == old.idle_deadline);
            }
        });
    }

    #[test]
    fn an_ended_session_never_comes_back(history in history()) {
        let mut over: Vec<Sid> = Vec::new();
        run(&history, |before, _, after| {
            let ended = after.session.as_ref().filter(|s| s.end.is_some());
            if let (Some(old), Some(new)) = (&before.session, ended)
                && old.end.is_some() && old.sid == new.sid
            {
                assert_eq!(old.end, new.end, "the first end stands");
            }
            if after.is_alive() {
                assert!(!after.sid().is_some_and(|sid| over.contains(&sid)));
            }
            over.extend(ended.map(|s| s.sid));
        });
    }

    #[test]
    fn a_credential_change_ends_every_session_proven_before_it(history in history()) {
        // Instants of proofs and of changes, by the observer's own notes.
        let mut proven = crate::common::START;
        run(&history, |before, event, after| {
            if matches!(event, Event::Login) && !before.user.blocked {
                proven = after.now;
            }
            if after.is_alive() {
                assert!(proven >= after.user.valid_after);
            }
        });
    }

    #[test]
    fn the_sid_survives_a_reauthentication_and_auth_time_grows_only_there(history in history()) {
        run(&history, |before, event, after| {
            let (Some(old), Some(new)) = (&before.session, &after.session) else { return };
            let logged_in = matches!(event, Event::Login) && !before.user.blocked;
            if !logged_in {
                assert_eq!((new.sid, new.authenticated_at), (old.sid, old.authenticated_at));
                return;
            }
            let alive = old.over(Some(&before.today), before.user, before.now).is_none();
            assert_eq!(new.sid == old.sid, alive, "the same sid if and only if it was alive");
            if alive {
                assert!(new.authenticated_at.seconds() > old.authenticated_at.seconds());
                assert_eq!(new.created_at, old.created_at);
            }
        });
    }

    #[test]
    fn no_token_outlives_its_session(history in history()) {
        let app = client(AppType::RegularWeb);
        run(&history, |_, _, after| {
            let Some(session) = after.session.as_ref().filter(|_| after.is_alive()) else { return };
            let ends = session.absolute_deadline;
            assert!(access_token_expiry(None, &app, Some(session), None, after.now) <= ends);
            assert!(id_token_expiry(&app, session, None, after.now) <= ends);
        });
    }
}

#[test]
fn the_histories_are_not_trivial() {
    // A property over histories in which nothing lives would hold for nothing.
    let mut world = World::new();
    world.apply(&Event::Login);
    for _ in 0..5 {
        world.apply(&Event::Clock(50_000));
        world.apply(&Event::Activity);
        assert!(world.is_alive());
    }
    world.apply(&Event::Clock(50_000));
    assert!(!world.is_alive(), "the absolute limit");
    assert_eq!(world.now, at(300));
}
