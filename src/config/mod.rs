//! Configuration: typed and checked settings, or an error that names the key to change.
//!
//! `config.toml` documents each setting and holds its default. The field here gives its
//! type and its bounds. Every value is parsed once, while the configuration is read.

mod checks;
mod defaults;
mod error;
mod flags;
mod in_force;
mod misplaced;
mod redaction;
mod reload;
#[cfg(test)]
mod secret_tests;
mod sources;
#[cfg(test)]
mod tests;
mod values;

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use crate::domain::address_range::AddressRange;
use crate::domain::customers::country::Country;
use crate::domain::events::delivery::RetrySchedule;
use crate::domain::events::webhook_endpoint::WebhookUrl;
use crate::domain::fees::{Rates, WithdrawalFees};
use crate::domain::ids::MILESTONES_MAX;
use crate::domain::mode::Mode;
use crate::domain::money::Amount;
use crate::store::{Place, Synchronous};
use values::{
    address_ranges, amount, currency, flag, folder, line, line_if_set, origins, place, public_url, retry_schedule,
    sandbox_webhook_url, socket_address, socket_address_if_set, withdrawal_fees, within,
};

pub use defaults::DEFAULTS;
pub use error::ConfigError;
pub use flags::{Accepted, Flags};
pub use in_force::{Setting, SettingValue};
pub use reload::Changes;
pub use sources::{Loaded, Source};

/// Every setting. Each field has the name of its key in `config.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Play money or real money.
    pub mode: Mode,
    /// Behaves exactly as the hosted API where the default is more lenient.
    #[serde(deserialize_with = "flag")]
    pub strict: bool,
    /// Address and port.
    #[serde(deserialize_with = "socket_address")]
    pub listen: SocketAddr,
    /// The base URL of links in replies. `None` stands for the address that the service
    /// listens on.
    #[serde(default, deserialize_with = "public_url")]
    pub public_url: Option<String>,
    /// The origins, beside those on this machine in a sandbox, whose web pages may call the
    /// service from a browser.
    #[serde(deserialize_with = "origins")]
    pub allowed_origins: Vec<String>,
    /// The proxies in front of the service, whose `X-Forwarded-For` is believed.
    #[serde(deserialize_with = "address_ranges")]
    pub trusted_proxies: Vec<AddressRange>,
    /// The database: a file, or the URL of a PostgreSQL database.
    #[serde(deserialize_with = "place")]
    pub database: Place,
    /// Keeps the database in a temporary folder, which the service removes when it stops.
    #[serde(deserialize_with = "flag")]
    pub ephemeral: bool,
    /// A saved state with which an ephemeral sandbox begins.
    #[serde(skip)]
    pub snapshot: Option<PathBuf>,
    /// The problems of the database to accept.
    #[serde(skip)]
    pub accepted: Accepted,
    /// The currency of every amount.
    #[serde(deserialize_with = "currency")]
    pub currency: String,
    /// Seconds after the delivery window in which the buyer can confirm before the seller
    /// can claim.
    #[serde(deserialize_with = "within::<_, _, 0, 31_536_000>")]
    pub claim_grace_seconds: i64,
    /// The country of merchants that have none of their own.
    pub country: Country,
    /// The lowest level of messages in the log.
    pub log: LogLevel,
    /// The form of a line of the log.
    pub log_format: LogFormat,
    /// Rates of merchants that have none of their own, and the fees of withdrawals.
    pub fees: Fees,
    /// Settings of sandbox mode.
    pub sandbox: Sandbox,
    /// Bounds on requests.
    pub limits: Limits,
    /// Delivery of events.
    pub webhooks: Webhooks,
    /// Idempotency keys.
    pub idempotency: Idempotency,
    /// Settings of the store.
    pub storage: Storage,
    /// Backups that the service makes by itself.
    pub backups: Backups,
    /// The people who run a live deployment.
    pub operators: Operators,
    /// The metrics for Prometheus.
    pub metrics: Metrics,
    /// Live mode: the bank account to which customers of merchants without one of their own
    /// pay.
    #[serde(default)]
    pub bank: Option<Bank>,
}

/// The rules for operators.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operators {
    /// Makes amounts above `alone_max_minor` take two operators.
    #[serde(deserialize_with = "flag")]
    pub two_person: bool,
    /// The largest amount that one operator may move alone.
    #[serde(deserialize_with = "amount::<_, 0>")]
    pub alone_max_minor: Amount,
    /// The days for which a deposit by bank transfer is expected.
    #[serde(deserialize_with = "within::<_, _, 1, 3_650>")]
    pub deposit_days: i64,
}

/// The metrics for Prometheus.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// Address and port of `GET /metrics`. `None` serves no metrics.
    #[serde(default, deserialize_with = "socket_address_if_set")]
    pub listen: Option<SocketAddr>,
}

/// A bank account of the operator.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bank {
    #[serde(deserialize_with = "line")]
    pub bank_name: String,
    /// The bank's code, if payers need one.
    #[serde(default, deserialize_with = "line_if_set")]
    pub bank_code: Option<String>,
    #[serde(deserialize_with = "line")]
    pub account_number: String,
    #[serde(deserialize_with = "line")]
    pub account_name: String,
}

