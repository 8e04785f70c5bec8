//! Writes the log lines about an endpoint that begins or stops failing.

use crate::domain::events::delivery::{Attempt, AttemptOutcome};
use crate::domain::ids::MerchantId;

/// Logs once that an endpoint fails, and once that it accepts events again.
pub(super) fn log_health(merchant: MerchantId, attempt: &Attempt) {
    let (merchant, url) = (merchant.0, &attempt.url);
    match &attempt.outcome {
        AttemptOutcome::Responded { status: 200..=299, .. } => {
            log::info!("merchant {merchant}: webhook endpoint {url} accepts events again");
        }
        AttemptOutcome::Responded { status, .. } => {
            log::warn!(
                "merchant {merchant}: webhook endpoint {url} answers events with {status}; webhooks.retry_seconds \
                 sets the retries"
            );
        }
        AttemptOutcome::Failed(problem) => {
            log::warn!(
                "merchant {merchant}: webhook endpoint {url} takes no events: {problem}; webhooks.retry_seconds \
                 sets the retries"
            );
        }
    }
}
