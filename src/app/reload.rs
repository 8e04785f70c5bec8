//! Applies a changed configuration to a running service.

use std::sync::Arc;

use crate::app::{AppError, check_commissions, settings};
use crate::config::Config;
use crate::http::AppState;

/// The running service, whose settings can change. It is cheap to clone.
#[derive(Clone, Debug)]
pub struct Reloader(pub(super) AppState);

impl Reloader {
    /// Applies the settings that can change to the requests that begin from now on. Other
    /// settings must be those of the start.
    ///
    /// # Errors
    ///
    /// Fails if the rates exceed their bound, also together with the commission of a merchant.
    /// Nothing is changed then.
    pub async fn apply(&self, config: &Config) -> Result<(), AppError> {
        let Self(state) = self;
        let mut policy = settings::policy(config)?;
        check_commissions(&state.store, &policy).await?;
        // The address that the server listens on stays.
        policy.local_url = Arc::clone(&state.policy.load().local_url);
        settings::warn_of_one_person(config);
        settings::warn_of_trusted_clients(config);
        state.policy.replace(policy);
        state.origins.store(Arc::new(settings::allowed_origins(config)));
        state.trusted_proxies.replace(config.trusted_proxies.clone());
        state.rate_limiter.set_limit(config.requests_per_minute());
        state.unknown_keys.set_limit(settings::unknown_keys(config));
        state.webhooks.set_attempts(settings::attempts(config));
        Ok(())
    }
}
