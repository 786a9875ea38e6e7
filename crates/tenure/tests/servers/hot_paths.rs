//! The plans of the hot paths, as the database itself reports them: few statements, each addressed to
//! one session, none that reads a table.

use crate::fleet::{Fleet, Server};
use crate::http::{self, Browser, authorize};
use serde_json::Value;
use tenure_cluster::Options;

/// The server logs each statement with its plan. Without sequential scans as long as there is any
/// other way: in a small table the planner would prefer one, and say nothing about a large one.
fn talkative() -> Options {
    let settings = [
        "session_preload_libraries = 'auto_explain'",
        "auto_explain.log_min_duration = 0",
        "auto_explain.log_format = json",
        "auto_explain.log_nested_statements = off",
        "log_line_prefix = '%a|'",
        "log_statement = 'none'",
        "enable_seqscan = off",
        "log_min_messages = log",
    ];
    Options {
        settings: settings.iter().map(|line| (*line).to_owned()).collect(),
        ..Options::default()
    }
}

struct Observed {
    fleet: Fleet,
    server: Server,
}

impl Observed {
    /// The plans of what one request makes the database do, but for the batched tenant log and the
    /// workers, whose statements are not part of any request.
    fn plans_of<T>(&mut self, request: impl FnOnce(u16) -> T) -> (T, Vec<Value>) {
        let before = self.fleet.cluster.log().len();
        let answer = request(self.server.port);
        let log = self.fleet.cluster.log();
        let plans = plans(&log[before..]);
        (answer, plans.into_iter().filter(is_of_a_request).collect())
    }
}

/// The JSON objects that follow `plan:` in the log.
fn plans(log: &str) -> Vec<Value> {
    log.split("plan:")
        .skip(1)
        .filter_map(|rest| {
            let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
            stream.next()?.ok()
        })
        .collect()
}

fn text(plan: &Value) -> &str {
    plan["Query Text"].as_str().unwrap_or_default()
}

/// What workers and the batched tenant log do says so itself.
fn is_of_a_request(plan: &Value) -> bool {
    !text(plan).starts_with(tenure_store::BACKGROUND.trim_end())
}

/// Every node that reads a table finds its rows by an index and a condition on the session.
fn assert_addressed(plan: &Value) {
    let query = text(plan);
    let mut waiting = vec![&plan["Plan"]];
    while let Some(node) = waiting.pop() {
        let kind = node["Node Type"].as_str().unwrap_or_default();
        assert_ne!(kind, "Seq Scan", "{query}: {node}");
        if kind.contains("Index") {
            let condition = node["Index Cond"].as_str().unwrap_or_default();
            assert!(
                condition.contains("sid =") || condition.contains("user_id ="),
                "{query}: an index scan without an address: {node}"
            );
        }
        waiting.extend(node["Plans"].as_array().into_iter().flatten());
    }
}

fn assert_hot(name: &str, plans: &[Value]) {
    let texts: Vec<&str> = plans.iter().map(text).collect();
    assert!(!plans.is_empty(), "{name}: nothing was observed");
    assert!(
        plans.len() <= 3,
        "{name}: at most three statements: {texts:#?}"
    );
    plans.iter().for_each(assert_addressed);
}

/// Enough sessions and families that the planner, which knows their number, sees what an index saves.
fn fill(fleet: &Fleet) {
    fleet.sql(
        "INSERT INTO users (user_id, body, blocked, valid_after) \
         SELECT 'somebody ' || n, '{}', 0, 0 FROM generate_series(0, 4999) AS n; \
         INSERT INTO sessions (sid, user_id, secret_hash, created_at, authenticated_at, last_active_at, \
         idle_deadline, absolute_deadline, body, due_at) \
         SELECT decode(md5(n::text), 'hex'), 'somebody ' || n % 5000, '', 0, 0, 0, 9e15::bigint, \
         9e15::bigint, '{}', 9e15::bigint FROM generate_series(1, 20000) AS n; \
         INSERT INTO families (sid, family_id, client_id, user_id, kind, secret, key_id, generation, \
         last_exchanged_at, body, history) \
         SELECT sid, sid, 'spa', user_id, 'offline', '', 1, 1, 0, '{}', '{}' FROM sessions; \
         INSERT INTO participants (sid, client_id, first_seen_at, last_seen_at) \
         SELECT sid, 'spa', 0, 0 FROM sessions; \
         INSERT INTO codes (sid, hash, expires_at, body) SELECT sid, sid, 9e15::bigint, '{}' FROM sessions; \
         INSERT INTO revoked_tokens (sid, jti, expires_at) SELECT sid, 'x', 9e15::bigint FROM sessions",
    );
}

#[test]
fn hot_paths_address_one_session_with_at_most_three_statements() {
    let fleet = Fleet::with(&talkative());
    fill(&fleet);
    fleet.sql("ANALYZE");
    hot_paths(fleet);
}

/// The first hour of an installation: the planner knows nothing of the tables, and its plans are kept.
#[test]
fn hot_paths_do_so_where_nobody_has_counted_rows_yet() {
    let settings = ["autovacuum = off".to_owned()];
    let options = talkative();
    let fleet = Fleet::with(&Options {
        settings: settings.into_iter().chain(options.settings).collect(),
        ..options
    });
    hot_paths(fleet);
}

