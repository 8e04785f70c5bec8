//! Translates the configuration into the settings of each part, so that no other part
//! depends on the configuration.

use std::sync::Arc;
use std::time::Duration;

use crate::backups::Schedule;
use serde_json::Value;

use crate::commands::Policy;
use crate::config::{Bank, Config, ConfigError};
use crate::domain::customers::customer::Admission;
use crate::domain::escrow::limits::TermsLimits;
use crate::domain::merchant::settings::MerchantSettings;
use crate::domain::mode::{Mode, Variant};
use crate::domain::transaction::DepositAccount;
use crate::domain::treasury::operator::TwoPersonRule;
use crate::http::{self, AllowedOrigins, ConnectionLimits, RequestLogLimits, StreamLimits};
use crate::retention::Retention;
use crate::store::{self, EphemeralFolder, Place, Synchronous};
use crate::webhooks::{self, AttemptSettings};

const DAY_SECONDS: i64 = 86_400;

/// Returns the operator's decisions that hold for every merchant.
///
/// # Errors
///
/// Fails if the rates exceed their bound.
pub fn policy(config: &Config) -> Result<Policy, ConfigError> {
    let variant = Variant {
        mode: config.mode,
        is_strict: config.strict,
    };
    let admission = if variant.registers_unknown() {
        Admission::Register {
            opening_balance: config.sandbox.opening_balance_minor,
        }
    } else {
        Admission::KnownOnly
    };
    Ok(Policy {
        mode: config.mode,
        is_strict: config.strict,
        admission,
        merchant_settings_default: MerchantSettings {
            rates: config.rates()?,
            is_business: config.mode == Mode::Live || config.sandbox.is_business,
            // Live mode has no card processor.
            cards: config.mode == Mode::Sandbox && config.sandbox.cards,
            country: config.country,
        },
        deposit_account_default: config.bank.as_ref().map(deposit_account),
        webhook_url_default: config.webhooks.callback_url.clone(),
        withdrawal_fees: config.fees.withdrawal_minor.clone(),
        two_person: two_person_rule(config),
        deposit_kept_seconds: config.operators.deposit_days * DAY_SECONDS,
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
        public_url: config.public_url.clone(),
        local_url: Arc::default(),
    })
}

/// Returns the OpenAPI document of a service with this configuration.
///
/// # Errors
///
/// Returns the error of an invalid setting.
pub fn openapi_document(config: &Config) -> Result<Value, ConfigError> {
    Ok(http::openapi_document(&policy(config)?, &limits(config)))
}

/// Warns of a live service in which one operator may do everything.
pub(super) fn warn_of_one_person(config: &Config) {
    if config.mode == Mode::Live && !config.operators.two_person {
        log::warn!("operators.two_person is false: one operator alone may record and pay out any amount");
    }
}

/// Warns of a live service to which every client can name any address as its own.
pub(super) fn warn_of_trusted_clients(config: &Config) {
    if config.mode == Mode::Live {
        for range in config.trusted_proxies.iter().filter(|range| range.has_every_address()) {
            log::warn!(
                "trusted_proxies has {range}, which is every address: any client can set its own address in \
                 X-Forwarded-For; list the proxies' addresses alone"
            );
        }
    }
}

/// Returns the rule that large amounts take two operators. A sandbox has no operators.
fn two_person_rule(config: &Config) -> TwoPersonRule {
    let is_on = config.mode == Mode::Live && config.operators.two_person;
    TwoPersonRule {
        alone_max: is_on.then_some(config.operators.alone_max_minor),
    }
}

fn deposit_account(bank: &Bank) -> DepositAccount {
    DepositAccount {
        bank_name: bank.bank_name.clone(),
        bank_code: bank.bank_code.clone(),
        account_number: bank.account_number.clone(),
        account_name: bank.account_name.clone(),
    }
}

/// Returns the settings of the store. A database in an ephemeral folder does not outlive
/// the process, so its commits do not wait for the disk.
pub(super) fn store(config: &Config, ephemeral: Option<&EphemeralFolder>) -> store::Settings {
    let synchronous = config.storage.synchronous;
    store::Settings {
        place: ephemeral.map_or_else(|| config.database.clone(), |folder| Place::File(folder.database())),
        mode: config.mode,
        currency: config.currency.clone(),
        synchronous: ephemeral.map_or(synchronous, |_| Synchronous::Off),
        readers: config.storage.readers,
        long_readers: config.storage.long_readers,
        long_reads_waiting_max: config.storage.long_reads_waiting_max,
        read_time_max: Duration::from_secs(config.storage.read_seconds_max),
        queue_commands_max: config.storage.queue_commands_max,
        group_commands_max: config.storage.group_commands_max,
        checkpoint_pages: config.storage.checkpoint_pages,
        accept_loss: config.accepted.loss,
        clock_jump_max: Duration::from_hours(config.storage.clock_jump_hours_max),
        accept_clock: config.accepted.clock,
        vacuum_free_bytes_min: vacuum_free_bytes_min(config),
    }
}

