//! Bringing an event to a merchant's callback URL: what came of each attempt, and
//! when the next one is due.

use strum::IntoStaticStr;

use crate::domain::ids::{EventId, MerchantId};
use crate::domain::time::Timestamp;

/// Names a delivery; of two in one ordering_key the smaller goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId(pub i64);

/// A delivery whose turn it is, now or later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its name.
    pub id: DeliveryId,
    /// What is delivered.
    pub event: EventId,
    /// To whom.
    pub merchant: MerchantId,
    /// The ordering_key in which it goes first, if it is in one.
    pub ordering_key: Option<i64>,
    /// Attempts made so far.
    pub attempts: u32,
    /// When the next one is due, by the merchant's clock.
    pub due_at: Timestamp,
}

/// How long to wait after each failed attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetrySchedule(Vec<u32>);

/// What is to be done after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing: it was delivered, or is given up.
    Nothing,
    /// Another attempt then, by the merchant's clock.
    RetryAt(Timestamp),
}

impl RetrySchedule {
    /// So many seconds after the first, the second, ... failure.
    pub const fn new(seconds: Vec<u32>) -> Self {
        Self(seconds)
    }

    /// What follows an attempt with this outcome. `attempts` were made before it; the
    /// wait is counted from `since`.
    pub fn after(&self, attempts: u32, outcome: &AttemptOutcome, since: Timestamp) -> Next {
        let wait = usize::try_from(attempts).ok().and_then(|made| self.0.get(made));
        match wait {
            Some(&seconds) if !outcome.is_delivered() => Next::RetryAt(since.millis_later(i64::from(seconds) * 1000)),
            _ => Next::Nothing,
        }
    }
}

/// One attempt to deliver an event, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When, by the merchant's clock.
    pub attempted_at: Timestamp,
    /// Where it went, without its query.
    pub url: String,
    /// What the receiver said, or why it said nothing.
    pub outcome: AttemptOutcome,
    /// How long it took.
    pub duration_millis: u32,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// The receiver answered.
    Answered {
        /// Its HTTP status.
        status: u16,
        /// The beginning of the answer's body.
        beginning: String,
    },
    /// No answer came; why, for people.
    Failed(String),
}

impl AttemptOutcome {
    /// Whether the receiver took it: any status from 200 to 299 (contract section 7.7).
    pub const fn is_delivered(&self) -> bool {
        matches!(self, Self::Answered { status: 200..=299, .. })
    }
}

/// How far an event has come on its way to the merchant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryProgress {
    /// Whether another attempt will be made.
    pub is_pending: bool,
    /// When the next attempt is due, by the merchant's clock; unknown while an earlier
    /// event of the same escrow goes first.
    pub next_attempt_at: Option<Timestamp>,
    /// The attempts so far, oldest first.
    pub attempts: Vec<Attempt>,
}

impl DeliveryProgress {
    /// It in one word.
    pub fn status(&self) -> DeliveryStatus {
        match self.attempts.last() {
            _ if self.is_pending => DeliveryStatus::Pending,
            None => DeliveryStatus::None,
            Some(attempt) if attempt.outcome.is_delivered() => DeliveryStatus::Delivered,
            Some(_) => DeliveryStatus::Failed,
        }
    }
}

/// An event's delivery in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "lowercase", const_into_str)]
pub enum DeliveryStatus {
    /// It was never sent and will not be: no callback URL was set.
    None,
    /// It is on its way, perhaps not for the first time.
    Pending,
    /// The receiver took it.
    Delivered,
    /// It was given up.
    Failed,
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
                |status| AttemptOutcome::Answered {
                    status,
                    beginning: String::new(),
                },
            ),
            duration_millis: 1,
        }
    }

    #[test]
    fn a_failure_is_tried_again_as_often_as_there_are_waits() {
        let schedule = RetrySchedule::new(vec![60, 300]);
        let since = Timestamp::from_millis(1_782_123_300_007).unwrap();
        let after = |attempts, status| schedule.after(attempts, &attempt(status).outcome, since);
        let retry_in = |seconds: i64| Next::RetryAt(since.millis_later(seconds * 1000));
        assert_eq!(after(0, Some(500)), retry_in(60));
        assert_eq!(after(1, None), retry_in(300));
        assert_eq!(after(2, None), Next::Nothing, "it is given up");
        assert_eq!(after(0, Some(204)), Next::Nothing, "it was delivered");
        assert_eq!(after(0, Some(301)), retry_in(60), "another address is no delivery");
    }

    #[test]
    fn the_status_follows_from_the_last_attempt_and_from_what_is_to_come() {
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
                is_pending,
                next_attempt_at: None,
                attempts: attempts.iter().copied().map(attempt).collect(),
            };
            assert_eq!(progress.status(), status, "{is_pending} {attempts:?}");
        }
    }
}
