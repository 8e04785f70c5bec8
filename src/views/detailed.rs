//! The contract's Escrow, A and W views (section 3.1): with its parties, as confirming a
//! payment and submitting a dispute answer it, and as subscribers are told of it.

use serde::Serialize;

use crate::domain::escrow::Escrow;
use crate::domain::escrow::deal::DealRef;
use crate::domain::escrow::vault::Vault;
use crate::domain::ids::{CustomerId, MerchantId, TransactionId};
use crate::domain::mode::Mode;
use crate::views::dispute::StatementView;
use crate::views::{EscrowView, ViewContext, WireText};

/// An escrow with its parties: the A view.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DetailedEscrowView {
    #[serde(flatten)]
    escrow: EscrowView,
    #[serde(flatten)]
    record: RecordView,
    is_merchant: bool,
}

/// A deal as subscribers are told of it: the W view.
#[derive(Debug, Serialize)]
pub(super) struct EventDealView {
    #[serde(flatten)]
    deal: EscrowView,
    #[serde(flatten)]
    record: RecordView,
}

/// Whose a deal is, and by which payment it was funded.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RecordView {
    /// None when the merchant itself sells, and of a vault.
    seller_id: Option<WireText<CustomerId>>,
    buyer_id: Option<WireText<CustomerId>>,
    payment_id: Option<WireText<TransactionId>>,
    delivery_details: Option<()>,
    environment: &'static str,
    merchant_id: i64,
}

impl DetailedEscrowView {
    /// An escrow on a server of this mode.
    pub(crate) fn new(escrow: Escrow, viewing: &ViewContext<'_>, mode: Mode) -> Self {
        Self {
            record: RecordView::of_escrow(&escrow, mode),
            is_merchant: true,
            escrow: EscrowView::new(escrow, viewing),
        }
    }

    /// The same for who has just said something in its dispute.
    pub(crate) fn as_written(escrow: Escrow, viewing: &ViewContext<'_>, mode: Mode) -> Self {
        let dispute = StatementView::list_as_written(&escrow, viewing);
        let view = Self::new(escrow, viewing, mode);
        Self {
            escrow: view.escrow.with_dispute(dispute),
            ..view
        }
    }
}

impl EventDealView {
    /// A deal on a server of this mode.
    pub(super) fn new(deal: DealRef<'_>, viewing: &ViewContext<'_>, mode: Mode) -> Self {
        Self {
            record: match deal {
                DealRef::Escrow(escrow) => RecordView::of_escrow(escrow, mode),
                DealRef::Vault(vault) => RecordView::of_vault(vault, mode),
            },
            deal: match deal {
                DealRef::Escrow(escrow) => EscrowView::new(escrow.clone(), viewing),
                DealRef::Vault(vault) => EscrowView::of_vault(vault.clone(), viewing),
            }
            .for_subscribers(),
        }
    }
}

impl RecordView {
    fn of_escrow(escrow: &Escrow, mode: Mode) -> Self {
        let funding = escrow.funding();
        Self {
            seller_id: escrow.seller.customer().cloned().map(WireText),
            buyer_id: funding.map(|funding| WireText(funding.buyer.clone())),
            payment_id: funding.map(|funding| WireText(funding.payment.id)),
            ..Self::of_nobody(escrow.merchant, mode)
        }
    }

    /// Everyone in a vault paid for it, and nobody sells it.
    const fn of_vault(vault: &Vault, mode: Mode) -> Self {
        Self::of_nobody(vault.merchant, mode)
    }

    const fn of_nobody(merchant: MerchantId, mode: Mode) -> Self {
        Self {
            seller_id: None,
            buyer_id: None,
            payment_id: None,
            delivery_details: None,
            environment: mode.environment(),
            merchant_id: merchant.0,
        }
    }
}
