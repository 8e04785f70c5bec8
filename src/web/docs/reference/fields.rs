//! A JSON schema as rows of a table: a row for each field, with the fields of its objects below
//! it.

use serde_json::Value;

/// A field.
#[derive(Debug)]
pub(super) struct Row {
    /// The name with the objects around it, such as `milestones[].amount`.
    pub(super) name: String,
    /// The kind with its bounds, in words.
    pub(super) kind: String,
    pub(super) is_required: bool,
    pub(super) about: String,
}

/// The depth of objects below which the fields are not listed, since views refer to each other.
const DEPTH_MAX: usize = 5;

/// Returns the rows of an object's schema.
pub(super) fn rows(document: &Value, schema: &Value) -> Vec<Row> {
    let mut found = Vec::new();
    add(&mut found, "", document, schema, 0);
    found
}

/// Returns the row of one value, without those below it.
pub(super) fn row(name: String, schema: &Value) -> Row {
    let about = &schema["description"];
    Row {
        kind: kind(schema),
        is_required: true,
        about: about.as_str().unwrap_or_default().replace('\n', " "),
        name,
    }
}

fn add(found: &mut Vec<Row>, path: &str, document: &Value, schema: &Value, depth: usize) {
    let schema = resolved(document, schema);
    if depth > DEPTH_MAX {
        return;
    }
    let required = schema["required"].as_array();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let name = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        let last = name.rsplit('.').next().unwrap_or_default();
        let is_required = required.is_some_and(|names| names.iter().any(|known| known == last));
        found.push(Row {
            is_required,
            ..row(name.clone(), field)
        });
        let (field, mark) = inner(document, field);
        add(found, &format!("{name}{mark}"), document, field, depth + 1);
    }
    for part in ["anyOf", "allOf", "oneOf"] {
        for choice in schema[part].as_array().into_iter().flatten() {
            add(found, path, document, choice, depth + 1);
        }
    }
}

/// Returns the schema whose fields stand below a field, and what marks a list.
fn inner<'d>(document: &'d Value, schema: &'d Value) -> (&'d Value, &'static str) {
    let schema = resolved(document, schema);
    match schema.get("items") {
        Some(items) => (items, "[]"),
        None => (schema, ""),
    }
}

/// Follows a reference to the schema that it names. A choice between a schema and null is that
/// schema.
fn resolved<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
    if let Some(reference) = schema["$ref"].as_str() {
        let found = reference.strip_prefix('#').and_then(|place| document.pointer(place));
        return found.unwrap_or(schema);
    }
    let choices = schema["anyOf"].as_array();
    let not_null = choices.into_iter().flatten().filter(|choice| choice["type"] != "null");
    match not_null.collect::<Vec<_>>().as_slice() {
        [only] => resolved(document, only),
        _ => schema,
    }
}

/// Says in words what a value is.
fn kind(schema: &Value) -> String {
    let named = |schema: &Value| {
        let reference = schema["$ref"].as_str()?;
        Some(reference.rsplit('/').next()?.to_owned())
    };
    if let Some(name) = named(schema) {
        return format!("object ({name})");
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        let kinds: Vec<String> = choices.iter().map(kind).collect();
        return kinds.join(" or ");
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one.as_str()],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let mut words = match schema["enum"].as_array() {
        Some(choices) => choices.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        None if types.is_empty() => "any value".to_owned(),
        None => types.join(" or ").replace("array", "list"),
    };
    if let Some(items) = schema.get("items") {
        words.push_str(&[" of ", &kind(items)].concat());
    }
    let bounds = [
        ("const", "always"),
        ("format", "format"),
        ("minimum", "at least"),
        ("maximum", "at most"),
        ("maxLength", "characters at most"),
        ("maxItems", "entries at most"),
        ("pattern", "pattern"),
    ];
    for (bound, word) in bounds {
        match &schema[bound] {
            Value::Null => {}
            Value::String(text) => {
                words.push_str(&[", ", word, " ", text].concat());
            }
            number => {
                words.push_str(&[", ", word, " ", &number.to_string()].concat());
            }
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_of_objects_and_lists_stand_below_them() {
        let document = json!({ "components": { "schemas": { "Part": {
            "type": "object", "required": ["amount"],
            "properties": { "amount": { "type": "number", "minimum": 1 } },
        } } } });
        let schema = json!({
            "type": "object", "required": ["parts"],
            "properties": {
                "parts": { "type": "array", "items": { "$ref": "#/components/schemas/Part" }, "maxItems": 9 },
                "last": { "anyOf": [{ "$ref": "#/components/schemas/Part" }, { "type": "null" }] },
            },
        });
        let rows = rows(&document, &schema);
        let shown: Vec<String> = rows
            .iter()
            .map(|row| format!("{} {} {}", row.name, row.is_required, row.kind))
            .collect();
        assert_eq!(
            shown,
            [
                "parts true list of object (Part), entries at most 9",
                "parts[].amount true number, at least 1",
                "last false object (Part) or null",
                "last.amount true number, at least 1",
            ]
        );
    }
}