/// Rates in basis points, and the fees of withdrawals.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fees {
    /// The platform's part.
    #[serde(deserialize_with = "within::<_, _, 0, 5_000>")]
    pub platform_bps: u16,
    /// The merchant's part.
    #[serde(deserialize_with = "within::<_, _, 0, 5_000>")]
    pub commission_bps: u16,
    /// The fee of a withdrawal, by its amount.
    #[serde(deserialize_with = "withdrawal_fees")]
    pub withdrawal_minor: WithdrawalFees,
}

/// Settings of sandbox mode.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sandbox {
    /// The opening balance of a new customer.
    #[serde(deserialize_with = "amount::<_, 0>")]
    pub opening_balance_minor: Amount,
    /// Allows a sandbox to listen on an address that other machines can reach.
    #[serde(deserialize_with = "flag")]
    pub expose: bool,
    /// Makes merchants business accounts, which may sell in their own name.
    #[serde(deserialize_with = "flag")]
    pub is_business: bool,
    /// Lets customers save test cards and pay by them.
    #[serde(deserialize_with = "flag")]
    pub cards: bool,
    /// The most requests in the request log. 0 keeps none.
    #[serde(deserialize_with = "within::<_, _, 0, 1_000_000>")]
    pub requests_kept: usize,
    /// The most bytes in the request log.
    #[serde(deserialize_with = "within::<_, _, 65_536, 17_179_869_184>")]
    pub requests_bytes_max: usize,
    /// The most streams of events of one key at once.
    #[serde(deserialize_with = "within::<_, _, 1, 1_000>")]
    pub event_streams_per_key_max: usize,
    /// The longest pause without an event before a stream sends a heartbeat, in seconds.
    #[serde(deserialize_with = "within::<_, _, 1, 60>")]
    pub event_stream_heartbeat_seconds: u64,
    /// The seconds for which the rows of a merchant stay after a reset.
    #[serde(deserialize_with = "within::<_, _, 1, 31_536_000>")]
    pub reset_kept_seconds: u64,
    /// The free space in the database file at which an idle service gives it back, in MiB. 0
    /// keeps it.
    #[serde(deserialize_with = "within::<_, _, 0, 1_048_576>")]
    pub vacuum_free_mib_min: u64,
}

/// Bounds on requests.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// The smallest amount of an escrow.
    #[serde(deserialize_with = "amount::<_, 1>")]
    pub amount_min_minor: Amount,
    /// The most milestones in one escrow.
    #[serde(deserialize_with = "within::<_, _, 2, MILESTONES_MAX>")]
    pub milestones_max: usize,
    /// The most characters in a purpose or title.
    #[serde(deserialize_with = "within::<_, _, 1, 10_000>")]
    pub purpose_chars_max: usize,
    /// The most characters in a description.
    #[serde(deserialize_with = "within::<_, _, 1, 100_000>")]
    pub description_chars_max: usize,
    /// The most participants in one vault.
    #[serde(deserialize_with = "within::<_, _, 2, 1_000>")]
    pub participants_max: usize,
    /// The most categories of one customer, or of the merchant itself.
    #[serde(deserialize_with = "within::<_, _, 1, 10_000>")]
    pub categories_max: u32,
    /// The most escrows in one payment.
    #[serde(deserialize_with = "within::<_, _, 1, 1_000>")]
    pub escrows_per_payment_max: usize,
    /// The most bytes in a request body.
    #[serde(deserialize_with = "within::<_, _, 1_024, 16_777_216>")]
    pub body_bytes_max: usize,
    /// The most bytes in a file.
    #[serde(deserialize_with = "within::<_, _, 1_024, 67_108_864>")]
    pub file_bytes_max: usize,
    /// The most files in one request.
    #[serde(deserialize_with = "within::<_, _, 1, 100>")]
    pub files_per_request_max: usize,
    /// The most bytes of all files that are being received at one time.
    #[serde(deserialize_with = "within::<_, _, 1_024, 17_179_869_184>")]
    pub uploads_bytes_max: usize,
    /// The most rows of a statement or a journal.
    #[serde(deserialize_with = "within::<_, _, 1, 1_000_000>")]
    pub report_rows_max: usize,
    /// The most seconds that a body may take to arrive.
    #[serde(deserialize_with = "within::<_, _, 1, 600>")]
    pub body_seconds_max: u64,
    /// The most connections open at one time.
    #[serde(deserialize_with = "within::<_, _, 1, 1_000_000>")]
    pub connections_max: usize,
    /// The seconds that a connection stays open without a request.
    #[serde(deserialize_with = "within::<_, _, 1, 3_600>")]
    pub keep_alive_seconds: u64,
    /// The most seconds for the head of a request to arrive.
    #[serde(deserialize_with = "within::<_, _, 1, 600>")]
    pub head_seconds_max: u64,
    /// The most bytes of large replies that clients have not taken yet.
    #[serde(deserialize_with = "within::<_, _, 1_048_576, 17_179_869_184>")]
    pub replies_bytes_max: u64,
    /// The most requests of one key per minute. 0 sets no limit.
    #[serde(deserialize_with = "within::<_, _, 0, 1_000_000>")]
    pub requests_per_minute: u32,
    /// The most unknown keys of one client per minute: an IPv4 address, or the /64 network of an
    /// IPv6 address. 0 sets no limit.
    #[serde(deserialize_with = "within::<_, _, 0, 1_000_000>")]
    pub unknown_keys_per_minute: u32,
    /// The most seconds that the service waits for requests in flight when it stops.
    #[serde(deserialize_with = "within::<_, _, 1, 600>")]
    pub stop_seconds_max: u64,
}

