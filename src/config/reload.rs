//! The comparison of two configurations, and the settings that a running service can change.

use std::collections::BTreeMap;

use toml::Value;

use super::error::ConfigError;
use super::sources::{Loaded, leaves, put};
use super::{Config, checks};

/// The dotted keys of the settings that a running service can change. All others need a
/// restart.
pub(super) const RELOADABLE: [&str; 27] = [
    "allowed_origins",
    "claim_grace_seconds",
    "country",
    "fees.commission_bps",
    "fees.platform_bps",
    "fees.withdrawal_minor",
    "limits.amount_min_minor",
    "limits.categories_max",
    "limits.description_chars_max",
    "limits.milestones_max",
    "limits.participants_max",
    "limits.purpose_chars_max",
    "limits.requests_per_minute",
    "limits.unknown_keys_per_minute",
    "log",
    "log_format",
    "operators.alone_max_minor",
    "operators.deposit_days",
    "operators.two_person",
    "public_url",
    "sandbox.cards",
    "sandbox.is_business",
    "sandbox.opening_balance_minor",
    "trusted_proxies",
    "webhooks.retry_after_seconds_max",
    "webhooks.retry_seconds",
    "webhooks.timeout_seconds",
];

/// The dotted keys of the settings that differ between two configurations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Settings that a running service can change.
    pub applied: Vec<String>,
    /// Settings that need a restart.
    pub postponed: Vec<String>,
}

impl Loaded {
    /// Returns this configuration with those settings of `new` that a running service can
    /// change, and the keys of all that differ.
    ///
    /// # Errors
    ///
    /// Fails if the changed settings contradict those that stay until a restart, or if the file
    /// of this configuration is gone: its settings would fall back to the defaults.
    pub fn reloaded(&self, new: &Self) -> Result<(Self, Changes), ConfigError> {
        if let (Some(file), None) = (&self.file, &new.file) {
            return Err(ConfigError::Combination(format!(
                "{} was read before and is gone; put it back",
                file.display()
            )));
        }
        let old_values: BTreeMap<String, Value> = leaves(&self.values).collect();
        let new_values: BTreeMap<String, Value> = leaves(&new.values).collect();
        let mut changes = Changes::default();
        let mut values = self.values.clone();
        let mut keys: Vec<&String> = old_values.keys().chain(new_values.keys()).collect();
        keys.sort();
        keys.dedup();
        for key in keys {
            let (old, new_value) = (old_values.get(key), new_values.get(key));
            if old == new_value {
                continue;
            }
            if RELOADABLE.contains(&key.as_str()) {
                put(&mut values, key, new_value.cloned());
                changes.applied.push(key.clone());
            } else {
                changes.postponed.push(key.clone());
            }
        }
        let mut config: Config = toml::from_str(&values.to_string()).map_err(|_| contradiction(&changes))?;
        config.accepted = self.config.accepted;
        checks::check(&config)?;
        let reloaded = Self {
            config,
            file: new.file.clone(),
            values,
            sources: new.sources.clone(),
        };
        Ok((reloaded, changes))
    }
}

/// Returns the error for changed settings that contradict settings which stay until a restart.
/// Each value is valid by itself, since both configurations were read.
fn contradiction(changes: &Changes) -> ConfigError {
    ConfigError::Combination(format!(
        "{} cannot be applied without a restart",
        changes.applied.join(", ")
    ))
}
