//! Checks that the settings, each of which is valid by itself, do not contradict each
//! other.

use std::collections::{HashMap, HashSet};

use super::error::ConfigError;
use super::flags::Flags;
use super::{Config, Merchant};
use crate::domain::mode::Mode;

/// Refuses `--database` together with `ephemeral`.
pub(super) fn check_flags(config: &Config, flags: &Flags) -> Result<(), ConfigError> {
    if config.ephemeral && flags.database.is_some() {
        return refuse(
            "--database names a file to keep, and an ephemeral service keeps nothing; leave out one of them",
        );
    }
    Ok(())
}

/// Refuses a sandbox that other machines can reach, a live database that is not kept, and
/// a live mode without a key.
pub(super) fn check(config: &Config) -> Result<(), ConfigError> {
    config.rates(None)?;
    for merchant in &config.merchant {
        config.rates(Some(merchant))?;
    }
    let has_keys = check_merchants(&config.merchant)?;
    match config.mode {
        Mode::Live if !has_keys => {
            refuse("mode is \"live\" and no [[merchant]] has a key_sha256; `escrowd keygen` makes one")
        }
        Mode::Live if config.webhooks.callback_url.is_some() => refuse(
            "webhooks.callback_url is for mode \"sandbox\"; in live mode each [[merchant]] has its own callback_url",
        ),
        Mode::Live if config.ephemeral => {
            refuse("ephemeral is for mode \"sandbox\": in live mode the database must outlive the service")
        }
        Mode::Sandbox if !config.merchant.is_empty() => {
            refuse("[[merchant]] is for mode \"live\"; in sandbox mode every key is a merchant of its own")
        }
        Mode::Sandbox if !config.listen.ip().is_loopback() && !config.sandbox.expose => refuse(format!(
            "listen is {}, which other machines can reach, and a sandbox accepts every key: \
             listen on 127.0.0.1, or set sandbox.expose = true",
            config.listen
        )),
        Mode::Live | Mode::Sandbox => Ok(()),
    }
}

/// Refuses merchants that share a name or a key, or whose events would be unsigned.
/// Returns true if at least one merchant has a key.
fn check_merchants(merchants: &[Merchant]) -> Result<bool, ConfigError> {
    let mut names = HashSet::new();
    let mut hashes = HashMap::new();
    for merchant in merchants {
        if merchant.name.is_empty() {
            return refuse("merchant.name must not be empty");
        }
        if !names.insert(&merchant.name) {
            return refuse(format!("merchant.name {:?} is used twice", merchant.name));
        }
        if merchant.callback_url.is_some() && merchant.signing_secret.is_none() {
            return refuse(format!(
                "merchant {:?} has a callback_url and no signing_secret, so the receiver could not verify its events; \
                 set signing_secret to the merchant's secret key or to a separate secret",
                merchant.name
            ));
        }
        if merchant.callback_events.is_some() && merchant.callback_url.is_none() {
            return refuse(format!(
                "merchant {:?} has callback_events and no callback_url to send them to; set callback_url, or leave out \
                 callback_events",
                merchant.name
            ));
        }
        for (position, (hash, _)) in merchant.keys().into_iter().enumerate() {
            if let Some(other) = hashes.insert(hash, &merchant.name) {
                return refuse(format!(
                    "key {} of merchant {:?} is listed twice, the first time for merchant {other:?}; a key belongs to \
                     one merchant, with one scope",
                    position + 1,
                    merchant.name
                ));
            }
        }
    }
    Ok(!hashes.is_empty())
}

fn refuse<T>(problem: impl Into<String>) -> Result<T, ConfigError> {
    Err(ConfigError::Combination(problem.into()))
}
