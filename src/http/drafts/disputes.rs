//! Disputes, rulings and feeds.

use super::super::body::JsonOrFormBody;
use super::super::fields::{Field, Fields};
use super::super::query::{self, Query};
use crate::commands::disputes::ResolutionDraft;
use crate::domain::dispute::{RulingDraft, Verdict};
use crate::domain::escrow::Status;
use crate::domain::feed::DealFilter;
use crate::domain::ids::{CustomerId, PaymentToken};
use crate::domain::page::{LIMIT_DEFAULT, PageRequest};
use crate::domain::refusal::{Refusal, Sent};

/// Contract section 4.6.2.
pub(in super::super) fn message(body: &JsonOrFormBody) -> Sent<String> {
    body.fields()?.field("message").text()
}

/// Contract section 4.6.7.
pub(in super::super) fn resolution(body: &JsonOrFormBody) -> Sent<ResolutionDraft> {
    let fields = body.fields()?;
    let additional_fee_refundable = fields.field("additionalFeeRefundable").optional(Field::boolean);
    Ok(ResolutionDraft {
        resolution: fields.field("resolution").text(),
        ruling: RulingDraft {
            verdict: fields.field("status").word(&Verdict::WORDS),
            seller_amount: fields.field("sellerAmount").optional(Field::amount),
            buyer_amount: fields.field("buyerAmount").optional(Field::amount),
            additional_fee_refundable: additional_fee_refundable.map_err(|_| Refusal::AdditionalFeeRefundableUnclear),
        },
    })
}

/// Contract section 4.6.3: the disputes of a customer, a page of the usual length.
pub(in super::super) fn disputes_of(customer: &CustomerId, query: &Query) -> Sent<(DealFilter, PageRequest)> {
    let fields = query.fields()?;
    let page = PageRequest {
        number: query::page_number(&fields)?,
        limit: LIMIT_DEFAULT,
    };
    let filter = DealFilter {
        is_disputed: true,
        customer: Some(customer.clone()),
        token: token(&fields, "paymentToken")?,
        ..made(&fields)?
    };
    Ok((filter, page))
}

/// Contract section 4.6.5: `paymentId` holds a payment token.
pub(in super::super) fn all_disputes(query: &Query) -> Sent<(DealFilter, PageRequest)> {
    let fields = query.fields()?;
    let page = query::page(&fields)?;
    let filter = DealFilter {
        is_disputed: true,
        token: token(&fields, "paymentId")?,
        ..made(&fields)?
    };
    Ok((filter, page))
}

/// Contract section 4.6.6.
pub(in super::super) fn feed(query: &Query) -> Sent<(DealFilter, PageRequest)> {
    let fields = query.fields()?;
    let page = query::page(&fields)?;
    let status = fields.field("status").optional(|field| field.word(&Status::WORDS))?;
    let customer = fields.field("customerId").optional(Field::customer_id)?;
    let category = fields.field("categoryId").optional(Field::category_id)?;
    let filter = DealFilter {
        customer,
        status,
        category,
        ..made(&fields)?
    };
    let token = token(&fields, "paymentToken")?;
    Ok((DealFilter { token, ..filter }, page))
}

/// The days between which a deal was made.
fn made(fields: &Fields<'_>) -> Sent<DealFilter> {
    Ok(DealFilter {
        from: fields.field("fromDate").optional(Field::date)?,
        to: fields.field("toDate").optional(Field::date)?,
        ..DealFilter::default()
    })
}

fn token(fields: &Fields<'_>, name: &str) -> Sent<Option<PaymentToken>> {
    let token = fields.field(name).optional(Field::text)?;
    Ok(token.as_deref().map(PaymentToken::named))
}
