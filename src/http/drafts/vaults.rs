//! Bodies of vaults (contract section 4.8).

use crate::domain::escrow::vault::{StakeRequest, VaultRequest};
use crate::domain::ids::CustomerId;
use crate::domain::refusal::Parsed;
use crate::http::body::JsonBody;
use crate::http::fields::Field;

/// Contract section 4.8.1.
pub(in crate::http) fn vault(body: &JsonBody) -> Parsed<VaultRequest> {
    let fields = body.fields()?;
    let participants = fields.field("participants").list();
    Ok(VaultRequest {
        purpose: fields.field("purpose").text(),
        description: fields.field("description").optional(Field::text),
        category: fields.field("categoryId").optional(Field::category_id),
        participants: participants.map(|participants| participants.iter().map(stake).collect()),
    })
}

/// Contract section 4.8.2.
pub(in crate::http) fn winner(body: &JsonBody) -> Parsed<CustomerId> {
    body.fields()?.field("winnerId").customer_id()
}

fn stake(participant: &Field<'_>) -> Parsed<StakeRequest> {
    let fields = participant.object()?;
    Ok(StakeRequest {
        customer: fields.field("customerId").customer_id(),
        amount: fields.field("amount").amount(),
    })
}
