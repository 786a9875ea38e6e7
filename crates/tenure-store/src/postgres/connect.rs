//! Where the database is: libpq's URLs, TLS by rustls.
//!
//! Encryption without checking whom one talks to protects from nobody who matters, so there are two
//! modes: `disable`, and anything else, which checks the certificate and the host's name against
//! `sslrootcert` or the system's authorities. Without `sslmode`, a local server is spoken to in plain
//! and a remote one over TLS.

use super::PostgresOptions;
use crate::StoreError;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

pub(crate) struct Target {
    pub(super) config: tokio_postgres::Config,
    pub(super) tls: Option<MakeRustlsConnect>,
    pub(super) deadline: Duration,
}

/// What we read ourselves; everything else is the driver's.
#[derive(Default)]
struct Tls {
    mode: Option<String>,
    root_certificate: Option<String>,
    certificate: Option<String>,
    key: Option<String>,
}

impl Target {
    pub(super) fn parse(options: &PostgresOptions) -> Result<Self, StoreError> {
        let (url, tls) = take_tls(&options.url)?;
        // The driver's message names the parameter and never the password.
        let mut config: tokio_postgres::Config = url.parse().map_err(|error| {
            refused(format!(
                "the database URL is not understood: {}",
                cause(&error)
            ))
        })?;
        if config.get_hosts().is_empty() {
            config.host("localhost");
        }
        let encrypt = match tls.mode.as_deref() {
            Some("disable") => false,
            Some("allow" | "prefer") | None => !config.get_hosts().iter().all(is_local),
            Some("require" | "verify-ca" | "verify-full") => true,
            Some(other) => {
                return Err(refused(format!(
                    "sslmode={other} is not understood: write disable, or verify-full"
                )));
            }
        };
        config
            .ssl_mode(if encrypt {
                SslMode::Require
            } else {
                SslMode::Disable
            })
            .connect_timeout(options.connect_timeout)
            .keepalives_idle(Duration::from_secs(15))
            .tcp_user_timeout(options.deadline * 2);
        if config.get_application_name().is_none() {
            config.application_name("tenure");
        }
        Ok(Self {
            tls: encrypt.then(|| tls.connector()).transpose()?,
            config,
            deadline: options.deadline,
        })
    }

    /// Host and database, for people; never a password.
    pub(super) fn describe(&self) -> String {
        let hosts: Vec<String> = self.config.get_hosts().iter().map(host_text).collect();
        format!(
            "postgres://{}/{}",
            hosts.join(","),
            self.config
                .get_dbname()
                .or(self.config.get_user())
                .unwrap_or_default()
        )
    }
}

fn host_text(host: &Host) -> String {
    match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => path.display().to_string(),
    }
}

fn is_local(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            name == "localhost"
                || name
                    .parse::<std::net::IpAddr>()
                    .is_ok_and(|address| address.is_loopback())
        }
        Host::Unix(_) => true,
    }
}

/// Takes the TLS parameters, of which the driver knows only some, out of the URL.
fn take_tls(url: &str) -> Result<(String, Tls), StoreError> {
    let mut tls = Tls::default();
    let Some((base, query)) = url.split_once('?') else {
        return Ok((url.to_owned(), tls));
    };
    let mut rest = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match name.as_ref() {
            "sslmode" => tls.mode = Some(value.into_owned()),
            "sslrootcert" => tls.root_certificate = Some(value.into_owned()),
            "sslcert" => tls.certificate = Some(value.into_owned()),
            "sslkey" => tls.key = Some(value.into_owned()),
            _ => {
                rest.append_pair(&name, &value);
            }
        }
    }
    if tls.certificate.is_some() != tls.key.is_some() {
        return Err(refused(
            "sslcert and sslkey belong together: give both".to_owned(),
        ));
    }
    // The driver reads %20 and not +.
    Ok((format!("{base}?{}", rest.finish().replace('+', "%20")), tls))
}

