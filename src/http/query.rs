//! Reads a URL's query by the same rules as the fields of a body.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};

use crate::domain::page::{LIMIT_DEFAULT, LIMIT_MAX, PageRequest};
use crate::domain::refusal::{Invalid, Parsed};
use crate::http::error::ApiError;
use crate::http::fields::{Field, Fields};

/// The names and values of a query, not yet parsed.
#[derive(Debug)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Returns the query's fields.
    pub(crate) fn fields(&self) -> Result<Fields<'_>, Invalid> {
        Fields::from_form(&self.0)
    }
}

impl FromRequest for Query {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let fields = web::Query::<Vec<(String, String)>>::from_query(request.query_string());
        let query = fields.map(|fields| Self(fields.into_inner()));
        ready(query.map_err(|_| {
            ApiError::Refused(Invalid::wrong("the query", "name=value pairs", request.query_string()).into())
        }))
    }
}

/// The names of the fields that [`page`] reads.
pub(crate) const PAGE_FIELDS: [&str; 2] = ["page", "limit"];

/// Parses `page` and `limit`. A limit above [`LIMIT_MAX`] is an error.
pub(crate) fn page(fields: &Fields<'_>) -> Parsed<PageRequest> {
    let limit = fields.field("limit");
    let rows = limit.optional(Field::integer)?.map(u32::try_from);
    Ok(PageRequest {
        number: page_number(fields)?,
        limit: match rows {
            None => LIMIT_DEFAULT,
            Some(Ok(rows @ 1..=LIMIT_MAX)) => rows,
            Some(_) => return Err(limit.must_be(format!("a whole number from 1 to {LIMIT_MAX}"))),
        },
    })
}

/// Parses `page`, which is 1 if the query leaves it out.
pub(crate) fn page_number(fields: &Fields<'_>) -> Parsed<u32> {
    let page = fields.field("page");
    match page.optional(Field::integer)?.map(u32::try_from) {
        None => Ok(1),
        Some(Ok(number @ 1..)) => Ok(number),
        Some(_) => Err(page.must_be(format!("a whole number from 1 to {}", u32::MAX))),
    }
}
