//! A page of a party's own escrows, with totals (contract section 4.2.7).

use serde::Serialize;

use crate::domain::escrow::party_escrows::{EscrowList, EscrowReport};
use crate::views::{EscrowView, PageView, ViewContext, WireAmount};

/// A page of a party's own escrows, and the totals of all of them.
#[derive(Debug, Serialize)]
pub(crate) struct EscrowListView {
    #[serde(flatten)]
    page: PageView<EscrowView>,
    report: ReportView,
}

#[derive(Debug, Serialize)]
struct ReportView {
    total: u64,
    completed: u64,
    ongoing: u64,
    dispute: u64,
    amount: AmountsView,
}

#[derive(Debug, Serialize)]
struct AmountsView {
    total: WireAmount,
    completed: WireAmount,
    ongoing: WireAmount,
    dispute: WireAmount,
}

impl EscrowListView {
    /// Shows the list to its party.
    pub(crate) fn new(list: EscrowList, viewing: &ViewContext<'_>) -> Self {
        Self {
            page: PageView::new(list.page, |escrow| EscrowView::new(escrow, viewing)),
            report: ReportView::new(&list.report),
        }
    }
}

impl ReportView {
    const fn new(report: &EscrowReport) -> Self {
        Self {
            total: report.total.count,
            completed: report.completed.count,
            ongoing: report.ongoing.count,
            dispute: report.dispute.count,
            amount: AmountsView {
                total: WireAmount(report.total.amount),
                completed: WireAmount(report.completed.amount),
                ongoing: WireAmount(report.ongoing.amount),
                dispute: WireAmount(report.dispute.amount),
            },
        }
    }
}