impl Tls {
    fn connector(&self) -> Result<MakeRustlsConnect, StoreError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| refused(format!("TLS cannot be set up: {error}")))?
            .with_root_certificates(self.roots()?);
        let config = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => builder
                .with_client_auth_cert(certificates(certificate)?, private_key(key)?)
                .map_err(|error| refused(format!("sslcert and sslkey do not fit: {error}")))?,
            _ => builder.with_no_client_auth(),
        };
        Ok(MakeRustlsConnect::new(config))
    }

    fn roots(&self) -> Result<RootCertStore, StoreError> {
        let mut roots = RootCertStore::empty();
        match &self.root_certificate {
            Some(file) => {
                for certificate in certificates(file)? {
                    roots
                        .add(certificate)
                        .map_err(|error| refused(format!("sslrootcert={file}: {error}")))?;
                }
            }
            None => {
                let found = rustls_native_certs::load_native_certs();
                roots.add_parsable_certificates(found.certs);
            }
        }
        if roots.is_empty() {
            return Err(refused(
                "no certificate authority is known, so the database cannot be recognised: name one with sslrootcert=FILE"
                    .to_owned(),
            ));
        }
        Ok(roots)
    }
}

fn certificates(file: &str) -> Result<Vec<CertificateDer<'static>>, StoreError> {
    CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .map_err(|error| refused(format!("the certificate file {file}: {error}")))
}

fn private_key(file: &str) -> Result<PrivateKeyDer<'static>, StoreError> {
    PrivateKeyDer::from_pem_file(file)
        .map_err(|error| refused(format!("the key file {file}: {error}")))
}

fn refused(message: String) -> StoreError {
    StoreError::Refused(message)
}

/// An error and what caused it: the driver's own text says only the kind.
pub(super) fn cause(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Target, String> {
        Target::parse(&PostgresOptions::new(url)).map_err(|error| error.to_string())
    }

    #[test]
    fn whom_one_talks_to_is_checked_unless_it_is_local_or_switched_off() {
        let table = [
            ("postgres://u@localhost/d", false),
            ("postgres://u@127.0.0.1/d?sslmode=prefer", false),
            ("postgres://u@%2Frun%2Fpostgresql/d", false),
            ("postgres://u@db.example/d", true),
            ("postgres://u@db.example/d?sslmode=prefer", true),
            ("postgres://u@localhost,db.example/d", true),
            ("postgres://u@localhost/d?sslmode=verify-full", true),
            ("postgres://u@localhost/d?sslmode=require", true),
            ("postgres://u@db.example/d?sslmode=disable", false),
        ];
        for (url, encrypted) in table {
            let target = parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
            assert_eq!(target.tls.is_some(), encrypted, "{url}");
        }
    }

    #[test]
    fn wrong_urls_say_what_to_write_and_never_the_password() {
        let table = [
            ("postgres://u:s3cret@h/d?sslmode=sometimes", "verify-full"),
            ("postgres://u:s3cret@h/d?sslcert=x", "sslkey"),
            ("postgres://u:s3cret@h/d?colour=blue", "colour"),
            ("postgres://u:s3cret@h:port/d", "port"),
            (
                "postgres://u:s3cret@h/d?sslmode=require&sslrootcert=/nowhere.pem",
                "/nowhere.pem",
            ),
        ];
        for (url, hint) in table {
            let Err(error) = parse(url) else {
                panic!("{url} was accepted")
            };
            assert!(error.contains(hint), "{url}: {error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn several_hosts_and_what_kind_is_wanted() {
        let target = parse("postgres://u:p@a.example:5432,b.example:5433/tenure?target_session_attrs=read-write&sslmode=disable").unwrap();
        assert_eq!(target.config.get_hosts().len(), 2);
        assert_eq!(target.describe(), "postgres://a.example,b.example/tenure");
        assert_eq!(
            target.config.get_target_session_attrs(),
            tokio_postgres::config::TargetSessionAttrs::ReadWrite
        );
    }
}
