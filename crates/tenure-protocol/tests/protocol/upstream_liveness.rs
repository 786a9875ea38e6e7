//! When a provider is asked, and what its answer or its silence does to a session.

use crate::common::{START as NOW, limits, login, sid};
use proptest::prelude::*;
use tenure_protocol::Timestamp;
use tenure_protocol::limits::Limits;
use tenure_protocol::model::UpstreamPolicy;
use tenure_protocol::session::{EndReason, Rule, Session, UserStanding};
use tenure_protocol::upstream::liveness::{Answer, Liveness, Next, Outcome};

const LIVENESS: Liveness = Liveness {
    interval: 600,
    grace: 300,
};

const USER: UserStanding = UserStanding {
    exists: true,
    blocked: false,
    valid_after: Timestamp::from_millis(0),
};

#[test]
fn minutes_become_a_schedule() {
    let of = |confirm_after_minutes, confirm_grace_minutes| {
        Liveness::of(&UpstreamPolicy {
            confirm_after_minutes,
            confirm_grace_minutes,
            ..UpstreamPolicy::default()
        })
    };
    assert_eq!(of(None, 60), None);
    let table = [
        (10, 5, 600, 300),
        (1, 0, 60, 0),
        // What `check` refuses, and a database may have all the same.
        (0, -1, 60, 0),
        (i64::MAX, i64::MAX, i64::MAX, i64::MAX),
    ];
    for (after, grace, interval, seconds) in table {
        let expected = Liveness {
            interval,
            grace: seconds,
        };
        assert_eq!(of(Some(after), grace), Some(expected), "{after} {grace}");
    }
}

#[test]
fn what_an_answer_does() {
    let next = Next {
        due_at: NOW.plus(600),
        deadline: NOW.plus(900),
    };
    assert_eq!(LIVENESS.next(NOW), next);
    let why = || "why".to_owned();
    let table = [
        (Answer::Welcome, 7, Outcome::Confirmed(next)),
        (Answer::Gone(why()), 1, Outcome::Over(why())),
        (Answer::None(why()), 1, again(1)),
        (Answer::None(why()), 2, again(5)),
        (Answer::None(why()), 5, again(60)),
        (Answer::None(why()), 99, again(60)),
    ];
    for (answer, failures, expected) in table {
        let found = LIVENESS.judge(answer.clone(), failures, NOW);
        assert_eq!(found, expected, "{answer:?} {failures}");
    }
}

/// However long a provider was silent: one that is back within its grace is asked before that is over.
#[test]
fn a_provider_that_is_back_before_the_last_tenth_of_its_grace_is_heard() {
    for grace in [600, 1_800, 3_600, 86_400] {
        let liveness = Liveness { grace, ..LIVENESS };
        let next = liveness.next(NOW);
        for back in [grace / 4, grace / 2, grace * 9 / 10 - 1] {
            let (mut at, mut failures) = (next.due_at, 0);
            while at < next.due_at.plus(back) {
                failures += 1;
                match liveness.judge(Answer::None(String::new()), failures, at) {
                    Outcome::Again { at: later, .. } => at = later,
                    other => panic!("{other:?}"),
                }
            }
            assert!(at < next.deadline, "{grace} {back}");
        }
    }
}

fn again(seconds: i64) -> Outcome {
    Outcome::Again {
        at: NOW.plus(seconds),
        why: "why".to_owned(),
    }
}

fn session(idle: i64, absolute: i64) -> Session {
    let deadline = LIVENESS.next(NOW).deadline;
    Session::start(sid(), login(limits(idle, absolute)), NOW).confirmed(Some(deadline), None)
}

