//! Examples of requests, which the parser of their route accepts: each field that must be sent,
//! and those whose description has an example.

use serde_json::{Map, Value, json};

use crate::http::openapi::schema::is_required;
use crate::http::request_spec::{FieldGroups, FieldSpec, Kind, Rules, all};

/// Returns an object with these fields.
pub(super) fn object(fields: FieldGroups, rules: &Rules<'_>) -> Value {
    let sent = all(fields).filter(|spec| is_required(spec, rules) || !spec.example.is_empty());
    let fields: Map<String, Value> = sent.map(|spec| (spec.name.to_owned(), field(spec, rules))).collect();
    Value::Object(fields)
}

/// Returns a value of a field.
pub(super) fn field(spec: &FieldSpec, rules: &Rules<'_>) -> Value {
    if spec.example.is_empty() {
        return of_kind(&spec.kind, rules);
    }
    serde_json::from_str(spec.example).expect("an example is JSON")
}

fn of_kind(kind: &Kind, rules: &Rules<'_>) -> Value {
    match *kind {
        Kind::Text | Kind::TextUpTo(_) | Kind::Pattern(_) => json!("text"),
        Kind::Line => json!("Website for a bakery"),
        Kind::Prose => json!("Nothing has come yet"),
        Kind::Words(words) => json!(words().first()),
        Kind::SeveralWords(words) => json!([words().first()]),
        Kind::Amount(minor) => json!((minor / 100).max(1_000)),
        Kind::AmountFromTo(least, _) => json!((least / 100).max(1)),
        Kind::OfferAmount | Kind::SumOfMilestones => json!(10_000),
        Kind::MilestoneAmount => json!(5_000),
        Kind::SignedAmount => json!("-20"),
        Kind::Integer(min, _) => json!(min.max(1)),
        Kind::LenientInteger => json!(1),
        Kind::Boolean => json!(true),
        Kind::Date => json!("2030-12-31"),
        Kind::Moment => json!("2026-01-01T00:00:00Z"),
        Kind::Span => json!("1d"),
        Kind::CustomerId => json!("ada"),
        Kind::ObjectId => json!("000000000000000000000001"),
        Kind::Email => json!("ada@shop.example"),
        Kind::Country => json!("NG"),
        Kind::Reference => json!("order-1"),
        Kind::Url => json!("https://shop.example/hook"),
        Kind::Currency => json!(rules.currency),
        Kind::Object { fields, .. } => object(fields, rules),
        Kind::List(entry, _) => json!([of_kind(entry, rules)]),
        Kind::ListOfAtLeast(min, entry, _) => json!(vec![of_kind(entry, rules); min]),
        Kind::OneOrList(entry, _) => of_kind(entry, rules),
        Kind::Files(_) => Value::Null,
    }
}
