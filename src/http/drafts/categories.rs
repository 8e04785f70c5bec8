//! Bodies of categories (contract section 4.9).

use crate::domain::escrow::category::CategoryRequest;
use crate::domain::refusal::Parsed;
use crate::http::body::{JsonBody, JsonOrFormBody};
use crate::http::fields::Field;

/// A new category, or what is changed in one, without its picture.
pub(in crate::http) fn category(body: &JsonOrFormBody) -> Parsed<CategoryRequest> {
    let fields = body.fields()?;
    Ok(CategoryRequest {
        name: fields.field("name").optional(Field::text),
        description: fields.field("description").optional(Field::text),
        image: Ok(None),
        position: fields.field("category_position").optional(Field::integer),
    })
}

/// Where a category goes.
pub(in crate::http) fn position(body: &JsonBody) -> Parsed<i64> {
    body.fields()?.field("newPosition").integer()
}