#[test]
fn a_session_that_nobody_confirms_ends_whatever_it_does() {
    let session = session(800, 8_000);
    assert_eq!(session.idle_deadline, NOW.plus(800));
    let touched = session
        .touch(&limits(800, 8_000), USER, NOW.plus(700))
        .unwrap();
    assert_eq!(touched.idle_deadline, NOW.plus(900), "no activity helps");
    assert_eq!(
        touched.expires_at(),
        (NOW.plus(900), EndReason::UpstreamExpired)
    );
    let verdict = touched.verdict(None, USER, NOW.plus(900)).unwrap();
    assert_eq!(verdict.rule, Rule::UpstreamUnconfirmed);
    assert_eq!(touched.verdict(None, USER, NOW.plus(899)), None);
    // A word of the provider does, and is no activity.
    let confirmed = touched.confirmed(Some(NOW.plus(1_650)), None);
    assert_eq!(confirmed.last_active_at, NOW.plus(700));
    assert_eq!(confirmed.idle_deadline, NOW.plus(1_500));
    assert_eq!(confirmed.expires_at(), (NOW.plus(1_500), EndReason::Idle));
    // An idle end before is an idle end.
    let unused = self::session(300, 8_000);
    assert_eq!(unused.expires_at(), (NOW.plus(300), EndReason::Idle));
    // Nobody asks any more.
    let free = touched.confirmed(None, None);
    assert_eq!(free.idle_deadline, NOW.plus(1_500));
    assert_eq!(free.confirm_deadline, None);
}

#[test]
fn a_new_session_expiry_only_shortens() {
    let session = session(8_000, 8_000);
    let far = Some(NOW.plus(9_000));
    let capped = session.confirmed(far, Some(NOW.plus(2_000)));
    assert_eq!(capped.absolute_deadline, NOW.plus(2_000));
    assert_eq!(capped.idle_deadline, NOW.plus(2_000));
    let later = capped.confirmed(far, Some(NOW.plus(4_000)));
    assert_eq!(later.upstream_deadline, Some(NOW.plus(2_000)));
    assert_eq!(later.absolute_deadline, NOW.plus(2_000));
    assert_eq!(
        later.confirmed(far, None).absolute_deadline,
        NOW.plus(2_000)
    );
}

#[derive(Clone, Debug)]
enum Event {
    Touch,
    Welcome,
    Silence,
}

proptest! {
    /// Whatever happens in whatever order: no session lives past its grace unconfirmed, a confirmation
    /// gives it nothing that its own limits do not, and the stored deadlines stay in order.
    #[test]
    fn no_session_lives_past_its_grace_unconfirmed(
        idle in 1_i64..2_000,
        absolute in 1_i64..8_000,
        events in prop::collection::vec(
            (0_i64..700, prop_oneof![
                Just(Event::Touch),
                Just(Event::Welcome),
                Just(Event::Silence),
            ]),
            1..40,
        ),
    ) {
        let today: Limits = limits(idle, absolute);
        let mut session = session(idle, absolute);
        let (mut now, mut confirmed_at, mut active_at) = (NOW, NOW, NOW);
        for (wait, event) in events {
            now = now.plus(wait);
            let over = session.verdict(Some(&today), USER, now);
            let expected = now >= LIVENESS.next(confirmed_at).deadline
                || now >= active_at.plus(idle)
                || now >= NOW.plus(absolute);
            prop_assert_eq!(over.is_some(), expected, "{:?} at {:?}", over, now);
            if over.is_some() {
                break;
            }
            match event {
                Event::Touch => {
                    session = session.touch(&today, USER, now).unwrap();
                    active_at = now;
                }
                Event::Welcome => {
                    let Outcome::Confirmed(next) = LIVENESS.judge(Answer::Welcome, 1, now) else {
                        panic!();
                    };
                    session = session.confirmed(Some(next.deadline), None);
                    confirmed_at = now;
                }
                Event::Silence => {}
            }
            prop_assert!(session.idle_deadline <= session.absolute_deadline);
            prop_assert!(Some(session.idle_deadline) <= session.confirm_deadline);
            prop_assert_eq!(session.expires_at().0, session.idle_deadline);
        }
    }
}
