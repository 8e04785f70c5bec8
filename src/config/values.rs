//! Deserializers of single settings, each with its bounds. No other file parses the value
//! of a setting.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};
use url::Url;

use crate::domain::address_range::AddressRange;
use crate::domain::currency;
use crate::domain::events::delivery::RetrySchedule;
use crate::domain::events::webhook_endpoint::WebhookUrl;
use crate::domain::fees::WithdrawalFees;
use crate::domain::mode::Mode;
use crate::domain::money::Amount;
use crate::domain::text;
use crate::domain::web_address::is_unspecified;
use crate::store::Place;

/// Parses a whole number from `MIN` to `MAX`.
pub(super) fn within<'de, D, T, const MIN: i64, const MAX: i64>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<i64>,
{
    let number = deserializer.deserialize_any(WholeNumber { min: MIN, max: MAX })?;
    T::try_from(number).map_err(|_| out_of_bounds(number, MIN, MAX))
}

/// A whole number from `min` to `max`. The type's own deserializer would describe the right
/// values by the name of a type of Rust.
#[derive(Clone, Copy)]
struct WholeNumber {
    min: i64,
    max: i64,
}

impl Visitor<'_> for WholeNumber {
    type Value = i64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from {} to {}", self.min, self.max)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<i64, E> {
        if (self.min..=self.max).contains(&number) {
            Ok(number)
        } else {
            Err(out_of_bounds(number, self.min, self.max))
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<i64, E> {
        Err(out_of_bounds(format_args!("{text:?}"), self.min, self.max))
    }
}

/// Parses `true` or `false`.
pub(super) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    struct Flag;

    impl Visitor<'_> for Flag {
        type Value = bool;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("true or false, without quotes")
        }

        fn visit_bool<E: Error>(self, value: bool) -> Result<bool, E> {
            Ok(value)
        }
    }

    deserializer.deserialize_any(Flag)
}

/// Parses a text in quotes. `expected` describes the right ones, to follow "expected".
pub(super) fn quoted<'de, D: Deserializer<'de>>(deserializer: D, expected: &'static str) -> Result<String, D::Error> {
    struct Quoted(&'static str);

    impl Visitor<'_> for Quoted {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{} in quotes", self.0)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
            Ok(text.to_owned())
        }
    }

    deserializer.deserialize_any(Quoted(expected))
}

/// Parses an address and a port.
pub(super) fn socket_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    const EXPECTED: &str = "an IP address and a port, such as \"127.0.0.1:8080\"";
    let text = quoted(deserializer, EXPECTED)?;
    let address = text.parse();
    address.map_err(|_| D::Error::custom(format!("must be {EXPECTED}; got {text:?}")))
}

/// Parses an address and a port where the key may be left out.
pub(super) fn socket_address_if_set<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SocketAddr>, D::Error> {
    socket_address(deserializer).map(Some)
}

/// Parses a list of IP addresses and ranges of them.
pub(super) fn address_ranges<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<AddressRange>, D::Error> {
    const EXPECTED: &str = "must be a list of IP addresses and ranges in quotes, such as [\"10.0.0.0/8\"]";
    let toml::Value::Array(entries) = toml::Value::deserialize(deserializer)? else {
        return Err(D::Error::custom(EXPECTED));
    };
    let range = |entry: &toml::Value| {
        let text = entry
            .as_str()
            .ok_or_else(|| D::Error::custom(format!("{EXPECTED}; got {entry}")))?;
        AddressRange::parse(text)
            .map_err(|problem| D::Error::custom(format!("{EXPECTED}, each entry {problem}; got {entry}")))
    };
    entries.iter().map(range).collect()
}

/// Parses the place of a database: the path of a file, or the URL of a PostgreSQL database.
pub(super) fn place<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Place, D::Error> {
    let place = quoted(deserializer, "the path of a file, or the URL of a PostgreSQL database")?;
    place.parse().map_err(D::Error::custom)
}

/// Parses the path of a folder where the key may be left out.
pub(super) fn folder<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    const EXPECTED: &str = "the path of a folder";
    let path = PathBuf::from(quoted(deserializer, EXPECTED)?);
    if path.as_os_str().is_empty() {
        return Err(D::Error::custom(format!("must be {EXPECTED}; got an empty text")));
    }
    Ok(Some(path))
}

/// Parses an amount of at least `MIN` minor units.
pub(super) fn amount<'de, D, const MIN: i64>(deserializer: D) -> Result<Amount, D::Error>
where
    D: Deserializer<'de>,
{
    let max = Amount::MAX.minor();
    let minor = deserializer.deserialize_any(WholeNumber { min: MIN, max })?;
    Amount::from_minor(minor).ok_or_else(|| out_of_bounds(minor, MIN, max))
}

