//! The reply to resetting a sandbox merchant.

use serde::Serialize;

use crate::domain::ids::MerchantId;

/// The new merchant, which the key belongs to from now on.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ResetView {
    merchant_id: i64,
}

impl ResetView {
    /// Shows the new merchant.
    pub(crate) const fn new(merchant: MerchantId) -> Self {
        Self {
            merchant_id: merchant.0,
        }
    }
}
