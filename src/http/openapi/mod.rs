//! The OpenAPI 3.1 document of the service, from the facts of the route table: who acts, the
//! keys that may use a route, the described fields that its parser reads
//! ([`RequestSpec`](crate::http::request_spec::RequestSpec)), and the type that its handler
//! returns ([`Answer`](crate::http::answer::Answer)).

mod example;
mod headers;
mod operation;
mod refusals;
mod schema;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::http::media_type::JSON;
use crate::http::refusal_codes::answered_codes;
use crate::http::request_spec::Rules;
use crate::views::event_schemas;

pub(super) use operation::{DescribedRoute, PATH};

/// The rules that hold for all fields, so that their schemas leave them out.
const DESCRIPTION: &str = "Milestone escrow. Amounts are numbers of the major unit with at most two decimals. \
    A field that is null counts as left out. An empty text counts as null, also where the field's schema has no empty \
    text. It is refused where null would grant more: as url, secret or events, as merchantIds, as scope and as a setting \
    of a merchant. The words of gateway and transactionType may come in any letter case.";

/// Returns the document of these routes.
pub(super) fn document(rules: &Rules<'_>, routes: &[DescribedRoute]) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut schemas = settings.for_serialize().into_generator();
    let mut paths = Map::new();
    for route in routes {
        let item = paths.entry(route.path).or_insert_with(|| json!({}));
        item[route.method.to_ascii_lowercase()] = operation::describe(rules, route, &mut schemas);
    }
    let webhooks: Map<String, Value> = event_schemas(&mut schemas)
        .into_iter()
        .map(|(name, schema)| (name, webhook(schema.as_value())))
        .collect();
    let mut components = schemas.take_definitions(true);
    components.insert("Refusal".to_owned(), refusal());
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "escrowd",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
        },
        "paths": paths,
        "webhooks": webhooks,
        "components": {
            "securitySchemes": {
                "key": { "type": "http", "scheme": "bearer", "description": "The API key of a merchant or an operator" },
            },
            "headers": headers::components(),
            "schemas": components,
        },
    });
    rename_schemas(&mut document);
    document
}

/// Returns the item of an event, which the service posts to the merchant's webhook endpoint.
fn webhook(payload: &Value) -> Value {
    let header = |name: &str| json!({ "name": name, "in": "header", "required": true, "schema": { "type": "string" } });
    let headers = [
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
        "x-payluk-signature",
    ];
    json!({ "post": {
        "tags": ["events"],
        "parameters": headers.map(header),
        "requestBody": { "required": true, "content": { (JSON): { "schema": payload } } },
        "responses": { "2XX": { "description": "The endpoint has the event" } },
    } })
}

/// Gives the schemas the names of what they show, without the word View, for the types of
/// generated clients.
fn rename_schemas(document: &mut Value) {
    const PREFIX: &str = "#/components/schemas/";
    fn rename(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(name)) = fields.get_mut("$ref") {
                    *name = name_of(name);
                }
                fields.values_mut().for_each(rename);
            }
            Value::Array(entries) => entries.iter_mut().for_each(rename),
            _ => {}
        }
    }
    fn name_of(schema: &str) -> String {
        let (prefix, name) = schema.split_at(schema.find(PREFIX).map_or(0, |_| PREFIX.len()));
        format!("{prefix}{}", name.replace("View", ""))
    }
    rename(document);
    if let Some(schemas) = document["components"]["schemas"].as_object_mut() {
        *schemas = std::mem::take(schemas)
            .into_iter()
            .map(|(name, schema)| (name_of(&name), schema))
            .collect();
    }
}

/// Returns the schema of the envelope of a refusal. A request above the rate limit gets
/// neither code nor data.
fn refusal() -> Value {
    let codes: Vec<&str> = answered_codes().into_iter().collect();
    json!({
        "type": "object",
        "required": ["status", "message"],
        "additionalProperties": false,
        "dependentRequired": { "code": ["docUrl"], "docUrl": ["code"], "details": ["code"] },
        "properties": {
            "status": { "type": "integer", "minimum": 400, "maximum": 599, "description": "The HTTP status" },
            "message": { "type": "string", "description": "For people" },
            "data": { "description": "An empty object, unless the contract states another value" },
            "code": { "type": "string", "enum": codes, "description": "The broken rule, for programs" },
            "details": { "type": "object", "description": "The values in the message" },
            "docUrl": { "type": "string", "format": "uri", "description": "The page that tells cause and remedy" },
        },
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::http::refusal_codes::all_codes;

    #[test]
    fn the_codes_are_those_of_the_list_of_errors() {
        let list = include_str!("../../../docs/errors.md");
        let rows = list
            .lines()
            .filter(|line| line.starts_with("| ") && !line.starts_with("| Status"));
        let cells = rows.filter_map(|row| row.split('|').nth(2));
        let listed: BTreeSet<&str> = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
        assert_eq!(all_codes(), listed);
    }
}
