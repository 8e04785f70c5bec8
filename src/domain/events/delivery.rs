//! Deliveries of events to webhook endpoints: the outcome of each attempt, and the time
//! of the next one.

use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::domain::ids::{EventId, MerchantId};
use crate::domain::time::Timestamp;

/// The decision, in the commit of an event, if the event is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE", const_into_str)]
pub enum Dispatch {
    /// The merchant had no webhook endpoint.
    NoEndpoint,
    /// The event was queued for delivery.
    Queued,
    /// The endpoint had not chosen events of this type.
    NotChosen,
    /// The endpoint had answered 410 Gone.
    EndpointGone,
}

/// The number of a delivery. Deliveries with the same ordering key are attempted in the
/// order of their numbers, until they are delivered, refused or given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId(pub i64);

/// A delivery that is due now or later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub id: DeliveryId,
    pub event: EventId,
    pub merchant: MerchantId,
    /// The ordering key, if it has one. A delivery that was refused has none any more.
    pub ordering_key: Option<i64>,
    /// The attempts made so far.
    pub attempts: u32,
    /// The time of the next attempt on the merchant's clock.
    pub due_at: Timestamp,
}

/// The retry schedule: the pause after each failed attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetrySchedule(Vec<u32>);

/// The decision on a further attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextAttempt {
    /// No further attempt: the event is delivered, or the schedule has ended.
    None,
    /// An attempt at this time on the merchant's clock.
    At(Timestamp),
}

impl RetrySchedule {
    /// Returns the schedule with these pauses, in seconds, after the first, the second,
    /// ... failed attempt.
    pub const fn new(seconds: Vec<u32>) -> Self {
        Self(seconds)
    }

    /// Returns the decision after an attempt with this outcome. `attempts` were made before
    /// it. The pause is counted from `since`. A longer pause that the endpoint asked for
    /// takes its place.
    pub fn after(
        &self,
        attempts: u32,
        outcome: &AttemptOutcome,
        asked_seconds: Option<u32>,
        since: Timestamp,
    ) -> NextAttempt {
        let wait = usize::try_from(attempts).ok().and_then(|made| self.0.get(made));
        match wait {
            Some(&seconds) if !outcome.is_delivered() => {
                let seconds = seconds.max(asked_seconds.unwrap_or_default());
                NextAttempt::At(since.millis_later(i64::from(seconds) * 1000))
            }
            _ => NextAttempt::None,
        }
    }
}

/// One attempt to deliver an event, and its outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The time on the merchant's clock.
    pub attempted_at: Timestamp,
    /// The endpoint's URL without its query.
    pub url: String,
    pub outcome: AttemptOutcome,
    pub duration_millis: u32,
}

/// The outcome of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// The endpoint sent a response.
    Responded {
        /// The HTTP status.
        status: u16,
        /// The beginning of the response's body.
        beginning: String,
    },
    /// No response arrived. The text describes the reason.
    Failed(String),
}

impl AttemptOutcome {
    /// Returns true if the event is delivered: the endpoint answered with a status from
    /// 200 to 299 (contract section 7.7).
    pub const fn is_delivered(&self) -> bool {
        match self {
            Self::Responded { status, .. } => Self::is_success(*status),
            Self::Failed(_) => false,
        }
    }

    /// Returns true if an endpoint that answers with this status has taken the event.
    pub const fn is_success(status: u16) -> bool {
        matches!(status, 200..=299)
    }

    /// Returns true if the endpoint is gone and wants no more events.
    pub const fn is_gone(&self) -> bool {
        matches!(self, Self::Responded { status: 410, .. })
    }

    /// Returns true if the endpoint refused the event: it read the event and answered
    /// that it does not take it. It may have taken none of the later events either, but it
    /// has had its turn, so they need not wait for a retry. After other failures they wait,
    /// because the endpoint may take the event a moment later.
    pub const fn is_refused(&self) -> bool {
        match self {
            // Request timeout, conflict, too early and too many requests pass by themselves.
            Self::Responded {
                status: 408 | 409 | 425 | 429,
                ..
            }
            | Self::Failed(_) => false,
            Self::Responded { status, .. } => *status < 500 && !self.is_delivered(),
        }
    }
}

/// The progress of an event's delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryProgress {
    /// The reason why it is pending. `None` if no attempt will be made.
    pub waits_for: Option<Wait>,
    /// The attempts so far, oldest first.
    pub attempts: Vec<Attempt>,
}

/// The thing that a pending delivery waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The event before it in the order of its escrow: that one is delivered, refused or
    /// given up first.
    Event(EventId),
    /// The time of the next attempt on the merchant's clock.
    Attempt(Timestamp),
}

impl DeliveryProgress {
    /// Returns the time of the next attempt, unless the delivery waits for another event or
    /// none will be made.
    pub const fn next_attempt_at(&self) -> Option<Timestamp> {
        match self.waits_for {
            Some(Wait::Attempt(at)) => Some(at),
            Some(Wait::Event(_)) | None => None,
        }
    }

    /// Returns the status.
    pub fn status(&self) -> DeliveryStatus {
        let attempts = self.attempts.iter();
        let last = attempts.map(|attempt| (attempt.attempted_at, attempt.outcome.is_delivered()));
        DeliveryStatus::of(self.waits_for.is_some(), last.max())
    }
}

