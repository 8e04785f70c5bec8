//! Which part of a payment history is asked for (contract sections 1.8 and 4.3.4).

use crate::domain::page::{Page, PageRequest};
use crate::domain::refusal::Refusal;
use crate::domain::time::{Date, Timestamp};
use crate::domain::transaction::TransactionType;

/// Most transactions of an answer without pages. More are refused and not cut
/// off: who adds up a month must not miss a day.
pub const FLAT_ROWS_MAX: usize = 10_000;

/// Which transactions are wanted; what is left out wants them all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryFilter {
    /// Of this type.
    pub transaction_type: Option<TransactionType>,
    /// With exactly this reference.
    pub reference: Option<String>,
    /// Of this day, in UTC, or later.
    pub from: Option<Date>,
    /// Of this day, in UTC, or earlier.
    pub to: Option<Date>,
}

/// How the answer is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryShape {
    /// One page.
    Page(PageRequest),
    /// All at once.
    Flat,
}

/// Some transactions of a history, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum History<T> {
    /// One page.
    Page(Page<T>),
    /// All that are wanted.
    Flat(Vec<T>),
}

impl HistoryFilter {
    /// Whether every transaction is wanted.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a transaction is wanted.
    pub fn wants(&self, transaction_type: TransactionType, reference: &str, created_at: Timestamp) -> bool {
        let day = created_at.date();
        self.transaction_type.is_none_or(|wanted| wanted == transaction_type)
            && self.reference.as_deref().is_none_or(|wanted| wanted == reference)
            && self.from.is_none_or(|from| from <= day)
            && self.to.is_none_or(|to| day <= to)
    }

    /// Whether this transaction and every earlier one are too old.
    pub fn ends_before(&self, created_at: Timestamp) -> bool {
        self.from.is_some_and(|from| created_at.date() < from)
    }
}

impl HistoryShape {
    /// Which of the wanted transactions go into the answer, counted from the
    /// newest: how many are passed over, and how many are taken.
    pub fn cut(self) -> (u64, usize) {
        match self {
            Self::Page(page) => (page.offset(), usize::try_from(page.limit).unwrap_or(usize::MAX)),
            Self::Flat => (0, FLAT_ROWS_MAX),
        }
    }

    /// The answer made of these rows, where `count` were wanted.
    pub fn answer<T>(self, rows: Vec<T>, count: u64) -> Result<History<T>, Refusal> {
        match self {
            Self::Page(request) => Ok(History::Page(Page { rows, count, request })),
            Self::Flat if u64::try_from(rows.len()).is_ok_and(|taken| taken < count) => {
                Err(Refusal::TooManyTransactions { max: FLAT_ROWS_MAX })
            }
            Self::Flat => Ok(History::Flat(rows)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_whole_and_in_utc() {
        let day = Date::parse("2026-06-22");
        let filter = HistoryFilter {
            from: day,
            to: day,
            ..HistoryFilter::default()
        };
        let wants = |millis| {
            let at = Timestamp::from_millis(millis).unwrap();
            filter.wants(TransactionType::Deposit, "R", at)
        };
        // 2026-06-22T00:00:00Z is 1782086400.
        assert!(!wants(1_782_086_399_999));
        assert!(wants(1_782_086_400_000));
        assert!(wants(1_782_172_799_999));
        assert!(!wants(1_782_172_800_000));
        assert!(filter.ends_before(Timestamp::from_millis(1_782_086_399_999).unwrap()));
        assert!(!filter.ends_before(Timestamp::from_millis(1_782_086_400_000).unwrap()));
    }

    #[test]
    fn a_flat_answer_is_whole_or_refused() {
        assert_eq!(HistoryShape::Flat.answer(vec![1, 2], 2), Ok(History::Flat(vec![1, 2])));
        assert!(HistoryShape::Flat.answer(vec![1, 2], 3).is_err());
    }
}
