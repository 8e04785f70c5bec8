//! Reading single settings, each with its own bounds.

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use crate::domain::events::webhook_endpoint::{SigningSecret, WebhookUrl};
use crate::domain::fees::WithdrawalFees;
use crate::domain::mode::Mode;
use crate::domain::money::Amount;

pub(super) fn within<'de, D, T, const MIN: i64, const MAX: i64>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<i64>,
{
    let number = i64::deserialize(deserializer)?;
    let wrong = || D::Error::custom(format!("must be a whole number from {MIN} to {MAX}; got {number}"));
    if (MIN..=MAX).contains(&number) {
        T::try_from(number).map_err(|_| wrong())
    } else {
        Err(wrong())
    }
}

pub(super) fn money<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    within::<D, i64, 0, { Amount::MAX.minor() }>(deserializer)
}

pub(super) fn positive_money<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    within::<D, i64, 1, { Amount::MAX.minor() }>(deserializer)
}

pub(super) fn currency<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let currency = String::deserialize(deserializer)?;
    let is_code = currency.len() == 3 && currency.bytes().all(|byte| byte.is_ascii_uppercase());
    if is_code {
        Ok(currency)
    } else {
        Err(D::Error::custom("must be a currency code, such as NGN"))
    }
}

/// Where clients reach a service.
pub(super) fn web_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.starts_with("http://") || text.starts_with("https://") {
        Ok(Some(text))
    } else {
        Err(D::Error::custom(format!(
            "{text:?} does not begin with http:// or https://"
        )))
    }
}

pub(super) fn withdrawal_fees<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let table = String::deserialize(deserializer)?;
    match WithdrawalFees::parse(&table) {
        Some(_) => Ok(table),
        None => Err(D::Error::custom(format!("must be {}", WithdrawalFees::SHAPE))),
    }
}

pub(super) fn key_hashes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let hashes = Vec::<String>::deserialize(deserializer)?;
    match hashes.iter().find(|hash| decode_hash(hash).is_none()) {
        None => Ok(hashes),
        Some(_) => Err(D::Error::custom(
            "must be 64 hex characters, as `escrowd keygen` prints them; not the key itself",
        )),
    }
}

pub(super) fn decode_hash(text: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    hex::decode_to_slice(text, &mut hash).ok()?;
    Some(hash)
}

pub(super) fn sandbox_callback<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    callback(deserializer, Mode::Sandbox)
}

pub(super) fn live_callback<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    callback(deserializer, Mode::Live)
}

fn callback<'de, D: Deserializer<'de>>(deserializer: D, mode: Mode) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    WebhookUrl::parse(&text, mode).map_err(|problem| D::Error::custom(format!("must be {problem}")))?;
    Ok(Some(text))
}

pub(super) fn signing_secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SigningSecret>, D::Error> {
    const CHARS_MIN: usize = 16;
    let text = String::deserialize(deserializer)?;
    if text.starts_with("whsec_") {
        return Err(D::Error::custom(
            "must be the secret itself, such as the merchant's key; the one of Standard Webhooks is derived from it",
        ));
    }
    if text.chars().count() < CHARS_MIN {
        return Err(D::Error::custom(format!(
            "must be at least {CHARS_MIN} characters long; `escrowd keygen` makes keys that nobody guesses"
        )));
    }
    Ok(Some(SigningSecret::new(text)))
}

pub(super) fn retry_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u32>, D::Error> {
    const RETRIES_MAX: usize = 20;
    const SECONDS_MAX: u32 = 604_800;
    let seconds = Vec::<u32>::deserialize(deserializer)?;
    let are_right = seconds.len() <= RETRIES_MAX && seconds.iter().all(|seconds| (1..=SECONDS_MAX).contains(seconds));
    if are_right {
        Ok(seconds)
    } else {
        Err(D::Error::custom(format!(
            "must be at most {RETRIES_MAX} whole numbers of seconds, each from 1 to {SECONDS_MAX}"
        )))
    }
}
