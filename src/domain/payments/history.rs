//! Requests for a part of a payment history (contract sections 1.8 and 4.3.4).

use crate::domain::page::{Page, PageRequest};
use crate::domain::refusal::Refusal;
use crate::domain::time::{Date, Timestamp};
use crate::domain::transaction::TransactionType;

/// The most transactions of a reply without pages. A longer history is refused and not cut
/// off, since a client that adds up a month must not miss a day.
pub const FLAT_ROWS_MAX: usize = 10_000;

/// A filter of transactions. `None` lets every transaction pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryFilter {
    pub transaction_type: Option<TransactionType>,
    pub reference: Option<String>,
    /// The first day, in UTC.
    pub from: Option<Date>,
    /// The last day, in UTC.
    pub to: Option<Date>,
}

/// The form of the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryShape {
    Page(PageRequest),
    /// Every transaction, without pages.
    Flat,
}

/// A part of a history, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum History<T> {
    Page(Page<T>),
    /// Every transaction that the filter lets pass.
    Flat(Vec<T>),
}

impl HistoryFilter {
    /// Returns true if every transaction passes.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// Returns true if a transaction passes.
    pub fn wants(&self, transaction_type: TransactionType, reference: &str, created_at: Timestamp) -> bool {
        let day = created_at.date();
        self.transaction_type.is_none_or(|wanted| wanted == transaction_type)
            && self.reference.as_deref().is_none_or(|wanted| wanted == reference)
            && self.from.is_none_or(|from| from <= day)
            && self.to.is_none_or(|to| day <= to)
    }

    /// Returns true if this transaction and every earlier one are too old to pass.
    pub fn ends_before(&self, created_at: Timestamp) -> bool {
        self.from.is_some_and(|from| created_at.date() < from)
    }
}

impl HistoryShape {
    /// Returns how many of the transactions up to the key [`newest`] to skip, and how many to
    /// take after them.
    ///
    /// [`newest`]: Self::newest
    pub fn cut(self) -> (u64, usize) {
        match self {
            Self::Page(page) => (page.offset(), page.rows_read()),
            Self::Flat => (0, FLAT_ROWS_MAX),
        }
    }

    /// Returns the greatest keys that a transaction may have to be counted, and to be taken.
    pub const fn newest(self) -> (i64, i64) {
        match self {
            Self::Page(page) => (page.newest_counted(), page.newest()),
            Self::Flat => (i64::MAX, i64::MAX),
        }
    }

    /// Returns the part of the history made of these rows, where `count` transactions
    /// pass the filter. `key` returns the key of a row.
    ///
    /// # Errors
    ///
    /// Refuses a reply without pages that would exceed [`FLAT_ROWS_MAX`].
    pub fn history<T>(self, rows: Vec<T>, count: u64, key: impl Fn(&T) -> i64) -> Result<History<T>, Refusal> {
        match self {
            Self::Page(request) => Ok(History::Page(Page::of(rows, count, request, key))),
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
    fn a_reply_without_pages_is_complete_or_refused() {
        assert_eq!(
            HistoryShape::Flat.history(vec![1, 2], 2, |row| *row),
            Ok(History::Flat(vec![1, 2]))
        );
        assert!(HistoryShape::Flat.history(vec![1, 2], 3, |row| *row).is_err());
    }
}
