//! What the installation is configured with, as one immutable snapshot: tenant, clients, APIs.
//! Another process (`tenure apply`) may change it at any time; [`crate::app::App::notice_changes`] notices at the next request.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock};
use tenure_protocol::RefusalReason;
use tenure_protocol::limits::{Caps, Limits, Sources};
use tenure_protocol::management;
use tenure_protocol::model::{Api, Client, Connection, STRATEGY, Tenant};
use tenure_store::{DocumentKind, StoreError, Tx};

/// A client and the MAC of its secret.
#[derive(Debug)]
pub struct Registered {
    pub client: Client,
    pub secret_mac: Option<Vec<u8>>,
}

/// One consistent view of the configuration.
#[derive(Debug, Default)]
pub struct Settings {
    pub version: i64,
    /// The installation moved to another database and must not be served from this one, in words.
    pub elsewhere: Option<String>,
    pub tenant: Tenant,
    pub clients: HashMap<String, Arc<Registered>>,
    pub apis: BTreeMap<String, Arc<Api>>,
    /// The management API, once it is known where the server is reached. It is none of `apis`: nobody
    /// signs in to get a token for it.
    pub management: Option<Arc<Api>>,
    /// Machine clients' grants: (client id, audience) to scopes.
    pub client_grants: HashMap<(String, String), Vec<String>>,
    /// Other identity providers, by the name of their connection.
    pub connections: BTreeMap<String, Arc<Connection>>,
    /// Connections that are kept and not interpreted, such as databases: to name one changes nothing.
    pub other_connections: BTreeSet<String>,
    /// Every origin that a client registered: callbacks, web origins, allowed origins; for CORS preflights.
    pub origins: BTreeSet<String>,
}

impl Settings {
    /// Reads everything in one transaction.
    pub fn load(tx: &Tx<'_>) -> Result<Self, StoreError> {
        let mut settings = Self {
            version: tx.configuration_version()?,
            elsewhere: tx.is_elsewhere()?,
            ..Self::default()
        };
        if let Some(document) = tx.document(DocumentKind::Tenant, "tenant")? {
            settings.tenant = parse("tenant", &document.body)?;
        }
        for document in tx.documents(DocumentKind::Client)? {
            let client: Client = parse(&document.id, &document.body)?;
            settings.origins.extend(client_origins(&client));
            let registered = Registered {
                client,
                secret_mac: document.secret_mac,
            };
            settings.clients.insert(document.id, Arc::new(registered));
        }
        for document in tx.documents(DocumentKind::Api)? {
            let api: Api = parse(&document.id, &document.body)?;
            settings.apis.insert(document.id, Arc::new(api));
        }
        for document in tx.documents(DocumentKind::ClientGrant)? {
            let grant: ClientGrant = parse(&document.id, &document.body)?;
            settings
                .client_grants
                .insert((grant.client_id, grant.audience), grant.scope);
        }
        for document in tx.documents(DocumentKind::Connection)? {
            match interpreted(&document.body) {
                Some(connection) => {
                    let connection = Arc::new(connection);
                    settings.connections.insert(document.id, connection);
                }
                None => {
                    settings.other_connections.insert(document.id);
                }
            }
        }
        Ok(settings)
    }

    /// The settings as a server has them that is reached under this issuer: with the management API. An
    /// API that is declared under its identifier means nothing, since it could change how the tokens
    /// are signed, or hand them to people.
    #[must_use]
    pub fn reached_at(mut self, issuer: &str) -> Self {
        let api = management::api(issuer);
        if self.apis.remove(&api.identifier).is_some() {
            tracing::warn!(
                identifier = api.identifier,
                "an API is declared under the identifier of the management API, which is built in: \
                 the declaration means nothing"
            );
        }
        for ((_, audience), scope) in &mut self.client_grants {
            if *audience == api.identifier {
                scope.retain(|scope| management::serves(scope));
            }
        }
        self.management = Some(Arc::new(api));
        self
    }

    /// A connection that people of this client may sign in with.
    ///
    /// # Errors
    /// There is none of this name, or it is not for this client.
    pub fn connection_for(
        &self,
        name: &str,
        client: &Client,
    ) -> Result<&Arc<Connection>, RefusalReason> {
        let connection = self
            .connections
            .get(name)
            .ok_or(RefusalReason::ConnectionUnknown)?;
        if connection.is_enabled_for(&client.client_id, &client.name) {
            Ok(connection)
        } else {
            Err(RefusalReason::ConnectionNotEnabled)
        }
    }

