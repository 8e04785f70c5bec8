//! Applies a changed configuration to a running service.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::app::{AppError, check_commissions, settings};
use crate::commands::SharedPolicy;
use crate::config::Config;
use crate::http::{AllowedOrigins, RateLimiter, TrustedProxies};
use crate::store::Store;
use crate::webhooks;

/// The parts of a running service whose settings can change. It is cheap to clone.
#[derive(Clone, Debug)]
pub struct Reloader {
    pub(super) store: Store,
    pub(super) policy: SharedPolicy,
    pub(super) origins: Arc<ArcSwap<AllowedOrigins>>,
    pub(super) trusted_proxies: Arc<TrustedProxies>,
    pub(super) rate_limiter: Arc<RateLimiter>,
    pub(super) unknown_keys: Arc<RateLimiter>,
    pub(super) webhooks: webhooks::Handle,
}

impl Reloader {
    /// Applies the settings that can change to the requests that begin from now on. Other
    /// settings must be those of the start.
    ///
    /// # Errors
    ///
    /// Fails if the rates exceed their bound, also together with the commission of a merchant.
    /// Nothing is changed then.
    pub async fn apply(&self, config: &Config) -> Result<(), AppError> {
        let mut policy = settings::policy(config)?;
        check_commissions(&self.store, &policy).await?;
        // The address that the server listens on stays.
        policy.local_url = Arc::clone(&self.policy.load().local_url);
        settings::warn_of_one_person(config);
        settings::warn_of_trusted_clients(config);
        self.policy.replace(policy);
        self.origins.store(Arc::new(settings::allowed_origins(config)));
        self.trusted_proxies.replace(config.trusted_proxies.clone());
        self.rate_limiter.set_limit(config.requests_per_minute());
        self.unknown_keys.set_limit(settings::unknown_keys(config));
        self.webhooks.set_attempts(settings::attempts(config));
        Ok(())
    }
}
