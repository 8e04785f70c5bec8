//! Reads a URL's query by the same rules as the fields of a body.

use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::header::HeaderValue;
use actix_web::{FromRequest, HttpRequest, web};
use percent_encoding::percent_decode_str;

use crate::domain::ids::Cursor;
use crate::domain::invalid::{Invalid, Parsed};
use crate::domain::page::{LIMIT_DEFAULT, LIMIT_MAX, ListTag, Page, PageRequest, PageStart};
use crate::http::context::RequestContext;
use crate::http::error::ApiError;
use crate::http::fields::{Field, Fields};
use crate::http::operator_auth::MERCHANT_ID;
use crate::http::parts_hash::PartsHash;
use crate::http::request_spec::{FieldGroups, FieldSpec, Kind, RequestSpec};
use crate::http::route::RouteFacts;
use crate::http::state::AppState;
use crate::http::walks::{ListHash, Walks};

/// The names and values of a query, not yet parsed.
#[derive(Debug)]
pub(crate) struct Query {
    fields: Vec<(String, String)>,
    /// The description of the fields, or `None` if there is none.
    specs: Option<FieldGroups>,
    walk: ListWalk,
    list: ListTag,
}

/// The memory of the walk that a request for a list may be part of.
#[derive(Clone, Debug)]
pub(crate) struct ListWalk {
    walks: Arc<Walks>,
    list: ListHash,
}

impl Query {
    /// Returns the query's fields.
    pub(crate) fn fields(&self) -> Result<Fields<'_>, Invalid> {
        let fields = Fields::from_form(&self.fields)?;
        Ok(fields.described_by(self.specs).of_list(self.list))
    }

    /// Returns the walk of the list that the query asks for.
    pub(crate) fn walk(&self) -> ListWalk {
        self.walk.clone()
    }

    fn read(request: &HttpRequest) -> Result<Self, ApiError> {
        let fields = pairs_of(request)?;
        let state = AppState::of(request)?;
        let walk = ListWalk {
            walks: Arc::clone(&state.walks),
            list: list_hash(request, &fields)?,
        };
        let specs = RouteFacts::of(request).map(|facts| facts.request.query);
        let list = tag_of(request.path());
        Ok(Self {
            fields,
            specs,
            walk,
            list,
        })
    }
}

impl FromRequest for Query {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(Self::read(request))
    }
}

impl ListWalk {
    /// Returns the request without the rows that are newer than the walk.
    pub(crate) fn bounded(&self, request: PageRequest) -> PageRequest {
        self.walks.bounded(&self.list, request)
    }

    /// Notes a page that was read.
    pub(crate) fn note<T>(&self, page: &Page<T>) {
        self.walks.note(self.list, page);
    }
}

/// Returns the names and values in the query of a request.
pub(super) fn pairs_of(request: &HttpRequest) -> Result<Vec<(String, String)>, Invalid> {
    let pairs = web::Query::<Vec<(String, String)>>::from_query(request.query_string());
    pairs
        .map(web::Query::into_inner)
        .map_err(|_| Invalid::wrong("the query", "name=value pairs", request.query_string()))
}

/// Returns the hash of all that makes a list: key, customer, merchant, path and filters. After a reset
/// a key has another merchant.
fn list_hash(request: &HttpRequest, fields: &[(String, String)]) -> Result<ListHash, ApiError> {
    let context = RequestContext::of(request)?;
    let mut hash = PartsHash::default();
    hash.add(context.key_hash.get().map_or(&[][..], |key| &key[..]));
    hash.add(context.customer.get().map_or(&[][..], |id| id.as_bytes()));
    let named = request.headers().get(MERCHANT_ID);
    hash.add(named.map_or(&[][..], HeaderValue::as_bytes));
    let merchant = context.merchant.get().map(|merchant| merchant.0.to_be_bytes());
    hash.add(merchant.as_ref().map_or(&[][..], |merchant| &merchant[..]));
    hash.add(&decoded(request.path()));
    let mut filters: Vec<_> = fields.iter().filter(|(name, _)| name != "page").collect();
    filters.sort();
    for (name, value) in filters {
        hash.add(name.as_bytes());
        hash.add(value.as_bytes());
    }
    Ok(hash.finish())
}

/// Returns a path without the encoding of its characters, which does not change what it names.
fn decoded(path: &str) -> Vec<u8> {
    percent_decode_str(path).collect()
}

/// Returns the tag of the list at a path. Filters do not count: a cursor of the list with one
/// filter has its place in the list with another.
fn tag_of(path: &str) -> ListTag {
    let mut hash = PartsHash::default();
    hash.add(&decoded(path));
    let [a, b, c, d, ..] = hash.finish();
    ListTag::new(u32::from_be_bytes([a, b, c, d]))
}

/// The fields that [`page_of`] reads.
pub(crate) const PAGE_START: [FieldSpec; 2] = [
    FieldSpec::optional("page", Kind::Integer(1, i64::MAX)),
    FieldSpec::optional("cursor", Kind::ObjectId).about("The nextCursor of a page, in the place of page"),
];
/// The fields that [`page`] reads.
pub(crate) const PAGE: [FieldSpec; 3] = [
    PAGE_START[0],
    FieldSpec::optional("limit", Kind::Integer(1, LIMIT_MAX as i64)).about("The rows of a page"),
    PAGE_START[1],
];
/// A request for a page of a list without filters.
pub(crate) const PAGE_ALONE: RequestSpec = RequestSpec::of_query(&[&PAGE]);

/// Parses `page` or `cursor`, and `limit`. A limit above [`LIMIT_MAX`] is an error.
pub(crate) fn page(fields: &Fields<'_>) -> Parsed<PageRequest> {
    let limit = fields.field("limit");
    let rows = limit.optional(Field::clamped_integer)?.map(u32::try_from);
    let page = page_of(fields, LIMIT_DEFAULT)?;
    match rows {
        None => Ok(page),
        Some(Ok(limit @ 1..=LIMIT_MAX)) => Ok(PageRequest { limit, ..page }),
        Some(_) => Err(limit.must_be(format!("a whole number from 1 to {LIMIT_MAX}"))),
    }
}

/// Parses `page`, which is 1 if the query leaves it out, or `cursor` in its place, of a list with
/// so many rows on a page. A page beyond the last is empty, and one number beyond is as good as
/// another.
pub(crate) fn page_of(fields: &Fields<'_>, limit: u32) -> Parsed<PageRequest> {
    let (page, cursor) = (fields.field("page"), fields.field("cursor"));
    let number = match page.optional(Field::clamped_integer)? {
        None => 1,
        Some(number @ 1..) => u32::try_from(number).unwrap_or(u32::MAX),
        Some(_) => return Err(page.must_be("a whole number of 1 or more")),
    };
    let list = fields.list();
    let start = match cursor.optional(|field| {
        let expected = "the nextCursor of a page: 24 lower-case hex characters";
        field.parsed(expected, Cursor::parse)
    })? {
        Some(_) if !page.is_absent() => return Err(page.must_be("left out where cursor is sent")),
        Some(place) if !list.takes(place) => {
            return Err(cursor.must_be("the nextCursor of a page of this list, not of another one"));
        }
        Some(place) => PageStart::Behind(place),
        None => PageStart::Number(number),
    };
    Ok(PageRequest { limit, start, list })
}
