//! The contract of the store, on every store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tenure_app::store::{MemoryStore, PostgresStore, SqliteStore, Store, contract};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_memory() {
    contract::check(|| async { Arc::new(MemoryStore::new()) as Arc<dyn Store> })
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let count = AtomicU32::new(0);
    let fresh = || {
        let number = count.fetch_add(1, Ordering::SeqCst);
        let path = folder.path().join(format!("{number}.db"));
        async move { Arc::new(SqliteStore::open(&path).unwrap()) as Arc<dyn Store> }
    };
    contract::check(fresh).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_postgres() {
    let options = tenure_cluster::Options::default();
    let cluster = tokio::task::spawn_blocking(move || tenure_cluster::Cluster::start(&options))
        .await
        .unwrap()
        .unwrap();
    let fresh = || {
        let url = cluster.database().unwrap();
        async move {
            // Two processes that start at once make the tables once.
            let (one, two) = tokio::join!(
                PostgresStore::open(&url, None),
                PostgresStore::open(&url, None)
            );
            two.unwrap();
            Arc::new(one.unwrap()) as Arc<dyn Store>
        }
    };
    contract::check(fresh).await.unwrap();
}

#[tokio::test]
async fn a_sqlite_file_is_its_owners_and_outlives_its_process() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    let entry = tenure_app::store::Entry {
        key: [1; 32],
        sid: None,
        sub: [2; 32],
        version: 0,
        created_at: tenure_app::Timestamp::from_seconds(1),
        touched_at: tenure_app::Timestamp::from_seconds(1),
        expires_at: tenure_app::Timestamp::from_seconds(9),
        body: vec![1],
    };
    assert!(
        SqliteStore::open(&path)
            .unwrap()
            .create(&entry)
            .await
            .unwrap()
    );
    let again = SqliteStore::open(&path).unwrap();
    assert_eq!(again.load(&entry.key).await.unwrap(), Some(entry));
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
