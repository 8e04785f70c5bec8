//! Operators of a live service.

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::ids::OperatorId;
use crate::domain::time::Timestamp;
use crate::domain::treasury::operator::{Operator, Role};
use crate::views::{AsText, Words};

/// An operator, without the key.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OperatorView {
    id: AsText<OperatorId>,
    name: String,
    #[schemars(with = "Words<Role>")]
    role: &'static str,
    /// The merchants that the operator is limited to. Null for one who is not limited.
    merchant_ids: Option<Vec<i64>>,
    created_at: AsText<Timestamp>,
    last_used_at: Option<AsText<Timestamp>>,
    revoked_at: Option<AsText<Timestamp>>,
}

/// A new operator with the key, which is shown once.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct NewOperatorView {
    #[serde(flatten)]
    pub(crate) operator: OperatorView,
    pub(crate) key: String,
}

impl OperatorView {
    pub(crate) fn new(operator: Operator) -> Self {
        Self {
            id: AsText(operator.id),
            name: operator.name,
            role: operator.role.into_str(),
            merchant_ids: (!operator.merchants.is_empty())
                .then(|| operator.merchants.iter().map(|merchant| merchant.0).collect()),
            created_at: AsText(operator.created_at),
            last_used_at: operator.last_used_at.map(AsText),
            revoked_at: operator.revoked_at.map(AsText),
        }
    }
}
