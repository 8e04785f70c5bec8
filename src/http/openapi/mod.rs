//! The OpenAPI 3.1 document of the service, from the facts of the route table.
//!
//! It tells the routes, their parameters, who acts, the keys that may use them, the names of
//! the fields that escrowd's own routes read, and the envelopes with every code of a refusal.
//! It does not tell the kinds and bounds of fields or the form of `data`;
//! `docs/contract.md` has them.

mod operation;

use serde_json::{Map, Value, json};

use crate::domain::mode::Mode;
use crate::http::error::codes;

pub(super) use operation::{DescribedRoute, PATH};

/// Returns the document of these routes.
pub(super) fn document(mode: Mode, routes: &[DescribedRoute]) -> Value {
    let mut paths = Map::new();
    for route in routes {
        let item = paths.entry(route.path).or_insert_with(|| json!({}));
        item[route.method.to_ascii_lowercase()] = operation::describe(mode, route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "escrowd",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Milestone escrow. Amounts are numbers of the major unit with at most two decimals.",
        },
        "paths": paths,
        "components": {
            "securitySchemes": {
                "key": { "type": "http", "scheme": "bearer", "description": "The API key of a merchant or an operator" },
            },
            "schemas": { "Success": success(), "Refusal": refusal() },
        },
    })
}

/// Returns the schema of the envelope of a success.
fn success() -> Value {
    json!({
        "type": "object",
        "required": ["status", "message", "data"],
        "additionalProperties": false,
        "properties": {
            "status": { "type": "integer", "minimum": 200, "maximum": 299, "description": "The HTTP status" },
            "message": { "type": "string", "description": "For people" },
            "data": { "description": "The object or the list that the route returns" },
        },
    })
}

/// Returns the schema of the envelope of a refusal. A request above the rate limit gets
/// neither code nor data.
fn refusal() -> Value {
    let codes: Vec<&str> = codes().into_iter().collect();
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

    use super::*;
    use crate::http::openapi_document;

    #[test]
    fn every_operation_has_an_id_of_its_own() {
        let document = openapi_document(Mode::Sandbox, false);
        let items = document["paths"].as_object().unwrap().values();
        let operations: Vec<&Value> = items.flat_map(|item| item.as_object().unwrap().values()).collect();
        let ids = operations
            .iter()
            .map(|operation| operation["operationId"].as_str().unwrap());
        let ids: BTreeSet<&str> = ids.collect();
        assert_eq!(ids.len(), operations.len());
        assert!(
            ids.contains("postEscrowMilestoneConfirmByEscrowIdByMilestoneId"),
            "{ids:?}"
        );
    }

    #[test]
    fn the_codes_are_those_of_the_list_of_errors() {
        let list = include_str!("../../../docs/errors.md");
        let rows = list
            .lines()
            .filter(|line| line.starts_with("| ") && !line.starts_with("| Status"));
        let cells = rows.filter_map(|row| row.split('|').nth(2));
        let listed: BTreeSet<&str> = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
        assert_eq!(codes(), listed);
    }
}
