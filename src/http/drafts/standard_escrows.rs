//! Bodies and queries of the routes of standard escrows (contract section 4.2).

use crate::commands::milestone_escrows::ConversionRequest;
use crate::commands::standard_escrows::{AdditionalFeeRequest, StandardEditRequest};
use crate::domain::escrow::party_escrows::PartyEscrowFilter;
use crate::domain::escrow::terms::KeptTerms;
use crate::domain::page::PageRequest;
use crate::domain::party::Party;
use crate::domain::refusal::{Parsed, Refusal};
use crate::http::body::{JsonBody, JsonOrFormBody};
use crate::http::drafts::standard_terms;
use crate::http::fields::Field;
use crate::http::query::{self, Query};

/// Contract section 4.2.2: what is required on create is required here too; the rest
/// stays as it was when it does not come at all, and goes when it comes empty.
pub(in crate::http) fn edit(body: &JsonOrFormBody) -> Parsed<StandardEditRequest> {
    let fields = body.fields()?;
    Ok(StandardEditRequest {
        terms: standard_terms(&fields),
        keeps: KeptTerms {
            description: !fields.has("description"),
            total_quantity: fields.field("totalQuantity").is_absent(),
            category: !fields.has("categoryId"),
        },
    })
}

/// Contract section 4.1.3.
pub(in crate::http) fn conversion(body: &JsonBody) -> Parsed<ConversionRequest> {
    let fields = body.fields()?;
    let milestones = fields.field("milestones").list();
    Ok(ConversionRequest {
        amount: fields.field("amount").optional(Field::amount),
        milestones: milestones.map(|milestones| milestones.iter().map(crate::http::drafts::milestone).collect()),
    })
}

/// Contract section 4.2.3.
pub(in crate::http) fn additional_fee(body: &JsonBody) -> Result<AdditionalFeeRequest, Refusal> {
    let fields = body.fields()?;
    let amount = fields.field("additionalFee");
    if amount.is_negative() {
        return Err(Refusal::AdditionalFeeNegative);
    }
    Ok(AdditionalFeeRequest {
        amount: amount.amount()?,
        is_refundable: fields.field("additionalFeeRefundable").optional(Field::boolean)?,
    })
}

/// Contract section 4.2.7: a party's escrows, and which page of them.
pub(in crate::http) fn list(party: &Party, query: &Query) -> Result<(PartyEscrowFilter, PageRequest), Refusal> {
    let fields = query.fields()?;
    let side = fields.field("type");
    if side.is_absent() {
        return Err(Refusal::ListTypeMissing);
    }
    let side = side.word().map_err(|_| Refusal::ListTypeUnknown)?;
    let page = query::page(&fields)?;
    let filter = PartyEscrowFilter {
        party: party.clone(),
        side,
        category: fields.field("categoryId").optional(Field::category_id)?,
        status: fields.field("status").optional(Field::word)?,
    };
    Ok((filter, page))
}
