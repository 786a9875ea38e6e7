//! What only PostgreSQL has: a wire, over which both sides must know whom they talk to.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;
use tenure_cluster::{Cluster, Options as ClusterOptions};
use tenure_store::{Options, Place, PostgresOptions, Store, StoreError};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate and its key, as PEM.
fn certificate(by: &Authority, common_name: &str, hosts: &[&str]) -> (String, String) {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts).unwrap();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, by).unwrap();
    (certificate.pem(), key.serialize_pem())
}

struct Wire {
    cluster: Cluster,
    folder: TempDir,
    database: String,
}

impl Wire {
    /// Over TLS only those come in who show a certificate in their name; psql, beside it, in plain.
    fn new(ours: &Authority) -> Self {
        let (certificate, key) = certificate(ours, "server", &["localhost", "127.0.0.1"]);
        let rules = "hostssl all all 127.0.0.1/32 cert\nhostnossl all all 127.0.0.1/32 trust\n";
        let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        let cluster = Cluster::start(&ClusterOptions {
            settings: vec!["ssl = on".to_owned(), "ssl_ca_file = 'ca.crt'".to_owned()],
            files: vec![
                file("server.crt", &certificate),
                file("server.key", &key),
                file("ca.crt", &ours.pem()),
                file("pg_hba.conf", rules),
            ],
            ..ClusterOptions::default()
        })
        .unwrap();
        let url = cluster.database().unwrap();
        let database = url.rsplit_once('/').unwrap().1.to_owned();
        Self {
            cluster,
            folder: tempfile::tempdir().unwrap(),
            database,
        }
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    fn open(&self, host: &str, parameters: &str) -> Result<Store, StoreError> {
        let url = format!(
            "postgres://tenure@{host}:{}/{}?sslmode=verify-full&{parameters}",
            self.cluster.port(),
            self.database
        );
        Store::open(&Options::at(Place::Postgres(PostgresOptions {
            connections: 2,
            readers: 1,
            ..PostgresOptions::new(&url)
        })))
    }
}

#[test]
fn tls_with_certificates_of_both_sides() {
    let ours = authority("ours");
    let theirs = authority("theirs");
    let wire = Wire::new(&ours);
    let (client, key) = certificate(&ours, "tenure", &[]);
    let (stranger, stranger_key) = certificate(&theirs, "tenure", &[]);
    let (ca, other_ca) = (
        wire.file("ca.pem", &ours.pem()),
        wire.file("other.pem", &theirs.pem()),
    );
    let own = format!(
        "sslcert={}&sslkey={}",
        wire.file("client.pem", &client),
        wire.file("client.key", &key)
    );
    let foreign = format!(
        "sslcert={}&sslkey={}",
        wire.file("stranger.pem", &stranger),
        wire.file("stranger.key", &stranger_key)
    );
    for host in ["localhost", "127.0.0.1"] {
        let store = wire.open(host, &format!("sslrootcert={ca}&{own}")).unwrap();
        store.write_blocking(|tx| tx.set_meta("a", "1")).unwrap();
        let plain = wire
            .cluster
            .sql(
                "postgres",
                "SELECT count(*) FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) \
                 WHERE application_name = 'tenure' AND NOT ssl",
            )
            .unwrap();
        assert_eq!(
            plain, "0",
            "every connection is encrypted, the listening one too"
        );
        store.close();
    }
    // Whoever is not who they should be is not talked to, in both directions.
    for (host, parameters, why) in [
        (
            "localhost",
            format!("sslrootcert={other_ca}&{own}"),
            "an authority that is not the server's",
        ),
        (
            "localhost",
            own.clone(),
            "the system's authorities do not know the server",
        ),
        (
            "localhost",
            format!("sslrootcert={ca}"),
            "no certificate of ours",
        ),
        (
            "localhost",
            format!("sslrootcert={ca}&{foreign}"),
            "a certificate that the server does not know",
        ),
        (
            "localhost.localdomain",
            format!("sslrootcert={ca}&{own}"),
            "a name that is not the server's",
        ),
    ] {
        let refused = wire.open(host, &parameters);
        assert!(
            matches!(refused, Err(StoreError::Refused(_))),
            "{why}: {refused:?}"
        );
    }
}
