//! What is shown of a session that another provider stands behind.

use crate::upstream_world::Pair;
use crate::world::{OFFLINE, authorize, silent};
use tenure::graph::{Graph, Rows};
use tenure_protocol::limits::Caps;

/// One picture: the provider's session, ours, and what hangs on it, each with its deadlines.
#[tokio::test]
async fn a_session_is_shown_with_all_three_layers() {
    let pair = Pair::start().await;
    let mut person = pair.person();
    let sent = person.sent(&OFFLINE).await;
    let code = person.through(&sent, "ada@example.com").await.code();
    let sid = person.down.sid();
    person
        .down
        .exchange("spa", "http://localhost:3000/cb", &code)
        .await;
    let forum = authorize("forum", "http://localhost:3002/cb", &[]);
    person.down.get(&forum).await.code();
    for _ in 0..4 {
        pair.down.clock.advance(3_500);
        person.down.get(&silent(&[])).await;
    }
    let show = || async {
        let session = pair.down.session(sid).await;
        let rows = pair.down.app.store.read(move |tx| Rows::load(tx, &sid));
        let rows = rows.await.unwrap().unwrap();
        let settings = pair.down.app.settings.current();
        let graph = Graph::of(&rows, &settings, &Caps::default(), pair.down.clock.now());
        tenure::cli::session_text::text(&session, &graph)
    };
    let text = show().await;
    for line in [
        "alive; ends first 2026-01-01T04:00:00.000Z: upstream_expired, by rule upstream_session_expiry",
        "  state               may be alive",
        "  amr                 pwd",
        "  expires             2026-01-01T04:00:00.000Z (honour)",
        "  signed in by        federated at corp",
        "  idle_timeout                3600 s  2026-01-01T04:00:00.000Z  (stored copy; by itself)",
        "application sessions: 2",
        "    offline refresh tokens ",
        "      idle_token_lifetime                 2026-01-01T02:00:00.000Z  (client; by itself)",
        "  forum Forum  first seen",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    // Signed out here, and perhaps not there.
    person.down.get("/v2/logout").await;
    let text = show().await;
    assert!(
        text.contains("ended 2026-01-01T03:53:20.000Z: user_logout"),
        "{text}"
    );
    assert!(
        text.contains("  state               may be alive"),
        "{text}"
    );
    pair.down.clock.advance(400);
    assert!(
        show().await.contains("  state               over"),
        "{text}"
    );
}
