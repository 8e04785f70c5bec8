//! The A and W views of an escrow (contract section 3.1). Both add the parties, the
//! payment, the environment and the merchant to the R view.

use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde_json::Value;

use crate::domain::escrow::Escrow;
use crate::domain::escrow::deal::DealRef;
use crate::domain::escrow::vault::Vault;
use crate::domain::ids::{CustomerId, MerchantId, TransactionId};
use crate::domain::mode::Mode;
use crate::views::dispute::StatementView;
use crate::views::{AsText, EscrowView, ViewContext};

/// The A view: the reply to a confirmed payment and to a submitted dispute.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DetailedEscrowView {
    #[serde(flatten)]
    escrow: EscrowView,
    #[serde(flatten)]
    record: RecordView,
    is_merchant: bool,
}

/// The W view: the `data` of a webhook about an escrow or a vault. It leaves out the
/// fields of the R view that depend on a viewer.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(transform = without_viewer)]
pub(super) struct EventDealView {
    #[serde(flatten)]
    deal: EscrowView,
    #[serde(flatten)]
    record: RecordView,
}

/// The fields that the A and W views add to the R view.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct RecordView {
    /// Null when the merchant itself sells, and for a vault.
    seller_id: Option<AsText<CustomerId>>,
    buyer_id: Option<AsText<CustomerId>>,
    payment_id: Option<AsText<TransactionId>>,
    delivery_details: Option<()>,
    #[schemars(extend("enum" = ["test", "live"]))]
    environment: &'static str,
    merchant_id: i64,
}

/// Removes the fields that [`EscrowView::for_webhook`] leaves out.
fn without_viewer(schema: &mut Schema) {
    if let Some(fields) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        fields.remove("isSeller");
        fields.remove("paymentDetails");
    }
}

impl DetailedEscrowView {
    /// Shows an escrow. The mode decides the environment, `test` or `live`.
    pub(crate) fn new(escrow: Escrow, context: &ViewContext<'_>, mode: Mode) -> Self {
        Self {
            record: RecordView::of_escrow(&escrow, mode),
            is_merchant: true,
            escrow: EscrowView::new(escrow, context),
        }
    }

    /// Shows an escrow as the reply to a submitted dispute: its statements carry the
    /// speakers' ids.
    pub(crate) fn for_submission(escrow: Escrow, context: &ViewContext<'_>, mode: Mode) -> Self {
        let dispute = StatementView::list_for_submission(&escrow, context);
        let view = Self::new(escrow, context, mode);
        Self {
            escrow: view.escrow.with_dispute(dispute),
            ..view
        }
    }
}

impl EventDealView {
    /// Shows a deal. The mode decides the environment, `test` or `live`.
    pub(super) fn new(deal: DealRef<'_>, context: &ViewContext<'_>, mode: Mode) -> Self {
        Self {
            record: match deal {
                DealRef::Escrow(escrow) => RecordView::of_escrow(escrow, mode),
                DealRef::Vault(vault) => RecordView::of_vault(vault, mode),
            },
            deal: match deal {
                DealRef::Escrow(escrow) => EscrowView::new(escrow.clone(), context),
                DealRef::Vault(vault) => EscrowView::of_vault(vault.clone(), context),
            }
            .for_webhook(),
        }
    }
}

impl RecordView {
    fn of_escrow(escrow: &Escrow, mode: Mode) -> Self {
        let funding = escrow.funding();
        Self {
            seller_id: escrow.seller.customer().cloned().map(AsText),
            buyer_id: funding.map(|funding| AsText(funding.buyer.clone())),
            payment_id: funding.map(|funding| AsText(funding.payment.id)),
            ..Self::without_parties(escrow.merchant, mode)
        }
    }

    /// Shows no parties: a vault has neither seller nor buyer.
    const fn of_vault(vault: &Vault, mode: Mode) -> Self {
        Self::without_parties(vault.merchant, mode)
    }

    const fn without_parties(merchant: MerchantId, mode: Mode) -> Self {
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
