//! The JSON schemas of the fields that a request carries, from their description.

use serde_json::{Map, Number, Value, json};

use crate::domain::money::Amount;
use crate::domain::sandbox::span::Span;
use crate::http::request_spec::{FieldGroups, FieldSpec, Kind, Need, Rules, all};

/// The form in which a value is sent. JSON has a null, and a form and a query have texts only.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum SentAs {
    Json,
    Form,
    Query,
}

/// Returns the schema of an object with these fields.
pub(super) fn object(fields: FieldGroups, is_closed: bool, sent_as: SentAs, rules: &Rules<'_>) -> Value {
    let fields: Vec<&FieldSpec> = all(fields)
        .filter(|field| sent_as == SentAs::Form || !matches!(field.kind, Kind::Files(_)))
        .collect();
    let properties: Map<String, Value> = fields
        .iter()
        .map(|spec| (spec.name.to_owned(), field(spec, sent_as, rules)))
        .collect();
    let required: Vec<&str> = fields
        .iter()
        .filter(|spec| is_required(spec, rules))
        .map(|spec| spec.name)
        .collect();
    let mut schema = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    if is_closed {
        schema["additionalProperties"] = json!(false);
    }
    schema
}

/// Returns true if a request without the field is refused.
pub(super) const fn is_required(spec: &FieldSpec, rules: &Rules<'_>) -> bool {
    match spec.need {
        Need::Always | Need::AlwaysOrNull => true,
        Need::Strict => rules.variant.is_strict,
        Need::Never => false,
    }
}

/// Returns the schema of a field. A JSON field that may be left out may be null too, and one of a
/// form may be an empty text, of whatever kind it is. A parameter of the query says the same by
/// `allowEmptyValue`.
pub(super) fn field(spec: &FieldSpec, sent_as: SentAs, rules: &Rules<'_>) -> Value {
    let mut schema = of_kind(&spec.kind, sent_as, rules);
    let may_be_left_out = !is_required(spec, rules);
    match sent_as {
        SentAs::Form if may_be_left_out => schema = or_empty(&schema),
        SentAs::Json if may_be_left_out || spec.need == Need::AlwaysOrNull => schema = nullable(schema),
        SentAs::Json | SentAs::Form | SentAs::Query => {}
    }
    if !spec.about.is_empty() {
        schema["description"] = json!(spec.about);
    }
    schema
}

fn or_empty(schema: &Value) -> Value {
    json!({ "anyOf": [schema, { "type": "string", "maxLength": 0 }] })
}

fn nullable(mut schema: Value) -> Value {
    if schema.get("anyOf").is_some() {
        if let Some(choices) = schema["anyOf"].as_array_mut() {
            choices.push(json!({ "type": "null" }));
        }
        return schema;
    }
    if let Some(words) = schema.get_mut("enum").and_then(Value::as_array_mut) {
        words.push(Value::Null);
    }
    schema["type"] = json!([schema["type"], "null"]);
    schema
}