/// The reason why an event was not sent and will not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum UnsentReason {
    /// The merchant had no webhook endpoint.
    NoEndpoint,
    /// The endpoint had not chosen events of this type.
    NotChosen,
    /// The endpoint had answered 410 Gone before.
    EndpointGone,
    /// The event was queued, and then the endpoint was turned off or answered 410 Gone.
    Discarded,
}

impl UnsentReason {
    /// Returns the reason why an event with this decision was not sent.
    pub const fn of(dispatch: Dispatch) -> Self {
        match dispatch {
            Dispatch::NoEndpoint => Self::NoEndpoint,
            Dispatch::NotChosen => Self::NotChosen,
            Dispatch::EndpointGone => Self::EndpointGone,
            Dispatch::Queued => Self::Discarded,
        }
    }
}

/// The status of an event's delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase", const_into_str)]
pub enum DeliveryStatus {
    /// The event was not sent and will not be, for an [`UnsentReason`].
    None,
    /// Another attempt is due.
    Pending,
    /// An attempt succeeded.
    Delivered,
    /// Every attempt of the retry schedule failed.
    Failed,
}

impl DeliveryStatus {
    /// Returns the status of an event whose delivery is pending or not. Otherwise the attempt decides that
    /// began last, given by its time and if it delivered the event: the greatest of all such pairs. One that
    /// began before it may have ended after it, if both were under way.
    pub const fn of(is_pending: bool, last: Option<(Timestamp, bool)>) -> Self {
        match last {
            _ if is_pending => Self::Pending,
            None => Self::None,
            Some((_, true)) => Self::Delivered,
            Some((_, false)) => Self::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(status: Option<u16>) -> Attempt {
        Attempt {
            attempted_at: Timestamp::EPOCH,
            url: "http://127.0.0.1/".to_owned(),
            outcome: status.map_or_else(
                || AttemptOutcome::Failed("connection refused".to_owned()),
                |status| AttemptOutcome::Responded {
                    status,
                    beginning: String::new(),
                },
            ),
            duration_millis: 1,
        }
    }

    #[test]
    fn a_failed_attempt_is_retried_once_for_each_pause() {
        let schedule = RetrySchedule::new(vec![60, 300]);
        let since = Timestamp::from_millis(1_782_123_300_007).unwrap();
        let after = |attempts, status| schedule.after(attempts, &attempt(status).outcome, None, since);
        let retry_in = |seconds: i64| NextAttempt::At(since.millis_later(seconds * 1000));
        assert_eq!(after(0, Some(500)), retry_in(60));
        assert_eq!(after(1, None), retry_in(300));
        assert_eq!(after(2, None), NextAttempt::None, "the schedule has ended");
        assert_eq!(after(0, Some(204)), NextAttempt::None, "the event is delivered");
        assert_eq!(after(0, Some(301)), retry_in(60), "a redirect is a failed attempt");
        let asked =
            |attempts, status, seconds| schedule.after(attempts, &attempt(status).outcome, Some(seconds), since);
        assert_eq!(asked(0, Some(503), 61), retry_in(61), "the endpoint asked for more");
        assert_eq!(asked(0, Some(503), 59), retry_in(60), "the schedule is later");
        assert_eq!(asked(2, Some(503), 61), NextAttempt::None, "the schedule has ended");
        assert_eq!(asked(0, Some(200), 61), NextAttempt::None);
    }

    #[test]
    fn an_answer_below_500_refuses_an_event_unless_it_passes_by_itself() {
        for status in [
            100, 199, 300, 301, 307, 399, 400, 401, 404, 407, 410, 418, 424, 426, 428, 431, 499,
        ] {
            assert!(attempt(Some(status)).outcome.is_refused(), "{status}");
        }
        for status in [200, 204, 299, 408, 409, 425, 429, 500, 503, 599, 999] {
            assert!(!attempt(Some(status)).outcome.is_refused(), "{status}");
        }
        assert!(!attempt(None).outcome.is_refused(), "there was no answer");
    }

    #[test]
    fn the_status_follows_from_the_last_attempt_and_the_next() {
        use DeliveryStatus::{Delivered, Failed, None as Nothing, Pending};
        for (is_pending, attempts, status) in [
            (false, vec![], Nothing),
            (true, vec![], Pending),
            (true, vec![Some(500)], Pending),
            (true, vec![Some(200)], Pending),
            (false, vec![Some(500), Some(200)], Delivered),
            (false, vec![Some(299)], Delivered),
            (false, vec![Some(300)], Failed),
            (false, vec![Some(199)], Failed),
            (false, vec![Some(200), None], Failed),
        ] {
            let progress = DeliveryProgress {
                waits_for: is_pending.then_some(Wait::Attempt(Timestamp::EPOCH)),
                attempts: (0..)
                    .zip(attempts.iter().copied())
                    .map(|(at, status)| began_at(at, status))
                    .collect(),
            };
            assert_eq!(progress.status(), status, "{is_pending} {attempts:?}");
        }
    }

    #[test]
    fn of_two_attempts_at_once_the_later_one_decides_the_status() {
        for (first, second) in [
            (began_at(1, Some(200)), began_at(0, Some(500))),
            (began_at(1, Some(200)), began_at(1, None)),
        ] {
            let progress = DeliveryProgress {
                waits_for: None,
                attempts: vec![first, second],
            };
            assert_eq!(progress.status(), DeliveryStatus::Delivered, "{progress:?}");
        }
    }

    fn began_at(millis: i64, status: Option<u16>) -> Attempt {
        Attempt {
            attempted_at: Timestamp::from_millis(millis).unwrap(),
            ..attempt(status)
        }
    }
}
