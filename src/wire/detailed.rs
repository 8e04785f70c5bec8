//! The contract's Escrow, A view (section 3.1): what confirming a payment and submitting
//! a dispute answer, and nothing else does.

use serde::Serialize;

use super::dispute::StatementView;
use super::{EscrowView, Viewing, WireText};
use crate::domain::escrow::Escrow;
use crate::domain::ids::{CustomerId, TransactionId};
use crate::domain::mode::Mode;

/// An escrow with its parties.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DetailedEscrowView {
    #[serde(flatten)]
    escrow: EscrowView,
    /// None when the merchant itself sells.
    seller_id: Option<WireText<CustomerId>>,
    buyer_id: Option<WireText<CustomerId>>,
    payment_id: Option<WireText<TransactionId>>,
    delivery_details: Option<()>,
    environment: &'static str,
    merchant_id: i64,
    is_merchant: bool,
}

impl DetailedEscrowView {
    /// An escrow on a server of this mode.
    pub(crate) fn new(escrow: Escrow, viewing: &Viewing<'_>, mode: Mode) -> Self {
        let funding = escrow.funding();
        Self {
            seller_id: escrow.seller.customer().cloned().map(WireText),
            buyer_id: funding.map(|funding| WireText(funding.buyer.clone())),
            payment_id: funding.map(|funding| WireText(funding.payment.id)),
            delivery_details: None,
            environment: match mode {
                Mode::Sandbox => "test",
                Mode::Live => "live",
            },
            merchant_id: escrow.merchant.0,
            is_merchant: true,
            escrow: EscrowView::new(escrow, viewing),
        }
    }

    /// The same for who has just said something in its dispute.
    pub(crate) fn as_written(escrow: Escrow, viewing: &Viewing<'_>, mode: Mode) -> Self {
        let dispute = StatementView::list_as_written(&escrow, viewing);
        let view = Self::new(escrow, viewing, mode);
        Self {
            escrow: view.escrow.with_dispute(dispute),
            ..view
        }
    }
}
