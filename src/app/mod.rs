//! Assembles the service from its parts and runs it until a [`Stopper`] stops it.

mod reload;
mod settings;

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Arc;

use actix_web::dev::{Server, ServerHandle};
use actix_web::rt;
use arc_swap::ArcSwap;
use tokio::sync::Semaphore;

use crate::backups::{BackupHealth, Backups};
use crate::clock::SystemClock;
use crate::commands::{Policy, SharedPolicy, merchants};
use crate::config::{Config, ConfigError};
use crate::domain::fees::Rates;
use crate::domain::ids::Entropy;
use crate::domain::merchant::key::SandboxKey;
use crate::domain::mode::Mode;
use crate::domain::page::PageRequest;
use crate::domain::time::Clock;
use crate::domain::web_address::reachable_from_here;
use crate::entropy::{self, SystemEntropy};
use crate::http::{
    self, ApiKeyCache, AppState, BoundAddress, Connections, FaultBook, OpenStreams, RateLimiter, RequestLog,
    RequestMeter, SessionSigner, TrustedProxies,
};
use crate::metrics::{Measured, Metrics};
use crate::retention::{self, Retention};
use crate::settlements;
use crate::store::{self, EphemeralFolder, Place, RequiredPurpose, Store, WriterEnded};
use crate::web;
use crate::webhooks;

pub use reload::Reloader;
pub use settings::{openapi_document, policy};

/// The service, bound to its address but not yet running.
pub struct App {
    server: Server,
    address: SocketAddr,
    state: AppState,
    database: Place,
    ephemeral: Option<Arc<EphemeralFolder>>,
    writer_ended: WriterEnded,
    retention: Retention,
    metrics: Option<(Server, SocketAddr)>,
    backups: Option<Backups>,
}