fn hot_paths(fleet: Fleet) {
    let server = fleet.server();
    let mut observed = Observed { fleet, server };
    let mut browser = Browser::default();
    browser.code(observed.server.port, observed.server.port);

    let (silent, plans) =
        observed.plans_of(|port| browser.get(port, &authorize(&[("prompt", "none")])));
    assert_hot("silent authorize", &plans);
    let code = silent.answered("code").unwrap();

    let (tokens, plans) = observed.plans_of(|port| http::redeem(port, &code).unwrap());
    assert_hot("code exchange", &plans);

    let token = tokens.text("refresh_token");
    let (refreshed, plans) = observed.plans_of(|port| http::refresh(port, &token).unwrap());
    assert_eq!(refreshed.status, 200);
    assert_hot("refresh", &plans);

    let (repeat, plans) = observed.plans_of(|port| http::refresh(port, &token).unwrap());
    assert_eq!(repeat.status, 200);
    assert_hot("a repeated refresh", &plans);

    // A session-bound family: its exchange is the session's activity.
    let scope = [("prompt", "none"), ("audience", "https://api.example.com")];
    let online = authorize(&scope).replace("offline_access", "online_access");
    let code = browser.get(observed.server.port, &online).answered("code");
    let tokens = http::redeem(observed.server.port, &code.unwrap()).unwrap();
    let token = tokens.text("refresh_token");
    let (refreshed, plans) = observed.plans_of(|port| http::refresh(port, &token).unwrap());
    assert_eq!(refreshed.status, 200, "{refreshed:?}");
    assert_hot("a refresh that is activity", &plans);

    let bearer = format!("Bearer {}", refreshed.text("access_token"));
    let (info, plans) = observed.plans_of(|port| {
        http::send(port, "GET", "/userinfo", &[("authorization", &bearer)], "").unwrap()
    });
    assert_eq!(info.status, 200);
    assert_hot("userinfo", &plans);

    let (status, plans) = observed.plans_of(|port| {
        let path = "/session/status";
        http::send(port, "GET", path, &[("authorization", &bearer)], "").unwrap()
    });
    assert_eq!(status.status, 200);
    assert_hot("session status", &plans);

    let (extended, plans) = observed.plans_of(|port| {
        let path = "/session/extend";
        let headers = [
            ("authorization", bearer.as_str()),
            ("origin", "http://localhost:3000"),
        ];
        http::send(port, "POST", path, &headers, "").unwrap()
    });
    assert_eq!(extended.status, 200, "{extended:?}");
    assert_hot("session extend", &plans);

    let (out, plans) = observed.plans_of(|port| browser.get(port, "/v2/logout"));
    assert_eq!(out.status, 200);
    assert_hot("logout", &plans);
}

/// Nothing of the management API is a hot path, but no list of it reads a table either.
#[test]
fn lists_of_the_management_api_find_their_rows_by_an_index() {
    let fleet = Fleet::with(&talkative());
    fill(&fleet);
    fleet.sql("ANALYZE");
    let audience = format!("{}/api/v2/", fleet.base_url);
    fleet.apply(&format!(
        "clients: [{{client_id: backend, name: Backend, client_secret: x, app_type: non_interactive}}]\n\
         clientGrants: [{{client_id: backend, audience: '{audience}', scope: ['read:sessions', \
         'read:refresh_tokens', 'delete:sessions', 'delete:refresh_tokens']}}]"
    ));
    let server = fleet.server();
    let mut observed = Observed { fleet, server };
    let mut browser = Browser::default();
    let port = observed.server.port;
    let code = browser.code(port, port);
    assert_eq!(http::redeem(port, &code).unwrap().status, 200);
    let pairs = [
        ("grant_type", "client_credentials"),
        ("client_id", "backend"),
        ("client_secret", "x"),
        ("audience", audience.as_str()),
    ];
    let token = http::post(port, "/oauth/token", &pairs).unwrap();
    let bearer = format!("Bearer {}", token.text("access_token"));
    let ada = "SELECT user_id FROM user_identifiers WHERE value = 'ada@example.com'";
    let ada = observed.fleet.sql(ada).trim().replace('|', "%7C");
    let mut call = |method: &str, path: &str| {
        observed.plans_of(|port| {
            let path = format!("/api/v2{path}");
            http::send(port, method, &path, &[("authorization", &bearer)], "").unwrap()
        })
    };
    let (sessions, plans) = call("GET", &format!("/users/{ada}/sessions?include_totals=true"));
    assert_eq!(sessions.status, 200, "{sessions:?}");
    // The token, the user, the page, its relying parties, its metadata, the total: however many there are.
    assert_eq!(plans.len(), 6, "{plans:#?}");
    plans.iter().for_each(assert_addressed);
    let sid = sessions.json()["sessions"][0]["id"].clone();
    let session = format!("/sessions/{}", sid.as_str().unwrap());
    for (method, path) in [
        (
            "GET",
            format!("/refresh-tokens?user_id={ada}&client_id=spa"),
        ),
        ("GET", format!("/users/{ada}/refresh-tokens")),
        ("GET", session.clone()),
        ("GET", format!("{session}/graph")),
        ("DELETE", session.clone()),
        ("POST", format!("{session}/revoke")),
        ("DELETE", format!("/users/{ada}/refresh-tokens")),
        ("DELETE", format!("/users/{ada}/sessions")),
    ] {
        let (answer, plans) = call(method, &path);
        assert!(answer.status < 300, "{method} {path}: {answer:?}");
        assert!(
            (1..=9).contains(&plans.len()),
            "{method} {path}: {plans:#?}"
        );
        plans.iter().for_each(assert_addressed);
    }
    // Of all there are: in the order of their ids, and so far.
    let (_, plans) = call("GET", "/sessions");
    let texts: Vec<&str> = plans.iter().map(text).collect();
    assert!(
        texts.iter().any(|text| text.contains("sessions.sid <= $2")),
        "{texts:#?}"
    );
    for plan in &plans {
        let plan = plan.to_string();
        assert!(
            !plan.contains("Seq Scan") && !plan.contains("\"Sort\""),
            "{plan}"
        );
    }
}
