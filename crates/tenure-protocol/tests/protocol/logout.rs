//! What proves a logout (design 1.6, RP-Initiated Logout 1.0 section 2).

use crate::common::{session, sid, strings};
use tenure_protocol::Sid;
use tenure_protocol::logout::{Decision, Hint, decide, is_consistent};

fn hint(subject: &str, sid: Option<&str>) -> Hint {
    Hint {
        subject: subject.to_owned(),
        sid: sid.map(str::to_owned),
        audience: strings(&["app", "other"]),
    }
}

/// Whether there is a cookie, the hint of a token, a `logout_hint`, whether a person is asked; the decision.
type Row<'a> = (
    &'static str,
    bool,
    Option<&'a Hint>,
    Option<&'a str>,
    bool,
    Decision,
);

/// Lesson CVE-2020-10734: without proof a person is asked, and a hint never ends what no cookie names.
#[test]
fn cve_2020_10734_a_logout_needs_proof() {
    use Decision::{Ask, End, NothingToEnd};
    let live = session(100, 1_000);
    let own_sid = sid().to_string();
    let other_sid = Sid::from_bytes([1; 16]).to_string();
    let own = hint("auth0|ada", None);
    let own_old_session = hint("auth0|ada", Some(&other_sid));
    let other = hint("auth0|eve", Some(&own_sid));
    let rows: &[Row<'_>] = &[
        ("no cookie, no proof", false, None, None, true, NothingToEnd),
        (
            "no cookie, a hint",
            false,
            Some(&own),
            Some(&own_sid),
            true,
            NothingToEnd,
        ),
        (
            "no cookie, nobody asks",
            false,
            Some(&own),
            None,
            false,
            NothingToEnd,
        ),
        ("no proof", true, None, None, true, Ask),
        ("no proof, nobody asks", true, None, None, false, End),
        ("the user's hint", true, Some(&own), None, true, End),
        (
            "the user's hint from an earlier session",
            true,
            Some(&own_old_session),
            None,
            true,
            End,
        ),
        ("another user's hint", true, Some(&other), None, true, Ask),
        (
            "the session's own sid",
            true,
            None,
            Some(&own_sid),
            true,
            End,
        ),
        ("another sid", true, None, Some(&other_sid), true, Ask),
        ("an empty sid", true, None, Some(""), true, Ask),
        (
            "another user's hint, but the sid",
            true,
            Some(&other),
            Some(&own_sid),
            true,
            End,
        ),
    ];
    for (name, cookie, hint, logout_hint, ask, expected) in rows {
        let session = cookie.then_some(&live);
        assert_eq!(
            decide(session, *hint, *logout_hint, *ask),
            *expected,
            "{name}"
        );
    }
}

#[test]
fn parameters_must_not_contradict_each_other() {
    let with_sid = hint("auth0|ada", Some("s1"));
    let without = hint("auth0|ada", None);
    let rows: &[(&Hint, Option<&str>, Option<&str>, bool)] = &[
        (&with_sid, None, None, true),
        (&with_sid, Some("app"), Some("s1"), true),
        (&with_sid, Some("other"), None, true),
        (&with_sid, Some("third"), None, false),
        (&with_sid, Some("ap"), None, false),
        (&with_sid, None, Some("s2"), false),
        (&with_sid, Some("third"), Some("s1"), false),
        (&without, Some("app"), Some("anything"), true),
    ];
    for (hint, client_id, logout_hint, expected) in rows {
        assert_eq!(
            is_consistent(hint, *client_id, *logout_hint),
            *expected,
            "{client_id:?} {logout_hint:?}"
        );
    }
}