/// An error that prevents the service from starting or ends it.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The settings contradict each other.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The database cannot be used.
    #[error("{}", with_option(.0))]
    Open(store::OpenError),
    /// The saved state cannot be used.
    #[error("the snapshot cannot be used")]
    Snapshot(#[from] store::BackupError),
    /// The thread for backups cannot start.
    #[error("backups cannot be made: {0}")]
    Backups(std::io::Error),
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
    /// The server of the metrics cannot listen on its address.
    #[error(
        "cannot serve metrics on {address}: {cause}; choose another address with metrics.listen, port 0 takes any free one"
    )]
    ListenForMetrics {
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

/// Returns the message of an error, with the option that chooses another file if it advises to
/// choose one.
fn with_option(error: &store::OpenError) -> String {
    let option = if error.asks_for_another_file() {
        " with --database"
    } else {
        ""
    };
    format!("{error}{option}")
}

// Not the source of the error, which would repeat the message.
impl From<store::OpenError> for AppError {
    fn from(error: store::OpenError) -> Self {
        Self::Open(error)
    }
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
    /// leaves no new database behind. Clients are refused until the store is open. Uses the given
    /// clocks and source of ids.
    pub async fn start_by(config: &Config, clock: Box<dyn Clock>, entropy: Box<dyn Entropy>) -> Result<Self, AppError> {
        let started_at = SystemClock.now();
        let cannot_listen = |cause| AppError::Listen {
            address: config.listen,
            cause,
        };
        let bound = BoundAddress::bind(config.listen).map_err(cannot_listen)?;
        let address = bound.address().map_err(cannot_listen)?;
        let bound_for_metrics = bind_for_metrics(config)?;
        let ephemeral = config.ephemeral.then(EphemeralFolder::make).transpose()?.map(Arc::new);
        let store_settings = settings::store(config, ephemeral.as_deref());
        let (database, snapshot) = (store_settings.place.clone(), config.snapshot.clone());
        // A migration, or the wait for that of another process, takes any time. The caller may
        // give up meanwhile.
        let opening = rt::task::spawn_blocking(move || {
            if let (Some(snapshot), Some(path)) = (&snapshot, store_settings.place.path()) {
                load_snapshot(snapshot, path, &store_settings.currency)?;
            }
            Ok::<_, AppError>(Store::open(&store_settings, clock, entropy)?)
        });
        let opened = opening.await.unwrap_or_else(|ended| resume_unwind(ended.into_panic()));
        let (store, writer_ended) = opened?;
        let policy = policy(config)?;
        check_commissions(&store, &policy).await?;
        match policy.mode {
            Mode::Live => tell_first_steps(&store).await?,
            Mode::Sandbox => mend_default_key(&store).await?,
        }
        restore_configured_endpoints(&store).await?;
        settings::warn_of_one_person(config);
        settings::warn_of_trusted_clients(config);
        let retention = settings::retention(config, &policy);
        let backups = settings::backups(config);
        let backups = backups
            .map(|schedule| Backups::start(store.clone(), schedule))
            .transpose();
        let backups = backups.map_err(AppError::Backups)?;
        let webhooks = webhooks::start(store.clone(), settings::webhooks(config));
        let webhooks = webhooks.map_err(AppError::Webhooks)?;
        let local_url = Arc::clone(&policy.local_url);
        let state = state_of(config, policy, store, webhooks);
        let measured = Measured {
            state: state.clone(),
            backups: backups.as_ref().map(Backups::health),
            started_at,
        };
        let metrics = bound_for_metrics.map(|(bound, address)| serve_metrics(bound, address, measured));
        let server = http::server(state.clone(), bound, config.limits.stop_seconds_max, web::configure);
        let server = server.map_err(cannot_listen)?;
        local_url.get_or_init(|| format!("http://{}", reachable_from_here(address)));
        Ok(Self {
            server,
            address,
            state,
            database,
            ephemeral,
            writer_ended,
            retention,
            metrics: metrics.transpose()?,
            backups,
        })
    }

    /// Returns the address that the service listens on.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the address of the metrics, if they are served.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(|(_, address)| *address)
    }

    /// Returns the place of the database.
    pub const fn database(&self) -> &Place {
        &self.database
    }

    /// Returns the store.
    pub fn store(&self) -> Store {
        self.state.store.clone()
    }

    /// Returns a handle that applies a changed configuration.
    pub fn reloader(&self) -> Reloader {
        Reloader(self.state.clone())
    }

    /// Returns the outcome of the backups so far, if the service makes any.
    pub fn backups(&self) -> Option<Arc<BackupHealth>> {
        self.backups.as_ref().map(Backups::health)
    }

    /// Returns a handle that stops the service.
    pub fn stopper(&self) -> Stopper {
        Stopper {
            handle: self.server.handle(),
            webhooks: self.state.webhooks.clone(),
            connections: Arc::clone(&self.state.connections),
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
        let AppState {
            store,
            policy,
            webhooks,
            ..
        } = self.state;
        let retention = rt::spawn(retention::run(store.clone(), self.retention));
        let settlements = rt::spawn(settlements::run(store.clone(), policy));
        let metrics = self.metrics.map(|(server, _)| {
            let handle = server.handle();
            (rt::spawn(server), handle)
        });
        let mut server = std::pin::pin!(self.server);
        let serving = async {
            let outcome = tokio::select! {
                ended = &mut server => ended.map_err(AppError::Server),
                ended = self.writer_ended => {
                    // The server stops only while it is polled. Its outcome is dropped, since the
                    // writer's error is the cause.
                    drop(tokio::join!(stopper.stop(), &mut server));
                    ended.unwrap_or(Err(store::Error::Stopped)).map_err(AppError::Store)
                }
            };
            webhooks.begin_stop();
            outcome
        };
        // Another process need not wait until the last request here is answered.
        let leaving = async {
            webhooks.ended().await;
            retention.abort();
            settlements.abort();
            store.resign();
        };
        let (outcome, ()) = tokio::join!(serving, leaving);
        // A copy under way would keep the log from being emptied.
        drop(self.backups);
        if let Some((served, handle)) = metrics {
            handle.stop(false).await;
            drop(served.await);
        }
        store.close();
        stopper.remove_ephemeral_files();
        outcome
    }
}

/// Binds the address of the metrics, if one is configured.
fn bind_for_metrics(config: &Config) -> Result<Option<(BoundAddress, SocketAddr)>, AppError> {
    let Some(address) = config.metrics.listen else {
        return Ok(None);
    };
    let with_port = |bound: BoundAddress| bound.address().map(|address| (bound, address));
    BoundAddress::bind(address)
        .and_then(with_port)
        .map(Some)
        .map_err(|cause| AppError::ListenForMetrics { address, cause })
}

/// Returns the server of the metrics, and its address.
fn serve_metrics(
    bound: BoundAddress,
    address: SocketAddr,
    measured: Measured,
) -> Result<(Server, SocketAddr), AppError> {
    let metrics = Arc::new(Metrics::of(measured));
    let scrape: http::Scrape = Arc::new(move || {
        let metrics = Arc::clone(&metrics);
        Box::pin(async move { metrics.scrape().await })
    });
    let server = http::metrics_server(bound, scrape);
    server
        .map(|server| (server, address))
        .map_err(|cause| AppError::ListenForMetrics { address, cause })
}

/// Returns the state that the handlers share.
fn state_of(config: &Config, policy: Policy, store: Store, webhooks: webhooks::Handle) -> AppState {
    let trusted_proxies = Arc::new(TrustedProxies::new(config.trusted_proxies.clone()));
    let connections = Connections::new(settings::connections(config), Arc::clone(&trusted_proxies));
    let variant = policy.variant();
    AppState {
        webhooks,
        api_keys: Arc::new(ApiKeyCache::of(store.key_version())),
        policy: SharedPolicy::new(policy),
        limits: settings::limits(config),
        connections: Arc::new(connections),
        rate_limiter: Arc::new(RateLimiter::new(config.requests_per_minute())),
        checkout_sessions: SessionSigner::new(&store.shared_secret().unwrap_or_else(entropy::secret_bytes)),
        unknown_keys: Arc::new(RateLimiter::new(settings::unknown_keys(config))),
        faults: Arc::new(FaultBook::new(http::routes(variant))),
        requests: settings::request_log(config).map(|limits| Arc::new(RequestLog::new(limits))),
        is_loopback_only: config.mode == Mode::Sandbox && !config.sandbox.expose,
        api_document: Arc::default(),
        origins: Arc::new(ArcSwap::from_pointee(settings::allowed_origins(config))),
        trusted_proxies,
        request_meter: RequestMeter::new(http::routes(variant)),
        sessions: Arc::default(),
        in_flight: Arc::default(),
        event_streams: Arc::new(OpenStreams::new(settings::event_streams(config))),
        page_streams: Arc::new(OpenStreams::new(settings::page_streams(config))),
        walks: Arc::default(),
        upload_memory: Arc::new(Semaphore::new(config.limits.uploads_bytes_max)),
        store,
    }
}

/// Begins a throwaway sandbox with a saved state.
fn load_snapshot(snapshot: &Path, database: &Path, currency: &str) -> Result<(), AppError> {
    let sandbox = RequiredPurpose {
        mode: Mode::Sandbox,
        mode_rule: "a throwaway sandbox begins with a snapshot of a sandbox",
        currency,
    };
    store::restore(snapshot, database, false, Some(sandbox), &mut |_| {
        ControlFlow::Continue(())
    })?;
    Ok(())
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

/// Opens the database as [`open_store`] does, but makes and migrates none.
///
/// # Errors
///
/// Fails as a start of the service does, and if there is no database or it has an earlier schema.
pub fn open_existing_store(config: &Config) -> Result<Store, AppError> {
    store::check_existing(&config.database)?;
    open_store(config)
}

/// Refuses a configuration that raises the platform's part so far that a merchant's stored commission
/// does not fit beside it.
async fn check_commissions(store: &Store, policy: &Policy) -> Result<(), AppError> {
    let platform = policy.merchant_settings_default.rates.platform_bps();
    let most = Rates::TOGETHER_MAX_BPS - platform;
    let above = store.read(move |snapshot| snapshot.merchant_with_commission_above(most));
    if let Some((name, commission)) = above.await? {
        return Err(ConfigError::Combination(format!(
            "fees.platform_bps is {platform}, and the commission of merchant {name:?} in the database is {commission}: \
             together they must be at most {}; lower fees.platform_bps, or start with the old one and change the \
             merchant",
            Rates::TOGETHER_MAX_BPS
        ))
        .into());
    }
    Ok(())
}

/// Tells a live deployment without merchants how to make one.
#[expect(
    clippy::redundant_closure_for_method_calls,
    reason = "the method's path names one lifetime, and the query must accept any"
)]
async fn tell_first_steps(store: &Store) -> Result<(), store::Error> {
    if store.read(|snapshot| snapshot.has_named_merchant()).await? {
        return Ok(());
    }
    let operators = store.read(|snapshot| snapshot.operators(None, PageRequest::FIRST));
    if operators.await?.count == 0 {
        log::warn!(
            "there is no operator and no merchant yet, so no key is accepted: stop the service, make an operator with \
             `escrowd operator create NAME --role admin`, start it again, and make a merchant with \
             `escrowd merchant create`"
        );
    } else {
        log::warn!("there is no merchant yet, so no merchant's key is accepted; `escrowd merchant create` makes one");
    }
    Ok(())
}

/// Makes one merchant of the default merchant's key and of the requests without a key.
async fn mend_default_key(store: &Store) -> Result<(), store::Error> {
    let former = store.read(|snapshot| snapshot.owner_of_key(&SandboxKey::former_default_hash()));
    if former.await?.is_some() && !store.configure(merchants::mend_default_key).await? {
        log::warn!(
            "a former version kept the merchant of the key sk_test_default apart from that of requests without a key; \
             both open the latter now, and no key opens the former"
        );
    }
    Ok(())
}

/// Sets the webhook endpoints of the configuration anew, if one has answered 410.
#[expect(
    clippy::redundant_closure_for_method_calls,
    reason = "the method's path names one lifetime, and the query must accept any"
)]
async fn restore_configured_endpoints(store: &Store) -> Result<(), store::Error> {
    if store.read(|snapshot| snapshot.has_gone_configured_endpoint()).await? {
        store.configure(|tx| tx.restore_configured_endpoints()).await?;
    }
    Ok(())
}
