//! Bodies and queries of a merchant's customers (contract section 4.4).

use crate::domain::customers::customer::CustomerKey;
use crate::domain::customers::customer::PermissionsUpdate;
use crate::domain::customers::profile::{ProfileRequest, ProfileUpdateRequest};
use crate::domain::page::{LIMIT_DEFAULT, PageRequest};
use crate::domain::refusal::{Parsed, Refusal};
use crate::http::body::JsonBody;
use crate::http::fields::{Field, Fields};
use crate::http::query;

/// Most customers on one page.
const CUSTOMERS_PER_PAGE_MAX: u32 = 50;

/// Which customers a merchant wants to see.
#[derive(Debug)]
pub(crate) enum CustomersWanted {
    /// A page of all of them.
    Page(PageRequest),
    /// The one with this.
    One(CustomerKey),
}

/// Contract section 4.4.1.
pub(crate) fn new(body: &JsonBody) -> Parsed<ProfileRequest> {
    let fields = body.fields()?;
    Ok(ProfileRequest {
        firstname: fields.field("firstname").text(),
        lastname: fields.field("lastname").text(),
        email: fields.field("email").email(),
        phone: fields.field("phone").text(),
        country: fields.field("countryId").optional(Field::country),
        bvn: fields.field("bvn").optional(Field::text),
    })
}

/// Contract section 4.4.4.
pub(crate) fn update(body: &JsonBody) -> Parsed<ProfileUpdateRequest> {
    let fields = body.fields()?;
    Ok(ProfileUpdateRequest {
        firstname: fields.field("firstname").optional(Field::text),
        lastname: fields.field("lastname").optional(Field::text),
        email: fields.field("email").optional(Field::email),
    })
}

/// Contract section 4.4.5.
pub(crate) fn permissions(body: &JsonBody) -> Parsed<PermissionsUpdate> {
    let fields = body.fields()?;
    Ok(PermissionsUpdate {
        can_withdraw: fields.field("canWithdraw").optional(Field::boolean)?,
        can_buy: fields.field("canBuy").optional(Field::boolean)?,
        can_sell: fields.field("canSell").optional(Field::boolean)?,
    })
}

/// Contract section 4.4.2: who is looked for by email address or phone is one, and
/// paging has no effect.
pub(crate) fn wanted(fields: &Fields<'_>) -> Result<CustomersWanted, Refusal> {
    let email = fields.field("email").optional(Field::text)?;
    let phone = fields.field("phone").optional(Field::text)?;
    let key = match (email, phone) {
        (Some(email), Some(phone)) => Some(CustomerKey::EmailAndPhone(email, phone)),
        (Some(email), None) => Some(CustomerKey::Email(email)),
        (None, Some(phone)) => Some(CustomerKey::Phone(phone)),
        (None, None) => None,
    };
    if let Some(key) = key {
        return Ok(CustomersWanted::One(key));
    }
    Ok(CustomersWanted::Page(PageRequest {
        limit: limit(&fields.field("limit"))?,
        number: query::page_number(fields)?,
    }))
}

fn limit(field: &Field<'_>) -> Result<u32, Refusal> {
    match field.optional(Field::integer)?.map(u32::try_from) {
        None => Ok(LIMIT_DEFAULT),
        Some(Ok(rows @ 1..=CUSTOMERS_PER_PAGE_MAX)) => Ok(rows),
        Some(Ok(0) | Err(_)) => {
            let expected = format!("a whole number from 1 to {CUSTOMERS_PER_PAGE_MAX}");
            Err(field.must_be(expected).into())
        }
        Some(Ok(_)) => Err(Refusal::TooManyCustomersAsked),
    }
}
