//! Assembles the service from its parts and runs it until a [`Stopper`] stops it.

mod settings;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use actix_web::dev::{Server, ServerHandle};
use tokio::sync::Semaphore;

use crate::clock::SystemClock;
use crate::commands::Policy;
use crate::commands::merchants::{self, ConfiguredMerchant};
use crate::commands::webhook_endpoints;
use crate::config::{Config, ConfigError, Merchant};
use crate::domain::ids::{Entropy, MerchantId};
use crate::domain::mode::Mode;
use crate::domain::time::Clock;
use crate::domain::web_address::reachable_from_here;
use crate::entropy::SystemEntropy;
use crate::http::{self, AppState, Connections, EventStreams, FaultBook, RateLimiter, RequestLog};
use crate::retention::{self, Retention};
use crate::settlements;
use crate::store::{self, EphemeralFolder, Store, WriterEnded};
use crate::webhooks;

pub use settings::policy;

/// The service, bound to its address but not yet running.
pub struct App {
    server: Server,
    address: SocketAddr,
    store: Store,
    database: PathBuf,
    ephemeral: Option<Arc<EphemeralFolder>>,
    writer_ended: WriterEnded,
    webhooks: webhooks::Handle,
    connections: Arc<Connections>,
    retention: Retention,
    policy: Arc<Policy>,
}