    /// The connection that a request goes straight to, if it names one that is another provider's.
    ///
    /// # Errors
    /// It names one that there is not, or that is not for this client.
    pub fn wanted_connection(
        &self,
        name: Option<&str>,
        client: &Client,
    ) -> Result<Option<&Arc<Connection>>, RefusalReason> {
        match name {
            None | Some(DATABASE) => Ok(None),
            Some(name) if self.other_connections.contains(name) => Ok(None),
            Some(name) => self.connection_for(name, client).map(Some),
        }
    }

    /// The connections that the login page offers to people of this client.
    pub fn offered(&self, client: &Client) -> impl Iterator<Item = &Arc<Connection>> {
        self.connections.values().filter(|connection| {
            connection.show_as_button && connection.is_enabled_for(&client.client_id, &client.name)
        })
    }

    /// The connection to whose domains an e-mail address belongs, if people of this client may use it.
    pub fn realm(&self, email: &str, client: &Client) -> Option<&Arc<Connection>> {
        let email = email.trim();
        let mut all = self.connections.values();
        all.find(|connection| {
            connection.owns_address(email)
                && connection.is_enabled_for(&client.client_id, &client.name)
        })
    }

    /// Whether people of this client have any domain that leads to another provider.
    pub fn has_realms(&self, client: &Client) -> bool {
        self.connections.values().any(|connection| {
            !connection.options.domain_aliases.is_empty()
                && connection.is_enabled_for(&client.client_id, &client.name)
        })
    }

    /// Whether the domain of an e-mail address is assigned to a connection.
    pub fn is_assigned(&self, email: &str) -> bool {
        self.connections
            .values()
            .any(|connection| connection.owns_address(email))
    }

    pub fn client(&self, client_id: &str) -> Option<&Arc<Registered>> {
        self.clients.get(client_id)
    }

    pub fn api(&self, audience: &str) -> Option<&Arc<Api>> {
        self.apis.get(audience)
    }

    /// As [`Settings::api`], for machine clients, which also get tokens for the management API.
    pub fn machine_api(&self, audience: &str) -> Option<&Arc<Api>> {
        let management = self.management.as_ref();
        management
            .filter(|api| api.identifier == audience)
            .or_else(|| self.api(audience))
    }

    /// Today's limits for a persistent or a non-persistent session.
    pub fn limits(&self, persistent: bool, caps: &Caps) -> Limits {
        Limits::of(&self.tenant, persistent, caps)
    }

    /// Where today's limits come from.
    pub fn sources(&self, persistent: bool, caps: &Caps) -> Sources {
        Sources::of(&self.tenant, persistent, caps)
    }
}

/// A machine client's grant (Auth0 Management API, `/client-grants`).
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct ClientGrant {
    pub client_id: String,
    pub audience: String,
    pub scope: Vec<String>,
}

/// What Auth0 calls the users of its own database: ours are always there.
const DATABASE: &str = "Username-Password-Authentication";

/// A connection to another identity provider. Those that only are kept may have any shape.
fn interpreted(body: &str) -> Option<Connection> {
    let connection: Connection = serde_json::from_str(body).ok()?;
    let complete = connection.strategy == STRATEGY
        && connection.issuer().is_some()
        && !connection.options.client_id.is_empty();
    complete.then_some(connection)
}

/// The origins from which a client's pages call us.
pub fn client_origins(client: &Client) -> BTreeSet<String> {
    [
        &client.callbacks,
        &client.web_origins,
        &client.allowed_origins,
    ]
    .into_iter()
    .flatten()
    .filter_map(|text| url::Url::parse(text).ok())
    .map(|url| url.origin().ascii_serialization())
    .filter(|origin| origin != "null")
    .collect()
}

fn parse<T: serde::de::DeserializeOwned>(id: &str, body: &str) -> Result<T, StoreError> {
    serde_json::from_str(body).map_err(|error| StoreError::Corrupt {
        table: "documents",
        key: id.to_owned(),
        problem: error.to_string(),
    })
}

/// The current snapshot.
#[derive(Debug)]
pub struct Cache {
    current: RwLock<Arc<Settings>>,
}

impl Cache {
    pub fn new(settings: Settings) -> Self {
        Self {
            current: RwLock::new(Arc::new(settings)),
        }
    }

    pub fn current(&self) -> Arc<Settings> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn replace(&self, settings: Settings) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
    }
}