fn of_kind(kind: &Kind, sent_as: SentAs, rules: &Rules<'_>) -> Value {
    let text = |chars_max: usize| json!({ "type": "string", "minLength": 1, "maxLength": chars_max });
    let pattern = |pattern: &str| json!({ "type": "string", "pattern": pattern });
    let formatted = |format: &str| json!({ "type": "string", "format": format });
    match *kind {
        Kind::Text => json!({ "type": "string", "minLength": 1 }),
        Kind::TextUpTo(chars_max) => text(chars_max),
        Kind::Line => text(rules.terms.purpose_chars_max),
        Kind::Prose => text(rules.terms.description_chars_max),
        Kind::Pattern(form) => pattern(form),
        Kind::Words(words) => json!({ "type": "string", "enum": words() }),
        Kind::SeveralWords(words) => json!({
            "type": "array",
            "items": { "type": "string", "enum": words() },
            "minItems": 1,
        }),
        Kind::Amount(minor) => amount(minor, Amount::MAX.minor()),
        Kind::AmountFromTo(least, most) => amount(least, most),
        Kind::SumOfMilestones if !rules.variant.is_strict => whole_amount(rules.terms.amount_min.minor()),
        Kind::OfferAmount | Kind::SumOfMilestones => amount(rules.terms.amount_min.minor(), Amount::MAX.minor()),
        Kind::MilestoneAmount if rules.variant.is_strict => amount(100, Amount::MAX.minor()),
        Kind::MilestoneAmount => whole_amount(100),
        Kind::SignedAmount => pattern(r"^-?[0-9]+(\.[0-9]{1,2})?$"),
        Kind::Integer(min, max) => {
            let mut schema = json!({ "type": "integer" });
            if min > i64::MIN {
                schema["minimum"] = json!(min);
            }
            if max < i64::MAX {
                schema["maximum"] = json!(max);
            }
            schema
        }
        Kind::LenientInteger => json!({ "type": ["integer", "string"] }),
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Date => formatted("date"),
        Kind::Moment => formatted("date-time"),
        Kind::Span => json!({ "anyOf": [
            { "type": "string", "minLength": 1, "description": "Such as 90s, 36h or 1d12h" },
            { "type": "integer", "minimum": 1, "maximum": Span::MAX.seconds(), "description": "Seconds" },
        ] }),
        Kind::CustomerId => pattern(CUSTOMER_ID),
        Kind::ObjectId => pattern("^[0-9a-f]{24}$"),
        Kind::Email => formatted("email"),
        Kind::Country => {
            json!({ "type": "string", "description": "The two letters of a country, such as NG, or its id" })
        }
        Kind::Reference => pattern("^[ -~]{1,64}$"),
        // Browsers and this service read more texts as a URL than the format `uri` allows.
        Kind::Url => json!({ "type": "string", "minLength": 1, "description": "An http or https URL" }),
        Kind::Currency => json!({ "type": "string", "enum": [rules.currency] }),
        Kind::Object { fields, is_closed } => object(fields, is_closed, sent_as, rules),
        Kind::List(entry, max) => list(&of_kind(entry, sent_as, rules), max.by(rules)),
        Kind::ListOfAtLeast(min, entry, max) => at_least(min, list(&of_kind(entry, sent_as, rules), max.by(rules))),
        Kind::OneOrList(entry, max) => {
            let one = of_kind(entry, sent_as, rules);
            let several = at_least(1, list(&one, max.by(rules)));
            json!({ "anyOf": [one, several] })
        }
        Kind::Files(max) => list(&json!({ "type": "string", "format": "binary" }), max.by(rules)),
    }
}

/// The form of a customer's id.
pub(super) const CUSTOMER_ID: &str = "^[!-~]{1,128}$";

fn list(entry: &Value, max: usize) -> Value {
    let mut schema = json!({ "type": "array", "items": entry });
    if max < usize::MAX {
        schema["maxItems"] = json!(max);
    }
    schema
}

fn at_least(min: usize, mut list: Value) -> Value {
    list["minItems"] = json!(min);
    list
}

/// Returns the schema of an amount of at least so many minor units, in whole major units.
fn whole_amount(least: i64) -> Value {
    json!({
        "type": "integer",
        "minimum": (least + 99) / 100,
        "maximum": Amount::MAX.minor() / 100,
        "description": "Whole major units",
    })
}

/// Returns the schema of an amount of this many minor units to that many.
fn amount(least: i64, most: i64) -> Value {
    let number = |minor: i64| -> Number {
        let amount = Amount::from_minor(minor).expect("a bound is an amount");
        amount.to_string().parse().expect("an amount is a number")
    };
    json!({
        "type": "number",
        "minimum": number(least),
        "maximum": number(most),
        "description": "Major units of the currency, with at most two decimals",
    })
}