fn out_of_bounds<E: Error>(number: impl fmt::Display, min: i64, max: i64) -> E {
    E::custom(format!("must be a whole number from {min} to {max}; got {number}"))
}

/// Parses a text of one line that shows something.
pub(super) fn line<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    const EXPECTED: &str = "a text of 1 to 100 characters on one line";
    let text = quoted(deserializer, EXPECTED)?;
    text::line("", text, 100).map_err(|_| D::Error::custom(format!("must be {EXPECTED}")))
}

/// Parses such a text where the key may be left out.
pub(super) fn line_if_set<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    line(deserializer).map(Some)
}

/// Parses the code of a currency whose smallest unit is a hundredth.
pub(super) fn currency<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let code = quoted(deserializer, "a currency code, such as \"NGN\",")?;
    match currency::check(&code) {
        Ok(()) => Ok(code),
        Err(expected) => Err(D::Error::custom(format!("must be {expected}"))),
    }
}

/// Parses the base URL of the service: an origin, and perhaps a path. Returns it without a
/// slash at its end. No message repeats the text, which may have a password in it.
pub(super) fn public_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    const EXPECTED: &str = "http:// or https:// and a host, perhaps with a port and a path";
    let text = String::deserialize(deserializer)?;
    let problem =
        |problem: &str| D::Error::custom(format!("must be {EXPECTED}, such as https://escrow.example; {problem}"));
    let url = web_url(&text).ok_or_else(|| problem("it does not begin with http:// or https:// and a host"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(problem("it has a user name or a password"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(problem("it has a query or a fragment"));
    }
    if is_unspecified(&url) {
        return Err(problem("its host stands for every address, which no client can reach"));
    }
    Ok(Some(url.as_str().trim_end_matches('/').to_owned()))
}

/// Parses the origins of web pages, such as `https://shop.example`.
pub(super) fn origins<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let expected = || {
        D::Error::custom(
            "must be a list, each entry in quotes and an origin as browsers write it: http:// or https://, a host in lower \
             case, a port unless it is the usual one, and no path, such as [\"https://shop.example\"]",
        )
    };
    let toml::Value::Array(entries) = toml::Value::deserialize(deserializer)? else {
        return Err(expected());
    };
    let origin = |entry: toml::Value| {
        let text = entry.as_str().ok_or_else(expected)?;
        let url = web_url(text).filter(|url| url.origin().ascii_serialization() == text);
        url.map(|_| text.to_owned()).ok_or_else(expected)
    };
    entries.into_iter().map(origin).collect()
}

/// Parses an address that begins with `http://` or `https://` and has no blanks.
fn web_url(text: &str) -> Option<Url> {
    let begins_right = text.starts_with("http://") || text.starts_with("https://");
    // A browser would read a third slash as no slash at all.
    let begins_right = begins_right && !text.contains("///");
    let has_blank = text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\');
    let url = Url::parse(text).ok().filter(|_| begins_right && !has_blank)?;
    url.has_host().then_some(url)
}

/// Parses the fees of withdrawals by ranges of amounts, as [`WithdrawalFees::SHAPE`] describes.
pub(super) fn withdrawal_fees<'de, D: Deserializer<'de>>(deserializer: D) -> Result<WithdrawalFees, D::Error> {
    let table = String::deserialize(deserializer)?;
    WithdrawalFees::parse(&table).ok_or_else(|| D::Error::custom(format!("must be {}", WithdrawalFees::SHAPE)))
}

/// Parses a URL that a sandbox may send webhooks to.
pub(super) fn sandbox_webhook_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<WebhookUrl>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let url = WebhookUrl::parse(&text, Mode::Sandbox);
    url.map(Some)
        .map_err(|problem| D::Error::custom(format!("must be {problem}")))
}

/// Parses at most 20 pauses in seconds, each of at most a week.
pub(super) fn retry_schedule<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RetrySchedule, D::Error> {
    const RETRIES_MAX: usize = 20;
    const SECONDS_MAX: u32 = 604_800;
    let value = toml::Value::deserialize(deserializer)?;
    let second = |entry: &toml::Value| {
        let second = entry.as_integer().and_then(|second| u32::try_from(second).ok());
        second.filter(|second| (1..=SECONDS_MAX).contains(second))
    };
    let seconds: Option<Vec<u32>> = value
        .as_array()
        .and_then(|entries| entries.iter().map(second).collect());
    match seconds.filter(|seconds| seconds.len() <= RETRIES_MAX) {
        Some(seconds) => Ok(RetrySchedule::new(seconds)),
        None => Err(D::Error::custom(format!(
            "must be a list of at most {RETRIES_MAX} whole numbers of seconds, each from 1 to {SECONDS_MAX}; got {value}"
        ))),
    }
}