/// Delivery of events.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhooks {
    /// The webhook URL of sandbox merchants that have set none.
    #[serde(default, deserialize_with = "sandbox_webhook_url")]
    pub callback_url: Option<WebhookUrl>,
    /// The pauses between the attempts to deliver an event.
    #[serde(deserialize_with = "retry_schedule")]
    pub retry_seconds: RetrySchedule,
    /// The most seconds that the receiver can ask to wait before the next attempt.
    #[serde(deserialize_with = "within::<_, _, 0, 604_800>")]
    pub retry_after_seconds_max: u32,
    /// The most seconds that one attempt may take, with its response.
    #[serde(deserialize_with = "within::<_, _, 1, 60>")]
    pub timeout_seconds: u64,
    /// The days that events are kept. 0 keeps them for ever.
    #[serde(deserialize_with = "within::<_, _, 0, 36_500>")]
    pub events_kept_days: u32,
}

/// Idempotency keys.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Idempotency {
    /// The hours that a reply is kept for retries of its request.
    #[serde(deserialize_with = "within::<_, _, 1, 8_760>")]
    pub kept_hours: i64,
}

/// Settings of the store.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Storage {
    /// The durability of a commit.
    pub synchronous: Synchronous,
    /// The number of reading connections.
    #[serde(deserialize_with = "within::<_, _, 1, 256>")]
    pub readers: u32,
    /// The number of reads of lists that run at the same time.
    #[serde(deserialize_with = "within::<_, _, 1, 64>")]
    pub long_readers: u32,
    /// The most reads of lists that wait.
    #[serde(deserialize_with = "within::<_, _, 1, 1_000_000>")]
    pub long_reads_waiting_max: usize,
    /// The most seconds that one read may take.
    #[serde(deserialize_with = "within::<_, _, 1, 600>")]
    pub read_seconds_max: u64,
    /// The most writes in the writer's queue.
    #[serde(deserialize_with = "within::<_, _, 1, 1_000_000>")]
    pub queue_commands_max: usize,
    /// The most writes in one commit.
    #[serde(deserialize_with = "within::<_, _, 1, 10_000>")]
    pub group_commands_max: usize,
    /// The size of the write-ahead log, in pages, at which a checkpoint begins.
    #[serde(deserialize_with = "within::<_, _, 100, 1_000_000>")]
    pub checkpoint_pages: u32,
    /// The most hours by which the system's clock may be ahead of the time that has really
    /// passed. Live mode only.
    #[serde(deserialize_with = "within::<_, _, 1, 876_000>")]
    pub clock_jump_hours_max: u64,
}

/// Backups that the service makes by itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backups {
    /// The folder for them. `None` makes none.
    #[serde(default, deserialize_with = "folder")]
    pub folder: Option<PathBuf>,
    /// The minutes between two backups.
    #[serde(deserialize_with = "within::<_, _, 1, 525_600>")]
    pub every_minutes: u64,
    /// The backups that stay.
    #[serde(deserialize_with = "within::<_, _, 1, 10_000>")]
    pub keep: usize,
}

/// The lowest level of messages in the log. A greater one writes more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Failures of the service itself.
    Error,
    /// Conditions that an operator should know of.
    Warn,
    /// A line for each request.
    Info,
}

/// The form of a line of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// A JSON object.
    Json,
}

impl Config {
    /// Returns the smallest amount of an escrow: at least 1,000 with `strict` (contract
    /// section 1.5).
    pub fn amount_min(&self) -> Amount {
        const STRICT_MIN: Amount = Amount::from_minor(100_000).expect("1,000 is an amount");
        let min = self.limits.amount_min_minor;
        if self.strict { min.max(STRICT_MIN) } else { min }
    }

    /// Returns the requests that one key may make per minute, or `None` without a limit.
    /// With `strict` the limit is 10 unless one is configured (contract section 1.10).
    pub fn requests_per_minute(&self) -> Option<u32> {
        match self.limits.requests_per_minute {
            0 => self.strict.then_some(10),
            configured => Some(configured),
        }
    }

    /// Returns the rates of merchants that have none of their own.
    pub fn rates(&self) -> Result<Rates, ConfigError> {
        let (platform, commission) = (self.fees.platform_bps, self.fees.commission_bps);
        Rates::new(platform, commission).ok_or_else(|| {
            ConfigError::Combination(format!(
                "fees.platform_bps and fees.commission_bps must be at most {} together; got {platform} and {commission}",
                Rates::TOGETHER_MAX_BPS
            ))
        })
    }
}
