//! Puts the parts together and runs until told to stop.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use tokio::sync::Semaphore;

use crate::clock::SystemClock;
use crate::commands::Policy;
use crate::commands::merchants::{self, ConfiguredMerchant};
use crate::config::{self, Config, ConfigError, Merchant};
use crate::domain::customers::customer::Admission;
use crate::domain::escrow::limits::TermsLimits;
use crate::domain::events::webhook_endpoint::Receiver;
use crate::domain::ids::MerchantId;
use crate::domain::merchant::MerchantSettings;
use crate::domain::mode::Mode;
use crate::domain::time::Clock;
use crate::entropy::SystemEntropy;
use crate::http::{self, AppState, FaultBook, RateLimiter, RequestLog, RequestLogLimits, ServerSettings};
use crate::retention::{self, Retention};
use crate::store::{self, EphemeralFolder, Store, Synchronous, WriterEnded};
use crate::webhooks;

/// The service, bound to its address and not yet running.
pub struct App {
    server: Server,
    address: SocketAddr,
    store: Store,
    database: PathBuf,
    ephemeral: Option<Arc<EphemeralFolder>>,
    writer_ended: WriterEnded,
    webhooks: webhooks::Handle,
    stopping: Arc<AtomicBool>,
    retention: Retention,
}

/// Why the service cannot start or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The settings do not go together.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The database file cannot be used.
    #[error(transparent)]
    Open(#[from] store::OpenError),
    /// The merchants of the configuration are not those of the file.
    #[error(transparent)]
    Merchants(#[from] merchants::ConfigureError),
    /// The database file failed while it was being used.
    #[error("the database failed")]
    Store(#[from] store::Error),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {cause}; choose another address with --listen, port 0 takes any free one")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        cause: std::io::Error,
    },
    /// Events cannot be delivered.
    #[error("webhooks cannot be sent: {0}")]
    Webhooks(std::io::Error),
    /// The server ended by itself.
    #[error("the server failed: {0}")]
    Server(std::io::Error),
}

/// Tells a running service to stop. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Stopper {
    handle: ServerHandle,
    webhooks: webhooks::Handle,
    stopping: Arc<AtomicBool>,
    ephemeral: Option<Arc<EphemeralFolder>>,
}

impl Stopper {
    /// Stops accepting, lets requests in flight finish, then ends the service.
    pub async fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.webhooks.begin_stop();
        self.handle.stop(true).await;
    }

    /// Removes what the service keeps only while it runs, for a process that is about to
    /// end without waiting for it.
    pub fn give_up(&self) {
        if let Some(folder) = &self.ephemeral {
            folder.remove();
        }
    }
}

impl App {
    /// Opens the store and binds the address.
    pub async fn start(config: &Config) -> Result<Self, AppError> {
        Self::start_by(config, Box::new(SystemClock)).await
    }

