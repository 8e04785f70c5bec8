//! Bodies as commands want them. Fields are read in the order the contract lists
//! them, and the first that is not right is the one that is told of.

pub(super) mod categories;
pub(super) mod clocks;
pub(super) mod customers;
pub(super) mod disputes;
pub(super) mod events;
pub(super) mod faults;
pub(super) mod payments;
pub(super) mod seeds;
pub(super) mod standard_escrows;
pub(super) mod vaults;

use crate::commands::milestone_escrows::MilestoneEscrowRequest;
use crate::commands::payments::{Gateway, PaymentRequest};
use crate::domain::escrow::terms::{MilestoneRequest, TermsRequest};
use crate::domain::ids::{CardId, EscrowId, EscrowKey, PaymentToken, Reference};
use crate::domain::money::Amount;
use crate::domain::refusal::{Invalid, Parsed};
use crate::http::body::{JsonBody, JsonOrFormBody};
use crate::http::fields::{Field, Fields};
use crate::http::state::AppState;

/// Contract section 4.1.1.
pub(super) fn milestone_escrow(body: &JsonBody) -> Parsed<MilestoneEscrowRequest> {
    let fields = body.fields()?;
    let milestones = fields.field("milestones").list();
    Ok(MilestoneEscrowRequest {
        terms: terms(&fields),
        milestones: milestones.map(|milestones| milestones.iter().map(milestone).collect()),
    })
}

/// Contract section 4.2.1.
pub(super) fn standard_escrow(body: &JsonOrFormBody) -> Parsed<TermsRequest> {
    Ok(standard_terms(&body.fields()?))
}

/// Contract section 4.3.1 and design section 5: with `strict`, `amount` and
/// `reference` are required, and `gateway` is a card when it is left out.
pub(super) fn payment(body: &JsonBody, api: &AppState) -> Parsed<PaymentRequest> {
    let fields = body.fields()?;
    let strict = api.policy.strict;
    let amount = fields.field("amount");
    let offered = if strict {
        Some(amount.amount()?)
    } else {
        amount.optional(Field::amount)?
    };
    let smallest = api.policy.terms_limits.amount_min;
    if strict && offered.is_some_and(|offered| offered < smallest) {
        return Err(amount.must_be(format!("a number of {smallest} or more")));
    }
    let reference = reference(&fields, strict)?;
    fields
        .field("transactionType")
        .optional(|field| field.one_of_any_case(&["escrow"]))?;
    let gateway = fields
        .field("gateway")
        .optional(|field| field.one_of_any_case(&["wallet", "card"]))?;
    let gateway = if gateway.map_or(strict, |gateway| gateway == "card") {
        Gateway::Card(CardId::named(&fields.field("cardId").text()?))
    } else {
        Gateway::Wallet
    };
    check_currency(&fields, &api.policy.currency)?;
    let escrows = escrows_to_pay(
        &fields.field("escrowDetails").object()?,
        api.limits.escrows_per_payment_max,
    )?;
    Ok(PaymentRequest {
        escrows,
        amount: offered,
        reference,
        gateway,
    })
}

/// The name of a payment; with `strict` it is required.
fn reference(fields: &Fields<'_>, strict: bool) -> Parsed<Option<Reference>> {
    let reference = fields.field("reference");
    if strict {
        reference.reference().map(Some)
    } else {
        reference.optional(Field::reference)
    }
}

/// There is one currency, which may be left out.
fn check_currency(fields: &Fields<'_>, currency: &str) -> Parsed<()> {
    fields.field("currency").optional(|field| field.one_of(&[currency]))?;
    Ok(())
}

/// Contract section 4.3.9.
pub(super) fn top_up(body: &JsonBody) -> Parsed<Amount> {
    body.fields()?.field("amount").amount()
}

fn terms(fields: &Fields<'_>) -> TermsRequest {
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
fn standard_terms(fields: &Fields<'_>) -> TermsRequest {
    TermsRequest {
        max_delivery: fields.field("maxDelivery").integer().map(Some),
        delivery_timeline: fields.field("deliveryTimeline").word().map(Some),
        ..terms(fields)
    }
}

fn milestone(milestone: &Field<'_>) -> Parsed<MilestoneRequest> {
    let fields = milestone.object()?;
    Ok(MilestoneRequest {
        title: fields.field("title").text(),
        description: fields.field("description").optional(Field::text),
        amount: fields.field("amount").amount(),
        due_date: fields.field("dueDate").optional(Field::date),
        beneficiary: fields.field("customerId").optional(Field::customer_id),
    })
}

/// One escrow or several by id, or one by payment token.
fn escrows_to_pay(details: &Fields<'_>, escrows_max: usize) -> Parsed<Vec<EscrowKey>> {
    let (ids, token) = (details.field("escrowId"), details.field("paymentToken"));
    if ids.is_absent() && !token.is_absent() {
        return Ok(vec![EscrowKey::Token(PaymentToken::named(&token.text()?))]);
    }
    if !token.is_absent() {
        return Err(token.must_be("left out where escrowId is sent"));
    }
    if !ids.is_list() {
        return Ok(vec![escrow_by_id(&ids)?]);
    }
    let list = ids.list()?;
    if list.is_empty() || list.len() > escrows_max {
        return Err(ids.must_be(format!("an escrow id or a list of 1 to {escrows_max} of them")));
    }
    list.iter().map(escrow_by_id).collect()
}

fn escrow_by_id(field: &Field<'_>) -> Result<EscrowKey, Invalid> {
    Ok(EscrowKey::Id(EscrowId::named(&field.text()?)))
}
