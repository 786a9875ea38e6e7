//! Of several servers each end is handled once.

use crate::fleet::{Fleet, TENANT, eventually};
use crate::http::{self, Browser};

#[test]
fn each_expired_session_is_ended_once() {
    let fleet = Fleet::empty(&tenure_cluster::Options::default());
    fleet.apply(&TENANT.replace(
        "idle_session_lifetime: 1",
        "idle_session_lifetime_in_minutes: 1",
    ));
    let (a, b) = (fleet.server(), fleet.server());
    let code = Browser::default().code(a.port, b.port);
    assert_eq!(http::redeem(a.port, &code).unwrap().status, 200);
    // Four hundred copies, and all of them are due.
    fleet.sql(
        "CREATE TEMP TABLE copies AS SELECT * FROM sessions; \
         INSERT INTO sessions SELECT (c).* FROM (SELECT jsonb_populate_record(s, jsonb_build_object( \
         'sid', '\\x' || md5(n::text))) AS c FROM copies s, generate_series(1, 400) n) AS made; \
         INSERT INTO participants SELECT sid, 'spa', 1, 1 FROM sessions \
         ON CONFLICT DO NOTHING; \
         UPDATE sessions SET idle_deadline = created_at + 1, due_at = created_at + 1 \
         WHERE ended_at IS NULL",
    );
    eventually("all are ended", || {
        fleet.sql("SELECT count(*) FROM sessions WHERE ended_at IS NULL") == "0"
    });
    let ends = "SELECT count(*), count(DISTINCT sid) FROM logs WHERE type = 'session_revoked'";
    assert_eq!(fleet.sql(ends), "401|401", "one entry each");
    let instants =
        "SELECT count(*) FROM sessions WHERE ended_at = idle_deadline AND end_reason = 'idle'";
    assert_eq!(fleet.sql(instants), "401", "dated to the deadline");
    assert_eq!(fleet.sql("SELECT count(*) FROM deliveries"), "401");
}

#[test]
fn a_blocked_users_sessions_are_ended_once_by_servers_that_heard_of_it_from_the_database() {
    let fleet = Fleet::new();
    let (a, b) = (fleet.server(), fleet.server());
    for _ in 0..3 {
        Browser::default().code(a.port, b.port);
    }
    let done = fleet.command(&["user", "block", "ada@example.com"]);
    assert!(done.status.success(), "{done:?}");
    eventually("all are ended", || {
        fleet.sql("SELECT count(*) FROM user_ends") == "0"
    });
    let ends = "SELECT end_reason, end_by, count(*) FROM sessions GROUP BY 1, 2";
    assert_eq!(fleet.sql(ends), "account_disabled|cli|3");
    let entries = "SELECT count(*) FROM logs WHERE type = 'session_revoked'";
    assert_eq!(fleet.sql(entries), "3");
}
