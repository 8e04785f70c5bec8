//! Bringing an event to a merchant's callback URL: what came of each attempt, and
//! when the next one is due.

use super::time::Timestamp;

/// One attempt to deliver an event, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When, by the merchant's clock.
    pub attempted_at: Timestamp,
    /// Where it went, without its query.
    pub url: String,
    /// What the receiver said, or why it said nothing.
    pub outcome: Outcome,
    /// How long it took.
    pub duration_millis: u32,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
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

impl Outcome {
    /// Whether the receiver took it: any status from 200 to 299 (contract section 7.7).
    pub const fn is_delivered(&self) -> bool {
        matches!(self, Self::Answered { status: 200..=299, .. })
    }
}

/// How far an event has come on its way to the merchant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Whether another attempt will be made.
    pub is_pending: bool,
    /// When the next attempt is due, by the merchant's clock; unknown while an earlier
    /// event of the same escrow goes first.
    pub next_attempt_at: Option<Timestamp>,
    /// The attempts so far, oldest first.
    pub attempts: Vec<Attempt>,
}

impl Progress {
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

impl DeliveryStatus {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
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
                || Outcome::Failed("connection refused".to_owned()),
                |status| Outcome::Answered {
                    status,
                    beginning: String::new(),
                },
            ),
            duration_millis: 1,
        }
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
            let progress = Progress {
                is_pending,
                next_attempt_at: None,
                attempts: attempts.iter().copied().map(attempt).collect(),
            };
            assert_eq!(progress.status(), status, "{is_pending} {attempts:?}");
        }
    }
}
