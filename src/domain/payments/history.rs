//! Requests for a part of a payment history (contract sections 1.8 and 4.3.4).

use crate::domain::page::{Page, PageRequest};
use crate::domain::refusal::Refusal;
use crate::domain::time::{Date, Timestamp};
use crate::domain::transaction::TransactionType;

/// The most transactions of a reply without pages. A longer history is refused and not cut
/// off, since a client that adds up a month must not miss a day.
pub const FLAT_ROWS_MAX: u32 = 10_000;

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
    /// Returns the page of the history to read for the reply.
    pub const fn page(self) -> PageRequest {
        match self {
            Self::Page(request) => request,
            Self::Flat => PageRequest::numbered(1, FLAT_ROWS_MAX),
        }
    }

    /// Returns this page, which [`Self::page`] asks for, in the form of the reply.
    ///
    /// # Errors
    ///
    /// Refuses a reply without pages that would exceed [`FLAT_ROWS_MAX`].
    pub fn history<T>(self, page: Page<T>) -> Result<History<T>, Refusal> {
        match self {
            Self::Page(_) => Ok(History::Page(page)),
            Self::Flat if page.is_last() => Ok(History::Flat(page.rows)),
            Self::Flat => Err(Refusal::TooManyTransactions {
                max: FLAT_ROWS_MAX as usize,
            }),
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
        let flat = HistoryShape::Flat;
        let of = |count| flat.history(Page::of(vec![2, 1], count, flat.page(), |row| *row));
        let max = u64::from(FLAT_ROWS_MAX);
        assert_eq!(of(max), Ok(History::Flat(vec![2, 1])));
        assert_eq!(of(max + 1), Err(Refusal::TooManyTransactions { max: 10_000 }));
    }
}
