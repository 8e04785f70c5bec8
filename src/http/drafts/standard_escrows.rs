//! Bodies and queries of the routes of standard escrows (contract section 4.2).

use super::standard_terms;
use crate::commands::milestone_escrows::ConversionDraft;
use crate::commands::standard_escrows::{AdditionalFeeDraft, EditDraft};
use crate::domain::escrow::Status;
use crate::domain::listing::{EscrowFilter, Side};
use crate::domain::page::PageRequest;
use crate::domain::party::Party;
use crate::domain::refusal::{Refusal, Sent};
use crate::domain::terms::KeptTerms;
use crate::http::body::{JsonBody, JsonOrFormBody};
use crate::http::fields::Field;
use crate::http::query::{self, Query};

/// Contract section 4.2.2: what is required on create is required here too; the rest
/// stays as it was when it does not come at all, and goes when it comes empty.
pub(in crate::http) fn edit(body: &JsonOrFormBody) -> Sent<EditDraft> {
    let fields = body.fields()?;
    Ok(EditDraft {
        terms: standard_terms(&fields),
        keeps: KeptTerms {
            description: !fields.has("description"),
            total_quantity: fields.field("totalQuantity").is_absent(),
            category: !fields.has("categoryId"),
        },
    })
}

/// Contract section 4.1.3.
pub(in crate::http) fn conversion(body: &JsonBody) -> Sent<ConversionDraft> {
    let fields = body.fields()?;
    let milestones = fields.field("milestones").list();
    Ok(ConversionDraft {
        amount: fields.field("amount").optional(Field::amount),
        milestones: milestones.map(|milestones| milestones.iter().map(super::milestone).collect()),
    })
}

/// Contract section 4.2.3.
pub(in crate::http) fn additional_fee(body: &JsonBody) -> Result<AdditionalFeeDraft, Refusal> {
    let fields = body.fields()?;
    let amount = fields.field("additionalFee");
    if amount.is_negative() {
        return Err(Refusal::AdditionalFeeNegative);
    }
    Ok(AdditionalFeeDraft {
        amount: amount.amount()?,
        is_refundable: fields.field("additionalFeeRefundable").optional(Field::boolean)?,
    })
}

/// Contract section 4.2.7: a party's escrows, and which page of them.
pub(in crate::http) fn list(party: &Party, query: &Query) -> Result<(EscrowFilter, PageRequest), Refusal> {
    let fields = query.fields()?;
    let side = fields.field("type");
    if side.is_absent() {
        return Err(Refusal::ListTypeMissing);
    }
    let side = side.word(&Side::WORDS).map_err(|_| Refusal::ListTypeUnknown)?;
    let page = query::page(&fields)?;
    let filter = EscrowFilter {
        party: party.clone(),
        side,
        category: fields.field("categoryId").optional(Field::category_id)?,
        status: fields.field("status").optional(|field| field.word(&Status::WORDS))?,
    };
    Ok((filter, page))
}