/// Returns the free space from which the file is made smaller, or `None` if it never is.
/// Nothing removes many rows of a live file.
fn vacuum_free_bytes_min(config: &Config) -> Option<u64> {
    const MIB: u64 = 1 << 20;
    let mib = config.sandbox.vacuum_free_mib_min;
    (config.mode == Mode::Sandbox && mib > 0).then_some(mib * MIB)
}

/// Returns the settings of the webhook deliverer.
pub(super) fn webhooks(config: &Config) -> webhooks::Settings {
    webhooks::Settings {
        mode: config.mode,
        url_default: config.webhooks.callback_url.clone(),
        attempts: attempts(config),
        stop_timeout: Duration::from_secs(config.limits.stop_seconds_max),
    }
}

/// Returns the settings of attempts to deliver an event.
pub(super) fn attempts(config: &Config) -> AttemptSettings {
    AttemptSettings {
        schedule: config.webhooks.retry_seconds.clone(),
        retry_after_seconds_max: config.webhooks.retry_after_seconds_max,
        timeout: Duration::from_secs(config.webhooks.timeout_seconds),
    }
}

/// Returns the retention periods. `events_kept_days = 0` keeps events for ever.
pub(super) fn retention(config: &Config, policy: &Policy) -> Retention {
    let days = u64::from(config.webhooks.events_kept_days);
    Retention {
        idempotency_seconds: policy.idempotency_kept_seconds,
        events: (days > 0).then(|| Duration::from_secs(days * DAY_SECONDS.unsigned_abs())),
        left_behind: (config.mode == Mode::Sandbox).then(|| Duration::from_secs(config.sandbox.reset_kept_seconds)),
    }
}

/// Returns the bounds on connections and their waits.
pub(super) const fn connections(config: &Config) -> ConnectionLimits {
    ConnectionLimits {
        connections_max: config.limits.connections_max,
        keep_alive: Duration::from_secs(config.limits.keep_alive_seconds),
        head: Duration::from_secs(config.limits.head_seconds_max),
        progress: Duration::from_secs(config.limits.body_seconds_max),
        reply_bytes_max: config.limits.replies_bytes_max,
    }
}

/// Returns the most unknown keys of one client per minute, or `None` if there is no limit,
/// as in a sandbox.
pub(super) fn unknown_keys(config: &Config) -> Option<u32> {
    Some(config.limits.unknown_keys_per_minute).filter(|&limit| config.mode == Mode::Live && limit > 0)
}

/// Returns the origins whose web pages may call the service.
pub(super) fn allowed_origins(config: &Config) -> AllowedOrigins {
    AllowedOrigins {
        on_this_machine: config.mode == Mode::Sandbox,
        listed: config.allowed_origins.clone(),
    }
}

/// Returns the bounds on requests.
pub(super) const fn limits(config: &Config) -> http::Limits {
    http::Limits {
        body_bytes_max: config.limits.body_bytes_max,
        body_seconds_max: config.limits.body_seconds_max,
        file_bytes_max: config.limits.file_bytes_max,
        files_per_request_max: config.limits.files_per_request_max,
        uploads_bytes_max: config.limits.uploads_bytes_max,
        escrows_per_payment_max: config.limits.escrows_per_payment_max,
        report_rows_max: config.limits.report_rows_max,
    }
}

/// Returns the bounds on the streams by which pages follow changes. All people behind one proxy
/// may share an address.
pub(super) const fn page_streams(config: &Config) -> StreamLimits {
    const PER_ADDRESS_MAX: usize = 128;
    StreamLimits {
        per_owner_max: PER_ADDRESS_MAX,
        heartbeat: Duration::from_secs(config.sandbox.event_stream_heartbeat_seconds),
    }
}

/// Returns the bounds on the streams of events.
pub(super) const fn event_streams(config: &Config) -> StreamLimits {
    StreamLimits {
        per_owner_max: config.sandbox.event_streams_per_key_max,
        heartbeat: Duration::from_secs(config.sandbox.event_stream_heartbeat_seconds),
    }
}

/// Returns the bounds on the request log, or `None` in live mode, which has none.
pub(super) fn request_log(config: &Config) -> Option<RequestLogLimits> {
    (config.mode == Mode::Sandbox).then_some(RequestLogLimits {
        requests_max: config.sandbox.requests_kept,
        bytes_max: config.sandbox.requests_bytes_max,
    })
}

/// Returns the schedule of the backups. An ephemeral service makes none.
pub(super) fn backups(config: &Config) -> Option<Schedule> {
    let folder = config.backups.folder.clone().filter(|_| !config.ephemeral)?;
    let database = config.database.path()?.to_owned();
    Some(Schedule {
        folder,
        every: Duration::from_secs(60 * config.backups.every_minutes),
        kept: config.backups.keep,
        database,
    })
}
