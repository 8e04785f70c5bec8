//! Request fields that several resources have: terms, milestones, references, bank
//! accounts and addresses.

use crate::domain::escrow::terms::{MilestoneRequest, TermsRequest};
use crate::domain::ids::Reference;
use crate::domain::payments::bank::{check_bank_code, is_account_number};
use crate::domain::payments::whitelist::EvmAddress;
use crate::domain::refusal::{Invalid, Parsed};
use crate::http::fields::{Field, Fields};

pub(super) fn terms(fields: &Fields<'_>) -> TermsRequest {
    TermsRequest {
        amount: fields.field("amount").amount(),
        purpose: fields.field("purpose").text(),
        description: fields.field("description").optional(Field::text),
        who_pays: fields.field("whoPays").word(),
        max_delivery: fields.field("maxDelivery").optional(Field::integer),
        delivery_timeline: fields.field("deliveryTimeline").optional(Field::word),
        total_quantity: fields.field("totalQuantity").optional(Field::integer),
        category: fields.field("categoryId").optional(Field::category_id),
    }
}

/// Of a standard escrow the delivery window is required.
pub(super) fn standard_terms(fields: &Fields<'_>) -> TermsRequest {
    TermsRequest {
        max_delivery: fields.field("maxDelivery").integer().map(Some),
        delivery_timeline: fields.field("deliveryTimeline").word().map(Some),
        ..terms(fields)
    }
}

pub(super) fn milestone(milestone: &Field<'_>) -> Parsed<MilestoneRequest> {
    let fields = milestone.object()?;
    Ok(MilestoneRequest {
        title: fields.field("title").text(),
        description: fields.field("description").optional(Field::text),
        amount: fields.field("amount").amount(),
        due_date: fields.field("dueDate").optional(Field::date),
        beneficiary: fields.field("customerId").optional(Field::customer_id),
    })
}

/// The name of a payment; with `strict` it is required.
pub(super) fn reference(fields: &Fields<'_>, strict: bool) -> Parsed<Option<Reference>> {
    let reference = fields.field("reference");
    if strict {
        reference.reference().map(Some)
    } else {
        reference.optional(Field::reference)
    }
}

/// There is one currency, which may be left out.
pub(super) fn check_currency(fields: &Fields<'_>, currency: &str) -> Parsed<()> {
    fields.field("currency").optional(|field| field.one_of(&[currency]))?;
    Ok(())
}

/// Characters of a name, a narration or a phone number.
const TEXT_CHARS_MAX: usize = 255;

pub(super) fn account_number(field: &Field<'_>) -> Parsed<String> {
    let number = field.text()?;
    if is_account_number(&number) {
        Ok(number)
    } else {
        Err(field.must_be("10 digits"))
    }
}

pub(super) fn bank_code(field: &Field<'_>, name: &str) -> Parsed<String> {
    let code = field.text()?;
    check_bank_code(name, &code)?;
    Ok(code)
}

pub(super) fn evm_address(field: &Field<'_>) -> Parsed<EvmAddress> {
    EvmAddress::parse(&field.text()?).ok_or_else(|| field.must_be(EvmAddress::SHAPE))
}

pub(super) fn short_text(field: &Field<'_>) -> Parsed<String> {
    text_up_to(field, TEXT_CHARS_MAX)
}

pub(super) fn text_up_to(field: &Field<'_>, chars_max: usize) -> Result<String, Invalid> {
    let text = field.text()?;
    if text.trim().is_empty() || text.chars().count() > chars_max {
        return Err(field.must_be(format!("a text of 1 to {chars_max} characters")));
    }
    Ok(text)
}
