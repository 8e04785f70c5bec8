//! What a seed made.

use serde::Serialize;

use crate::domain::escrow::Escrow;
use crate::domain::ids::{CustomerId, EscrowId};
use crate::domain::money::Amount;
use crate::views::{ClockView, MilestoneView, WireAmount, WireText};

/// What a seed made, in its order, and the clock that it may have moved.
#[derive(Debug, Serialize)]
pub(crate) struct SeedView {
    customers: Vec<SeededCustomerView>,
    escrows: Vec<SeededEscrowView>,
    clock: ClockView,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SeededCustomerView {
    customer_id: WireText<CustomerId>,
    balance: WireAmount,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SeededEscrowView {
    name: Option<String>,
    id: WireText<EscrowId>,
    payment_token: String,
    status: &'static str,
    milestones: Vec<MilestoneView>,
}

impl SeedView {
    /// Of these customers with what is in their wallets, and these escrows with what
    /// the seed's author calls them.
    pub(crate) fn new(
        customers: Vec<(CustomerId, Amount)>,
        escrows: Vec<(Option<String>, Escrow)>,
        clock: ClockView,
    ) -> Self {
        let customer = |(id, balance)| SeededCustomerView {
            customer_id: WireText(id),
            balance: WireAmount(balance),
        };
        let escrow = |(name, escrow): (Option<String>, Escrow)| SeededEscrowView {
            name,
            id: WireText(escrow.id),
            payment_token: escrow.payment_token.as_str().to_owned(),
            status: escrow.status().into_str(),
            milestones: MilestoneView::list(escrow.plan),
        };
        Self {
            customers: customers.into_iter().map(customer).collect(),
            escrows: escrows.into_iter().map(escrow).collect(),
            clock,
        }
    }
}
