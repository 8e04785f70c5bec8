//! Events with their deliveries, for tests in a sandbox.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::domain::events::delivery::{Attempt, AttemptOutcome, DeliveryProgress};
use crate::domain::events::event::RecordedEvent;
use crate::domain::ids::{CustomerId, EscrowId, EventId};
use crate::domain::time::Timestamp;
use crate::views::WireText;

/// An event and its delivery.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventView {
    id: WireText<EventId>,
    #[serde(rename = "type")]
    name: String,
    created_at: WireText<Timestamp>,
    escrow_id: Option<WireText<EscrowId>>,
    customer_id: Option<WireText<CustomerId>>,
    payload: Box<RawValue>,
    delivery: DeliveryView,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DeliveryView {
    status: &'static str,
    next_attempt_at: Option<WireText<Timestamp>>,
    attempts: Vec<AttemptView>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AttemptView {
    attempted_at: WireText<Timestamp>,
    url: String,
    /// The status of the endpoint's response; null when there was none.
    status: Option<u16>,
    /// The reason why there was no response.
    error: Option<String>,
    duration_ms: u32,
    /// The beginning of the response body.
    answer: Option<String>,
}

/// The number of events that will be delivered again.
#[derive(Debug, Serialize)]
pub(crate) struct ReplayView {
    pub(crate) events: usize,
}

impl EventView {
    /// Shows an event, with the payload byte for byte as it is delivered.
    pub(crate) fn new(event: RecordedEvent) -> Self {
        Self {
            id: WireText(event.id),
            name: event.name,
            created_at: WireText(event.created_at),
            escrow_id: event.escrow.map(WireText),
            customer_id: event.customer.map(WireText),
            payload: RawValue::from_string(event.payload).expect("payloads are stored as JSON"),
            delivery: DeliveryView::new(event.delivery),
        }
    }
}

impl DeliveryView {
    fn new(progress: DeliveryProgress) -> Self {
        Self {
            status: progress.status().into_str(),
            next_attempt_at: progress.next_attempt_at.map(WireText),
            attempts: progress.attempts.into_iter().map(AttemptView::new).collect(),
        }
    }
}

impl AttemptView {
    fn new(attempt: Attempt) -> Self {
        let (status, error, answer) = match attempt.outcome {
            AttemptOutcome::Answered { status, beginning } => (Some(status), None, Some(beginning)),
            AttemptOutcome::Failed(error) => (None, Some(error), None),
        };
        Self {
            attempted_at: WireText(attempt.attempted_at),
            url: attempt.url,
            status,
            error,
            duration_ms: attempt.duration_millis,
            answer,
        }
    }
}
