//! The settings of webhook deliveries.

use std::time::Duration;

use crate::domain::events::delivery::RetrySchedule;
use crate::domain::events::webhook_endpoint::WebhookUrl;
use crate::domain::mode::Mode;

/// The operator's decisions about deliveries.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Decides which addresses may be reached.
    pub mode: Mode,
    /// The URL for sandbox merchants that have not set one.
    pub url_default: Option<WebhookUrl>,
    /// The attempts.
    pub attempts: AttemptSettings,
    /// The time that attempts in flight get to finish when the service stops.
    pub stop_timeout: Duration,
}

/// The settings of attempts, which a reload may replace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptSettings {
    /// The pauses between attempts.
    pub schedule: RetrySchedule,
    /// The longest pause that an endpoint may ask for.
    pub retry_after_seconds_max: u32,
    /// The time limit of one attempt.
    pub timeout: Duration,
}