/// An error that prevents the service from starting or ends it.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The settings contradict each other.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The database file cannot be used.
    #[error(transparent)]
    Open(#[from] store::OpenError),
    /// The configured merchants contradict those in the database.
    #[error(transparent)]
    Merchants(#[from] merchants::ConfigureError),
    /// The database failed while the service ran.
    #[error("the database failed")]
    Store(#[from] store::Error),
    /// The server cannot listen on its address.
    #[error("cannot listen on {address}: {cause}; choose another address with --listen, port 0 takes any free one")]
    Listen {
        /// The configured address.
        address: SocketAddr,
        /// The error of the operating system.
        cause: std::io::Error,
    },
    /// The webhook deliverer cannot start.
    #[error("webhooks cannot be sent: {0}")]
    Webhooks(std::io::Error),
    /// The server ended without being stopped.
    #[error("the server failed: {0}")]
    Server(std::io::Error),
}

/// A handle that stops a running service. It is cheap to clone.
#[derive(Clone, Debug)]
pub struct Stopper {
    handle: ServerHandle,
    webhooks: webhooks::Handle,
    connections: Arc<Connections>,
    ephemeral: Option<Arc<EphemeralFolder>>,
}

impl Stopper {
    /// Stops accepting connections, lets requests in flight finish, then ends the service.
    pub async fn stop(&self) {
        self.connections.begin_stop();
        self.webhooks.begin_stop();
        self.handle.stop(true).await;
    }

    /// Removes the files of an ephemeral service. A process that exits without waiting for
    /// the service to end calls this.
    pub fn remove_ephemeral_files(&self) {
        if let Some(folder) = &self.ephemeral {
            folder.remove();
        }
    }
}

impl App {
    /// Binds the address and opens the store. Uses the system's clocks and ids from its random
    /// source.
    pub async fn start(config: &Config) -> Result<Self, AppError> {
        Self::start_by(config, Box::new(SystemClock), Box::new(SystemEntropy::new())).await
    }

    /// Binds the address and opens the store, in this order, so that an address in use
    /// leaves no new database behind. Uses the given clocks and source of ids.
    pub async fn start_by(config: &Config, clock: Box<dyn Clock>, entropy: Box<dyn Entropy>) -> Result<Self, AppError> {
        let cannot_listen = |cause| AppError::Listen {
            address: config.listen,
            cause,
        };
        let listener = http::listen(config.listen).map_err(cannot_listen)?;
        let address = listener.local_addr().map_err(cannot_listen)?;
        let ephemeral = config.ephemeral.then(EphemeralFolder::make).transpose()?.map(Arc::new);
        let store_settings = settings::store(config, ephemeral.as_deref());
        let (store, writer_ended) = Store::open(&store_settings, clock, entropy)?;
        let mut policy = policy(config)?;
        let mut allowed_ips = HashMap::new();
        let mut endpoints = HashMap::new();
        for (id, merchant) in configure_merchants(&store, config).await? {
            policy.merchants.insert(id, settings::merchant(config, merchant)?);
            allowed_ips.insert(id, merchant.allowed_ips.clone());
            endpoints.extend(settings::webhook_endpoint(merchant).map(|endpoint| (id, endpoint)));
        }
        restore_configured_endpoints(&store).await?;
        if config.mode == Mode::Live && !config.operators.two_person {
            log::warn!("operators.two_person is false: one operator alone may record and pay out any amount");
        }
        let retention = settings::retention(config, &policy);
        let webhooks = webhooks::start(store.clone(), settings::webhooks(config, endpoints));
        let webhooks = webhooks.map_err(AppError::Webhooks)?;
        let connections = Arc::new(Connections::new(settings::connections(config)));
        let local_url = Arc::clone(&policy.local_url);
        let rate_limit = config.requests_per_minute();
        let request_log = settings::request_log(config);
        let policy = Arc::new(policy);
        let state = AppState {
            store: store.clone(),
            webhooks: webhooks.clone(),
            api_keys: Arc::default(),
            policy: Arc::clone(&policy),
            limits: settings::limits(config),
            connections: Arc::clone(&connections),
            allowed_ips: Arc::new(allowed_ips),
            rate_limiter: rate_limit.map(|limit| Arc::new(RateLimiter::new(limit))),
            unknown_keys: settings::unknown_keys(config).map(|limit| Arc::new(RateLimiter::new(limit))),
            faults: Arc::new(FaultBook::new(http::routes(config.mode, config.strict))),
            requests: request_log.map(|limits| Arc::new(RequestLog::new(limits))),
            is_loopback_only: config.mode == Mode::Sandbox && !config.sandbox.expose,
            origins: Arc::new(settings::allowed_origins(config)),
            in_flight: Arc::default(),
            event_streams: Arc::new(EventStreams::new(settings::event_streams(config))),
            walks: Arc::default(),
            upload_memory: Arc::new(Semaphore::new(config.limits.uploads_bytes_max)),
        };
        let server = http::server(state, listener, settings::server(config)).map_err(cannot_listen)?;
        local_url.get_or_init(|| format!("http://{}", reachable_from_here(address)));
        Ok(Self {
            server,
            address,
            store,
            database: store_settings.path,
            ephemeral,
            writer_ended,
            webhooks,
            connections,
            retention,
            policy,
        })
    }

    /// Returns the address that the service listens on.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the path of the database file.
    pub fn database(&self) -> &Path {
        &self.database
    }

    /// Returns the store.
    pub fn store(&self) -> Store {
        self.store.clone()
    }

    /// Returns a handle that stops the service.
    pub fn stopper(&self) -> Stopper {
        Stopper {
            handle: self.server.handle(),
            webhooks: self.webhooks.clone(),
            connections: Arc::clone(&self.connections),
            ephemeral: self.ephemeral.clone(),
        }
    }

    /// Serves requests until a [`Stopper`] stops the service, then closes the store.
    ///
    /// # Errors
    ///
    /// Fails if the server or the store's writer ended without being stopped. A failed
    /// writer stops the server, since its file can no longer be trusted.
    pub async fn run(self) -> Result<(), AppError> {
        let stopper = self.stopper();
        let retention = actix_web::rt::spawn(retention::run(self.store.clone(), self.retention));
        let settlements = actix_web::rt::spawn(settlements::run(self.store.clone(), self.policy));
        let mut server = std::pin::pin!(self.server);
        let outcome = tokio::select! {
            ended = &mut server => ended.map_err(AppError::Server),
            ended = self.writer_ended => {
                // The server stops only while it is polled. Its outcome is dropped, since the
                // writer's error is the cause.
                drop(tokio::join!(stopper.stop(), &mut server));
                ended.unwrap_or(Err(store::Error::Stopped)).map_err(AppError::Store)
            }
        };
        retention.abort();
        settlements.abort();
        self.webhooks.begin_stop();
        self.webhooks.ended().await;
        self.store.close();
        stopper.remove_ephemeral_files();
        outcome
    }
}

/// Opens the database of the configuration for a command on this machine, while no service
/// uses it.
///
/// # Errors
///
/// Fails as a start of the service does.
pub fn open_store(config: &Config) -> Result<Store, AppError> {
    let (clock, entropy) = (Box::new(SystemClock), Box::new(SystemEntropy::new()));
    let (store, _writer_ended) = Store::open(&settings::store(config, None), clock, entropy)?;
    Ok(store)
}

/// In live mode, stores the configured merchants and their keys. Returns each merchant
/// with its id.
async fn configure_merchants<'a>(
    store: &Store,
    config: &'a Config,
) -> Result<Vec<(MerchantId, &'a Merchant)>, AppError> {
    if config.mode != Mode::Live {
        return Ok(Vec::new());
    }
    let configured: Vec<ConfiguredMerchant> = config
        .merchant
        .iter()
        .map(|merchant| ConfiguredMerchant {
            name: merchant.name.clone(),
            keys: merchant.keys(),
        })
        .collect();
    let ids = store.configure(move |tx| merchants::configure(tx, &configured)).await?;
    Ok(ids.into_iter().zip(&config.merchant).collect())
}

/// Sets the webhook endpoints of the configuration anew, if one has answered 410.
#[expect(
    clippy::redundant_closure_for_method_calls,
    reason = "the method's path names one lifetime, and the query must accept any"
)]
async fn restore_configured_endpoints(store: &Store) -> Result<(), store::Error> {
    if store.read(|snapshot| snapshot.has_gone_configured_endpoint())? {
        store.configure(webhook_endpoints::restore_configured).await?;
    }
    Ok(())
}
