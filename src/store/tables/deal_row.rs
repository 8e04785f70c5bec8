//! The row of a deal, from which escrows and vaults are read.

use crate::domain::escrow::terms::DeliveryTimeline;
use crate::domain::fees::{Fee, WhoPays};
use crate::domain::ids::{CustomerId, EscrowId, MerchantId, PaymentToken};
use crate::domain::money::Amount;
use crate::domain::time::Timestamp;
use crate::store::engine::error::Error;
use crate::store::tables::columns::{broken, row, stored_as_word};

/// The stored words of settlement types.
pub(crate) const STANDARD: &str = "STANDARD";
pub(crate) const MILESTONE: &str = "MILESTONE";
pub(crate) const VAULT: &str = "VAULT";

stored_as_word!(WhoPays, "a payer of the fee");
stored_as_word!(DeliveryTimeline, "a delivery timeline");

row! {
    pub(crate) struct DealRow<'a>, deal_columns! {
        id: i64,
        guard: i64,
        merchant_id: MerchantId,
        payment_token: PaymentToken,
        seller_id: Option<CustomerId>,
        settlement_type: &'a str,
        amount: Amount,
        purpose: String,
        description: Option<String>,
        images: Option<&'a str>,
        category_id: Option<i64>,
        who_pays: WhoPays,
        max_delivery: i64,
        delivery_timeline: DeliveryTimeline,
        total_quantity: i64,
        is_link: bool,
        fee: Amount,
        commission: Amount,
        buyer_fee: Amount,
        additional_fee: Amount,
        additional_fee_refundable: bool,
        state: &'a str,
        dispute: Option<&'a str>,
        closed_as: Option<&'a str>,
        split_seller_amount: Option<Amount>,
        split_buyer_amount: Option<Amount>,
        winner_id: Option<CustomerId>,
        buyer_id: Option<CustomerId>,
        payment_id: Option<i64>,
        payment_guard: Option<u32>,
        payment_reference: Option<&'a str>,
        payment_amount: Option<Amount>,
        paid_at: Option<Timestamp>,
        created_at: Timestamp,
        updated_at: Timestamp,
    }
}

/// Selects every deal, also those that are deleted.
pub(crate) const SELECT_DEALS: &str = concat!("SELECT ", deal_columns!(), " FROM escrow");

/// Selects the deals that meet a condition and are not deleted.
macro_rules! select_deal {
    ($condition:expr) => {
        concat!(
            "SELECT ",
            deal_columns!(),
            " FROM escrow WHERE ",
            $condition,
            " AND deleted_at IS NULL"
        )
    };
}

impl DealRow<'_> {
    pub(crate) const fn escrow_id(&self) -> EscrowId {
        EscrowId::new(self.id, self.guard)
    }

    /// # Errors
    ///
    /// [`Error::Corrupt`] when the parts of the fee exceed it.
    pub(crate) fn fee(&self) -> Result<Fee, Error> {
        Fee::from_parts(self.fee, self.commission, self.buyer_fee)
            .ok_or_else(|| broken("a fee of at least its parts", &self.fee.to_string()))
    }
}
