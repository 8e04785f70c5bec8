//! The reply to loading a seed.

use serde::Serialize;

use crate::domain::escrow::Escrow;
use crate::domain::ids::{CustomerId, EscrowId};
use crate::domain::money::Amount;
use crate::views::{ClockView, MilestoneView, WireAmount, WireText};

/// The customers and escrows that a seed created, in the seed's order, and the clock,
/// which the seed may have advanced.
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
    /// Shows the customers with their main balances, and the escrows with the names that
    /// they have in the seed.
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
