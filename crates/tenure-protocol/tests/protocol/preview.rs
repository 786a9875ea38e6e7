//! What a change of settings would do to a live session or family.

use crate::common::{DAY, GOOD, HOUR, ROTATING, at, end, family, limits, session};
use tenure_protocol::preview::{self, Change, Effect};
use tenure_protocol::refresh::Policy;
use tenure_protocol::session::{EndReason, UserStanding};

#[test]
fn sessions() {
    let live = session(HOUR, DAY);
    // (idle, absolute) to change to, looked at after so many seconds.
    for (idle, absolute, after, effect) in [
        (HOUR, DAY, 600, Effect::Never),
        (2 * HOUR, 2 * DAY, 600, Effect::Never),
        (1_800, DAY, 600, Effect::Earlier),
        (HOUR, HOUR, 600, Effect::Earlier),
        (600, DAY, 599, Effect::Earlier),
        (600, DAY, 600, Effect::AtNextActivity),
        (HOUR, 600, 700, Effect::AtNextActivity),
        (HOUR, DAY, HOUR, Effect::Over),
        (60, 60, HOUR, Effect::Over),
    ] {
        let change = Change {
            from: limits(HOUR, DAY),
            to: limits(idle, absolute),
        };
        let told = preview::session(&live, GOOD, &change, at(after));
        assert_eq!(told, effect, "{idle} {absolute} after {after}");
    }
}

#[test]
fn what_is_over_is_not_counted_again() {
    let lower = Change {
        from: limits(HOUR, DAY),
        to: limits(60, 60),
    };
    let ended = session(HOUR, DAY).ended(end(EndReason::UserLogout, at(5)));
    assert_eq!(preview::session(&ended, GOOD, &lower, at(10)), Effect::Over);
    let blocked = UserStanding {
        blocked: true,
        ..GOOD
    };
    let live = session(HOUR, DAY);
    assert_eq!(
        preview::session(&live, blocked, &lower, at(10)),
        Effect::Over
    );
    // Settings of today that nobody has noticed yet have doomed it already.
    let before = Change {
        from: limits(60, DAY),
        to: limits(30, DAY),
    };
    assert_eq!(preview::session(&live, GOOD, &before, at(90)), Effect::Over);
}

#[test]
fn families() {
    for (idle, absolute, after, effect) in [
        (Some(HOUR), Some(DAY), 600, Effect::Never),
        (Some(2 * HOUR), Some(2 * DAY), 600, Effect::Never),
        (None, None, 600, Effect::Never),
        (Some(1_800), Some(DAY), 600, Effect::Earlier),
        (Some(HOUR), Some(HOUR), 600, Effect::Earlier),
        (Some(600), Some(DAY), 600, Effect::AtNextActivity),
        (Some(HOUR), Some(600), 600, Effect::AtNextActivity),
        (Some(60), Some(60), HOUR, Effect::Over),
    ] {
        let to = Policy {
            idle_timeout: idle,
            absolute_lifetime: absolute,
            ..ROTATING
        };
        let change = Change { from: ROTATING, to };
        assert_eq!(
            preview::family(&family(), &change, at(after)),
            effect,
            "{idle:?} {absolute:?} after {after}"
        );
    }
}
