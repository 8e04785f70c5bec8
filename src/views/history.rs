//! Payment histories (contract section 1.8).

use serde::Serialize;

use crate::domain::payments::history::History;
use crate::domain::payments::payment::Payment;
use crate::views::{PageView, TransactionView};

/// Transactions of a history: one page, or a plain list when the request asks for one.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum HistoryView {
    Page(PageView<TransactionView>),
    Flat(Vec<TransactionView>),
}

impl HistoryView {
    /// Shows the transactions, with amounts in this currency.
    pub(crate) fn new(history: History<Payment>, currency: &str) -> Self {
        let view = |payment| TransactionView::new(payment, currency);
        match history {
            History::Page(page) => Self::Page(PageView::new(page, view)),
            History::Flat(payments) => Self::Flat(payments.into_iter().map(view).collect()),
        }
    }
}
