//! Disputes, rulings and feeds.

use crate::commands::disputes::ResolutionRequest;
use crate::domain::escrow::dispute::RulingRequest;
use crate::domain::escrow::merchant_escrows::MerchantEscrowFilter;
use crate::domain::ids::{CustomerId, PaymentToken};
use crate::domain::page::{LIMIT_DEFAULT, PageRequest};
use crate::domain::refusal::{Parsed, Refusal};
use crate::http::body::JsonOrFormBody;
use crate::http::fields::{Field, Fields};
use crate::http::query::{self, Query};

/// Contract section 4.6.2.
pub(in crate::http) fn message(body: &JsonOrFormBody) -> Parsed<String> {
    body.fields()?.field("message").text()
}

/// Contract section 4.6.7.
pub(in crate::http) fn resolution(body: &JsonOrFormBody) -> Parsed<ResolutionRequest> {
    let fields = body.fields()?;
    let additional_fee_refundable = fields.field("additionalFeeRefundable").optional(Field::boolean);
    Ok(ResolutionRequest {
        resolution: fields.field("resolution").text(),
        ruling: RulingRequest {
            verdict: fields.field("status").word(),
            seller_amount: fields.field("sellerAmount").optional(Field::amount),
            buyer_amount: fields.field("buyerAmount").optional(Field::amount),
            additional_fee_refundable: additional_fee_refundable.map_err(|_| Refusal::AdditionalFeeRefundableUnclear),
        },
    })
}

/// Contract section 4.6.3: the disputes of a customer, a page of the usual length.
pub(in crate::http) fn disputes_of(
    customer: &CustomerId,
    query: &Query,
) -> Parsed<(MerchantEscrowFilter, PageRequest)> {
    let fields = query.fields()?;
    let page = PageRequest {
        number: query::page_number(&fields)?,
        limit: LIMIT_DEFAULT,
    };
    let filter = MerchantEscrowFilter {
        is_disputed: true,
        customer: Some(customer.clone()),
        token: token(&fields, "paymentToken")?,
        ..made(&fields)?
    };
    Ok((filter, page))
}

/// Contract section 4.6.5: `paymentId` holds a payment token.
pub(in crate::http) fn all_disputes(query: &Query) -> Parsed<(MerchantEscrowFilter, PageRequest)> {
    let fields = query.fields()?;
    let page = query::page(&fields)?;
    let filter = MerchantEscrowFilter {
        is_disputed: true,
        token: token(&fields, "paymentId")?,
        ..made(&fields)?
    };
    Ok((filter, page))
}

/// Contract section 4.6.6.
pub(in crate::http) fn feed(query: &Query) -> Parsed<(MerchantEscrowFilter, PageRequest)> {
    let fields = query.fields()?;
    let page = query::page(&fields)?;
    let status = fields.field("status").optional(Field::word)?;
    let customer = fields.field("customerId").optional(Field::customer_id)?;
    let category = fields.field("categoryId").optional(Field::category_id)?;
    let filter = MerchantEscrowFilter {
        customer,
        status,
        category,
        ..made(&fields)?
    };
    let token = token(&fields, "paymentToken")?;
    Ok((MerchantEscrowFilter { token, ..filter }, page))
}

/// The days between which a deal was made.
fn made(fields: &Fields<'_>) -> Parsed<MerchantEscrowFilter> {
    Ok(MerchantEscrowFilter {
        from: fields.field("fromDate").optional(Field::date)?,
        to: fields.field("toDate").optional(Field::date)?,
        ..MerchantEscrowFilter::default()
    })
}

fn token(fields: &Fields<'_>, name: &str) -> Parsed<Option<PaymentToken>> {
    let token = fields.field(name).optional(Field::text)?;
    Ok(token.as_deref().map(PaymentToken::named))
}