    /// The same, by another clock than the system's.
    pub async fn start_by(config: &Config, clock: Box<dyn Clock>) -> Result<Self, AppError> {
        let entropy = Box::new(SystemEntropy::new());
        let ephemeral = config.ephemeral.then(EphemeralFolder::make).transpose()?.map(Arc::new);
        let store_settings = store_settings(config, ephemeral.as_deref());
        let (store, writer_ended) = Store::open(&store_settings, clock, entropy)?;
        let mut policy = policy(config)?;
        let merchants = configure_merchants(&store, config).await?;
        let mut allowed_ips = HashMap::new();
        let mut receivers = HashMap::new();
        for (id, merchant) in merchants {
            policy.merchants.insert(id, settings(config, merchant)?);
            allowed_ips.insert(id, merchant.allowed_ips.clone());
            receivers.extend(receiver(merchant).map(|receiver| (id, receiver)));
        }
        let retention = Retention {
            idempotency_seconds: policy.idempotency_kept_seconds,
            events: events_kept(&config.webhooks),
        };
        let webhooks =
            webhooks::start(store.clone(), webhook_settings(config, receivers)).map_err(AppError::Webhooks)?;
        let stopping = Arc::new(AtomicBool::new(false));
        let files_url = Arc::clone(&policy.files_url);
        let api = AppState {
            store: store.clone(),
            webhooks: webhooks.clone(),
            api_keys: Arc::default(),
            policy: Arc::new(policy),
            limits: http::Limits {
                body_bytes_max: config.limits.body_bytes_max,
                body_seconds_max: config.limits.body_seconds_max,
                file_bytes_max: config.limits.file_bytes_max,
                files_per_request_max: config.limits.files_per_request_max,
                escrows_per_payment_max: config.limits.escrows_per_payment_max,
            },
            allowed_ips: Arc::new(allowed_ips),
            rate_limiter: config
                .requests_per_minute()
                .map(|limit| Arc::new(RateLimiter::new(limit))),
            faults: Arc::new(FaultBook::default()),
            requests: request_log_limits(config).map(|limits| Arc::new(RequestLog::new(limits))),
            is_for_this_machine_only: config.mode == Mode::Sandbox && !config.sandbox.expose,
            in_flight: Arc::default(),
            room_for_files: Arc::new(Semaphore::new(config.limits.uploads_bytes_max)),
            stopping: Arc::clone(&stopping),
        };
        let settings = ServerSettings {
            listen: config.listen,
            connections_max: config.limits.connections_max,
            stop_seconds_max: config.limits.stop_seconds_max,
        };
        let (server, address) = http::bind(api, settings).map_err(|cause| AppError::Listen {
            address: config.listen,
            cause,
        })?;
        let public_url = config.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
        files_url.get_or_init(|| format!("{}/files/", public_url.trim_end_matches('/')));
        Ok(Self {
            server,
            address,
            store,
            database: store_settings.path,
            ephemeral,
            writer_ended,
            webhooks,
            stopping,
            retention,
        })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The file in which it keeps everything, by its path.
    pub fn database(&self) -> &Path {
        &self.database
    }

    /// Where it keeps everything.
    pub fn store(&self) -> Store {
        self.store.clone()
    }

    /// A way to stop it.
    pub fn stopper(&self) -> Stopper {
        Stopper {
            handle: self.server.handle(),
            webhooks: self.webhooks.clone(),
            stopping: Arc::clone(&self.stopping),
            ephemeral: self.ephemeral.clone(),
        }
    }

    /// Serves until stopped, then closes the store. Fails when the server or the
    /// store ended by itself: nothing is served on a file that cannot be trusted.
    pub async fn run(self) -> Result<(), AppError> {
        let stopper = self.stopper();
        let sweeping = actix_web::rt::spawn(retention::run(self.store.clone(), self.retention));
        let mut server = std::pin::pin!(self.server);
        let outcome = tokio::select! {
            ended = &mut server => ended.map_err(AppError::Server),
            ended = self.writer_ended => {
                // The server hears of it only while it is polled. How it ended then
                // matters less than why.
                drop(tokio::join!(stopper.stop(), &mut server));
                ended.unwrap_or(Err(store::Error::Stopped)).map_err(AppError::Store)
            }
        };
        sweeping.abort();
        self.webhooks.begin_stop();
        self.webhooks.ended().await;
        self.store.close();
        stopper.give_up();
        outcome
    }
}

/// Returns the bounds of the request log, which only a sandbox has.
fn request_log_limits(config: &Config) -> Option<RequestLogLimits> {
    (config.mode == Mode::Sandbox).then_some(RequestLogLimits {
        requests_max: config.sandbox.requests_kept,
        bytes_max: config.sandbox.requests_bytes_max,
    })
}

/// Of an ephemeral service, on a file in this folder: nothing outlives the process, so
/// nothing waits for the disk.
fn store_settings(config: &Config, ephemeral: Option<&EphemeralFolder>) -> store::Settings {
    let synchronous = config.storage.synchronous;
    store::Settings {
        path: ephemeral.map_or_else(|| config.database.clone(), EphemeralFolder::database),
        mode: config.mode,
        currency: config.currency.clone(),
        synchronous: ephemeral.map_or(synchronous, |_| Synchronous::Off),
        readers: config.storage.readers,
        queue_commands_max: config.storage.queue_commands_max,
        group_commands_max: config.storage.group_commands_max,
        checkpoint_pages: config.storage.checkpoint_pages,
    }
}

/// Returns the webhook endpoint of a live merchant, if it has one.
fn receiver(merchant: &Merchant) -> Option<Receiver> {
    let (url, secret) = merchant.callback_url.clone().zip(merchant.signing_secret.clone())?;
    Some(Receiver { url, secret })
}

fn webhook_settings(config: &Config, receivers: HashMap<MerchantId, Receiver>) -> webhooks::Settings {
    let settings = &config.webhooks;
    webhooks::Settings {
        mode: config.mode,
        webhook_url_default: settings.callback_url.clone(),
        receivers,
        schedule: settings.retry_seconds.clone(),
        timeout: Duration::from_secs(settings.timeout_seconds),
        stop_timeout: Duration::from_secs(config.limits.stop_seconds_max),
    }
}

/// How long events are kept; 0 days keep them for ever.
fn events_kept(webhooks: &config::Webhooks) -> Option<Duration> {
    const DAY_SECONDS: u64 = 86_400;
    let days = webhooks.events_kept_days;
    (days > 0).then(|| Duration::from_secs(u64::from(days) * DAY_SECONDS))
}

/// In live mode, makes the merchants of the configuration the ones that count.
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
    let ids = store.write(move |tx| merchants::configure(tx, &configured)).await?;
    Ok(ids.into_iter().zip(&config.merchant).collect())
}

/// What the configuration has decided for one merchant.
fn settings(config: &Config, merchant: &Merchant) -> Result<MerchantSettings, ConfigError> {
    Ok(MerchantSettings {
        rates: config.rates(Some(merchant))?,
        is_business: merchant.is_business,
        // There is nothing to charge a real card with.
        cards: false,
        country: merchant.country.unwrap_or(config.country),
        callback_url: merchant.callback_url.clone(),
    })
}

/// What the configuration has decided, and nothing for single merchants yet. Fails
/// when the rates exceed their bound.
pub fn policy(config: &Config) -> Result<Policy, ConfigError> {
    let admission = match config.mode {
        Mode::Sandbox if !config.strict => Admission::Register {
            opening_balance: config.sandbox.opening_balance_minor,
        },
        Mode::Sandbox | Mode::Live => Admission::KnownOnly,
    };
    Ok(Policy {
        mode: config.mode,
        strict: config.strict,
        admission,
        merchant_default: MerchantSettings {
            rates: config.rates(None)?,
            is_business: config.sandbox.is_business,
            cards: config.mode == Mode::Sandbox && config.sandbox.cards,
            country: config.country,
            callback_url: config.webhooks.callback_url.clone(),
        },
        merchants: HashMap::new(),
        withdrawal_fees: config.fees.withdrawal_minor.clone(),
        claim_grace_seconds: config.claim_grace_seconds,
        terms_limits: TermsLimits {
            is_strict: config.strict,
            amount_min: config.amount_min(),
            milestones_max: config.limits.milestones_max,
            purpose_chars_max: config.limits.purpose_chars_max,
            description_chars_max: config.limits.description_chars_max,
        },
        idempotency_kept_seconds: config.idempotency.kept_hours * 3_600,
        participants_max: config.limits.participants_max,
        categories_max: config.limits.categories_max,
        currency: config.currency.as_str().into(),
        files_url: Arc::default(),
    })
}
