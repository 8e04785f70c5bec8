//! What is left of a sandbox merchant that started over.

use serde::Serialize;

use crate::domain::ids::MerchantId;

/// The merchant that the key has now.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ResetView {
    merchant_id: i64,
}

impl ResetView {
    /// It is this one.
    pub(crate) const fn new(merchant: MerchantId) -> Self {
        Self {
            merchant_id: merchant.0,
        }
    }
}
